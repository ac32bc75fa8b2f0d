"""`p2pvault verify`, as a process against a daemon that keeps the contract."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.cli_fixtures import served
from harness.command_line import run, run_on_terminal
from harness.fake_state import FakeRecord, with_vault
from p2pvault.control.home import find_home, private_directory, short_path
from p2pvault.control.messages import Answer, Notification, encode
from p2pvault.node.create import create_vault

RECORD = {"kind": "record", "what": "notes/one (id:00)", "detail": "its chunks are\ndamaged"}
ENTRY = {"kind": "entry", "what": "aa 2", "detail": "its signature is wrong"}


def test_a_sound_store_is_one_line_and_zero(tmp_path: Path) -> None:
    state = with_vault()
    state.records.append(FakeRecord("00" * 16, "notes/one", {}))
    with served(tmp_path, state):
        done = run(tmp_path, "verify")
        assert (done.code, done.text) == (
            0,
            "Sound: 1 record, deleted ones too, and 0 journal entries.\n",
        )


def test_what_is_wrong_is_named_and_the_code_says_so(tmp_path: Path) -> None:
    state = with_vault()
    state.findings += [RECORD, ENTRY]
    with served(tmp_path, state):
        done = run(tmp_path, "verify")
        assert done.code == 1
        assert done.text.splitlines() == [
            "! record notes/one (id:00): its chunks are\\ndamaged",
            "! entry aa 2: its signature is wrong",
            "2 findings. Looked at 0 records, deleted ones too, and 0 journal entries.",
        ]
        assert "p2pvault" in done.messages
        assert "verify --repair" in done.messages


def test_a_page_that_hides_many_others_is_no_wall_of_text(tmp_path: Path) -> None:
    state = with_vault()
    detail = "\n".join(["*** in database main ***", *(f"page {n}: error 11" for n in range(99))])
    state.findings.append({"kind": "page", "what": "database", "detail": detail})
    with served(tmp_path, state):
        (line, *_) = run(tmp_path, "verify").text.splitlines()
        said = "*** in database main ***\\npage 0: error 11\\npage 1: error 11, and 97 lines more"
        assert line == f"! page database: {said}"
        events = run(tmp_path, "verify", "--json").trees
        assert [one["detail"] for one in events if one["event"] == "finding"] == [detail]


def test_what_is_repaired_is_said_and_counts_as_sound(tmp_path: Path) -> None:
    state = with_vault()
    state.findings.append(RECORD)
    with served(tmp_path, state):
        done = run(tmp_path, "verify", "--repair")
        assert done.code == 0
        assert "notes/one (id:00): repaired" in done.text
        assert "1 finding, 1 of them repaired." in done.text
        state.findings.append(ENTRY)
        still = run(tmp_path, "verify", "--repair")
        assert still.code == 1
        assert still.messages.startswith("Stop the daemon and run")


def test_a_person_sees_how_far_it_is_and_a_log_does_not(tmp_path: Path) -> None:
    state = with_vault()
    state.records.append(FakeRecord("00" * 16, "notes/one", {}))
    with served(tmp_path, state):
        shown = run_on_terminal(tmp_path, "verify").out.decode()
        assert "\r\x1b[Krecords: 1 of 1\r\x1b[KSound: 1 record" in shown
        assert "\x1b" not in run_on_terminal(tmp_path, "verify", TERM="dumb").out.decode()
        assert "1 of 1" not in run(tmp_path, "verify").messages


def test_json_is_one_event_a_line(tmp_path: Path) -> None:
    state = with_vault()
    state.findings.append(RECORD)
    with served(tmp_path, state):
        done = run(tmp_path, "verify", "--repair", "--json")
    events = [json.loads(line) for line in done.text.splitlines()]
    assert {event["v"] for event in events} == {1}
    assert [event["event"] for event in events] == ["progress", "finding", "repaired", "verified"]
    assert (events[-1]["findings"], events[-1]["repaired"]) == (1, 1)


@contextmanager
def dying(directory: Path) -> Iterator[None]:
    """Serve a home with a daemon that opens one stream, tells one finding, and is gone."""
    home = find_home(directory)
    private_directory(home.socket.parent)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with short_path(home.socket) as path:
            listener.bind(path)
        listener.listen(1)
        thread = threading.Thread(target=_die, args=[listener])
        thread.start()
        yield
        thread.join()


def _die(listener: socket.socket) -> None:
    caller, _ = listener.accept()
    with caller:
        caller.recv(1_000)
        told = Notification(1, {"event": "finding", **ENTRY})
        caller.sendall(encode(Answer(1, {"stream": 1})) + encode(told))


def test_a_daemon_that_dies_is_an_error_and_nobody_repairs_in_its_place(tmp_path: Path) -> None:
    create_vault(find_home(tmp_path).state, "ada", "home")
    with dying(tmp_path):
        done = run(tmp_path, "verify", "--repair")
    assert done.code == 3
    assert done.text == "! entry aa 2: its signature is wrong\n"
    assert done.messages.startswith("p2pvault: the daemon ended the connection.")
    find_home(tmp_path).socket.unlink()
    offline = run(tmp_path, "verify", "--repair")
    assert (offline.code, offline.text) == (
        0,
        "Sound: 0 records, deleted ones too, and 0 journal entries.\n",
    )
