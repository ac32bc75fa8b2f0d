"""Programs that start warm do what those do that start with an interpreter of their own."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.daemons import LOOPBACK, Daemon
from harness.programs import Cold, Programs, warm_programs

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def warm() -> Iterator[Programs]:
    with warm_programs() as programs:
        yield programs


@pytest.fixture(params=["cold", "warm"])
def programs(request: pytest.FixtureRequest, warm: Programs) -> Programs:
    return warm if request.param == "warm" else Cold()


def test_a_command_has_its_arguments_its_home_and_its_streams(
    programs: Programs, tmp_path: Path
) -> None:
    made = programs.command(tmp_path, ["--json", "init", "--name", "laptöp"], b"")
    assert (made.code, made.err) == (0, b"")
    assert json.loads(made.out)["device"]["name"] == "laptöp"
    again = programs.command(tmp_path, ["init", "--name", "laptop"], b"")
    assert (again.code, again.out) == (8, b"")
    assert again.messages.startswith("p2pvault: ")
    assert programs.command(tmp_path, ["--help"], b"").text.startswith("Usage: p2pvault")
    assert programs.command(tmp_path, ["status"], b"").code == 3


def test_what_is_typed_arrives_however_long_it_is(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, place = tmp_path / "home", tmp_path / "place"
    place.mkdir()
    (place / "poem").write_text("a file where the command runs")
    programs.command(home, ["init", "--name", "laptop"], b"")
    daemon = Daemon(programs.daemon(home, LOOPBACK))
    try:
        daemon.wait_event("ready")
        lines = [
            json.dumps({"path": f"notes/{n}", "value": {"n": "x" * 100}}) for n in range(1_500)
        ]
        done = programs.command(home, ["set", "--stdin"], "\n".join(lines).encode())
        assert (done.code, done.messages) == (0, "")
        # Where a program runs is what it inherits, so this process has to be there.
        monkeypatch.chdir(place)
        assert programs.command(home, ["set", "notes/poem", "text=@poem"], b"").code == 0
        got = programs.command(home, ["get", "notes/poem", "text"], b"")
        assert got.out == b"a file where the command runs\n"
    finally:
        assert daemon.end(signal.SIGTERM) == 0


def test_a_daemon_is_a_process_that_can_be_waited_for_and_signalled(
    programs: Programs, tmp_path: Path
) -> None:
    daemon = Daemon(programs.daemon(tmp_path, LOOPBACK))
    daemon.wait_event("ready")
    assert daemon.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(0.01)
    assert Path(f"/proc/{daemon.process.pid}").exists()
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    assert daemon.process.poll() == -signal.SIGKILL
    assert not Path(f"/proc/{daemon.process.pid}").exists()


def test_a_daemon_that_cannot_start_says_why(programs: Programs, tmp_path: Path) -> None:
    daemon = Daemon(programs.daemon(tmp_path, ["--listen", "nowhere"]))
    assert daemon.process.wait(30) == 2
    daemon.log.wait_end()
    assert "nowhere" in "".join(daemon.log.seen)
