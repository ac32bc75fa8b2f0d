"""The real daemon as a process: its start, its refusals, its end. Off the network, on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from p2pvault import __version__
from p2pvault.control.caller import connect
from p2pvault.control.home import Home, find_home
from p2pvault.node.create import create_vault

OFFLINE = ("--listen", "127.0.0.1:0", "--mode", "off")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return find_home(tmp_path / "home")


@pytest.fixture
def with_vault(home: Home) -> Home:
    create_vault(home.state, "laptop", "home")
    return home


def arguments(home: Home, *more: str) -> list[str]:
    return [sys.executable, "-m", "p2pvaultd", *home.arguments(), *OFFLINE, *more]


def refused(home: Home, *more: str) -> tuple[int, str]:
    """Start a daemon that must not run; return its exit code and what it said."""
    done = subprocess.run(
        arguments(home, *more), check=False, capture_output=True, text=True, timeout=60
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert done.stdout == ""
    return done.returncode, lines[0]


@contextmanager
def daemon(home: Home, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """A daemon whose control socket answers; its log goes to `log` in its home."""
    home.state.mkdir(exist_ok=True, mode=0o700)
    notify = home.state / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        manager.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
        with (home.state / "log").open("w") as log:
            running = subprocess.Popen(
                arguments(home, *more), stderr=log, env=environment, text=True
            )
        try:
            assert manager.recv(1000).startswith(b"READY=1")
            yield running
        finally:
            running.kill()
            running.wait()
    notify.unlink()


def log_of(home: Home) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home.state / "log").read_text().splitlines()]


def test_a_signal_ends_it_with_exit_code_0_and_nothing_left(with_vault: Home) -> None:
    with daemon(with_vault) as running:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert not with_vault.socket.exists()
    assert [line["event"] for line in log_of(with_vault)][-2:] == ["stopping", "stopped"]


@pytest.mark.heavy
def test_an_interrupt_while_programs_are_connected_ends_it_too(with_vault: Home) -> None:
    with daemon(with_vault) as running, connect(with_vault) as caller:
        caller.call("hello")
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0


@pytest.mark.heavy
def test_what_was_written_is_there_after_a_kill(with_vault: Home) -> None:
    with daemon(with_vault) as running, connect(with_vault) as caller:
        caller.call("set", path="contacts/ada", puts=[[["name"], "Ada"]], deletes=[])
        running.kill()
        running.wait()
    with daemon(with_vault), connect(with_vault) as caller:
        assert caller.call("get", path="contacts/ada", field="name")["value"] == "Ada"


def test_a_daemon_without_a_vault_gets_one_and_keeps_it(home: Home) -> None:
    with daemon(home) as running, connect(home) as caller:
        assert caller.call("hello")["vault"] is False
        made = caller.call("init", name="laptop")
        empty = {"records": 0, "not_kept": [], "incomplete": []}
        assert caller.call("status")["vault"] == {**made["vault"], **empty}
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    with daemon(home), connect(home) as caller:
        assert caller.call("status")["device"] == {**made["device"], "role": "admin"}


def test_no_log_line_of_a_working_daemon_is_withheld_or_names_anything(with_vault: Home) -> None:
    with daemon(with_vault, "--log-level", "debug") as running, connect(with_vault) as caller:
        caller.call("set", path="canary/canary", puts=[[["canary"], "canary"]], deletes=[])
        caller.call("device_rename", device="laptop", name="canary")
        running.send_signal(signal.SIGHUP)
        caller.call("get", path="canary/canary")
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    lines = log_of(with_vault)
    assert "settings_reloaded" in [line["event"] for line in lines]
    assert "canary" not in str(lines)
    assert [
        line for line in lines if "withheld" in line or line["event"] == "forbidden_event"
    ] == []


@pytest.mark.heavy
def test_its_memory_cannot_be_dumped(with_vault: Home) -> None:
    with daemon(with_vault) as running:
        limits = Path(f"/proc/{running.pid}/limits").read_text()
        owner = Path(f"/proc/{running.pid}/mem").stat().st_uid
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
    # The kernel gives the files of a process that is not dumpable to root (proc(5)).
    assert owner == 0


def test_a_second_daemon_in_the_same_home_is_refused(with_vault: Home) -> None:
    with daemon(with_vault), connect(with_vault) as caller:
        code, said = refused(with_vault)
        assert code == 8
        assert "another daemon answers" in said
        assert caller.call("hello")["vault"] is True


def test_a_wrong_setting_is_refused_by_name(with_vault: Home) -> None:
    with_vault.config_file.write_text("[discovery]\nmod = 'off'\n")
    code, said = refused(with_vault)
    assert code == 2
    assert said.startswith("p2pvaultd: ")
    assert said.endswith("config.toml: unknown setting discovery.mod. Did you mean discovery.mode?")


@pytest.mark.heavy
def test_a_busy_port_is_refused_with_a_hint(with_vault: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        code, said = refused(with_vault, "--listen", f"127.0.0.1:{busy.getsockname()[1]}")
    assert code == 2
    assert str(busy) not in said
    assert "port" in said


@pytest.mark.heavy
def test_a_locked_vault_is_refused_with_exit_code_4(with_vault: Home) -> None:
    for key in with_vault.state.glob("*.key"):
        key.unlink()
    assert refused(with_vault)[0] == 4


@pytest.mark.heavy
def test_a_damaged_store_is_refused_and_left_as_it_is(with_vault: Home) -> None:
    store = with_vault.state / "vault.db"
    damaged = bytes(64) + store.read_bytes()[64:]
    store.write_bytes(damaged)
    code, said = refused(with_vault)
    assert code == 1
    assert "Do not delete anything" in said
    assert store.read_bytes() == damaged


@pytest.mark.heavy
def test_a_home_that_others_can_write_is_refused(with_vault: Home) -> None:
    with_vault.state.chmod(0o777)
    code, said = refused(with_vault)
    assert code == 2
    assert "can be written by other users" in said


def test_the_version_is_printed_without_starting_anything() -> None:
    version = [sys.executable, "-m", "p2pvaultd", "--version"]
    done = subprocess.run(version, check=True, capture_output=True, text=True)
    assert done.stdout == f"p2pvaultd {__version__}\n"


def test_a_wrong_option_is_a_usage_error() -> None:
    wrong = [sys.executable, "-m", "p2pvaultd", "--mode", "loud"]
    done = subprocess.run(wrong, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
