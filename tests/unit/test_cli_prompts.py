"""Questions of the command line: when they are asked, and what happens while they stand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import Terminal, run
from harness.fake_daemon import CODE, WORDS, FakeDaemon
from harness.fake_state import FakeRecord, FakeState, fake_id, with_vault
from p2pvault.control.messages import fault_from, fault_members
from p2pvault.errors import BadCode, CodeExpired, NoSuchDevice, PairingRefused

QUESTION = "Type the two words that it shows:"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with served(home, with_vault("phone")) as running:
        yield running


def test_pair_says_at_once_that_the_other_device_is_gone(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "pair", "--no-qr") as terminal:
        terminal.await_text(QUESTION)
        daemon.say_of_pairing({"event": "attempt", "message": "the other device hung up"})
        terminal.await_text("the other device hung up")


def test_pair_asks_again_for_the_device_that_came_instead(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "pair", "--no-qr") as terminal:
        terminal.await_text(QUESTION)
        daemon.say_of_pairing(
            {"event": "attempt", "message": "the other device hung up"},
            {"event": "joiner", "name": "phone"},
            {"event": "confirm"},
        )
        terminal.await_text(QUESTION, times=2)
        terminal.type(WORDS.encode() + b"\n")
        assert terminal.end() == 0
        assert terminal.shown.decode().count(QUESTION) == 2
        assert "Paired: “phone”" in terminal.shown.decode()


def test_pair_says_at_once_that_the_code_has_expired(home: Path, daemon: FakeDaemon) -> None:
    expired = fault_members(fault_from(CodeExpired("nobody used the pairing code in time")))
    with Terminal(home, "pair", "--no-qr") as terminal:
        terminal.await_text(QUESTION)
        daemon.say_of_pairing({"event": "error", "error": expired})
        assert terminal.end() == 8
        assert "nobody used the pairing code in time" in terminal.shown.decode()


def test_join_says_at_once_that_the_other_device_ended_it(home: Path) -> None:
    stopped = fault_members(fault_from(PairingRefused("pairing was stopped there")))
    with served(home, FakeState()) as daemon, Terminal(home, "join", CODE) as terminal:
        terminal.await_text("Join it? [y/N]")
        daemon.say_of_pairing({"event": "error", "error": stopped})
        assert terminal.end() == 8
        assert "pairing was stopped there" in terminal.shown.decode()


def test_what_stands_behind_a_line_is_left_to_the_next_reader(
    home: Path, daemon: FakeDaemon
) -> None:
    words = f"{' '.join(['abandon'] * 24)}\n{WORDS}\n"
    done = run(home, "pair", "--recovery", "--json", stdin=words.encode())
    assert (done.code, done.trees[-1]["event"]) == (0, "paired")


def test_the_end_of_the_input_ends_the_line_of_the_question(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "pair", "--no-qr") as terminal:
        terminal.await_text(QUESTION)
        terminal.type(b"\x04")
        assert terminal.end() == 8
        last = terminal.shown.decode().splitlines()[-1]
        assert "the two words were not typed. Nothing was paired." in last
        assert QUESTION not in last


@pytest.mark.parametrize(
    "words",
    [
        ["join"],
        ["pair", "--recovery"],
        ["set", "--stdin"],
        ["recovery", "use", "--all-others"],
        ["recovery", "forget"],
        ["recovery", "show", "--stdin"],
    ],
)
def test_nothing_is_asked_where_no_daemon_could_take_the_answer(
    home: Path, words: list[str]
) -> None:
    done = run(home, *words)
    assert (done.code, done.out) == (3, b"")
    with Terminal(home, *words) as terminal:
        assert terminal.end() == 3
        (line,) = terminal.shown.decode().splitlines()
        assert "no daemon is running" in line


def test_join_asks_for_no_code_where_there_is_a_vault(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "join") as terminal:
        assert terminal.end() == 8
        assert "has a vault already" in terminal.shown.decode()
        assert "Code" not in terminal.shown.decode()


def test_join_looks_for_nobody_with_a_code_that_is_none(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.fault = BadCode("that is no code")
    done = run(home, "join", "hello")
    assert (done.code, done.messages.count("\n")) == (2, 1)


def test_join_asks_a_person_again_for_a_code_that_was_mistyped(home: Path) -> None:
    with served(home, FakeState()) as daemon, Terminal(home, "join", "--yes") as terminal:
        daemon.state.fault_of["join"] = BadCode("“x” is no code", hint="Did you mean y?")
        terminal.await_text("Code from the other device:")
        terminal.type(b"x\n")
        terminal.await_text("“x” is no code. Did you mean y?\r\nCode from the other device:")
        daemon.state.fault_of.clear()
        terminal.type(CODE.encode() + b"\n")
        assert terminal.end() == 0
        assert "Looking" in terminal.shown.decode()


def test_join_reads_one_code_from_a_script(home: Path) -> None:
    with served(home, FakeState()) as daemon:
        daemon.state.fault_of["join"] = BadCode("that is no code")
        done = run(home, "join", "--yes", stdin=f"x\n{CODE}\n".encode())
        assert (done.code, daemon.state.vault) == (2, None)


def test_ctrl_c_ends_the_line_that_it_stands_on(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "pair", "--no-qr") as terminal:
        terminal.await_text(QUESTION)
        terminal.interrupt()
        assert terminal.end() == 130
        assert terminal.shown.decode().endswith(f"{QUESTION} \r\n")


def test_revoke_asks_about_the_device_by_its_name(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "devices", "revoke", fake_id("phone")[:6]) as terminal:
        terminal.await_text("[y/N]")
        assert "Remove “phone” from the vault for good?" in terminal.shown.decode()


@pytest.mark.parametrize("device", ["nobody", "laptop"])
def test_revoke_asks_nothing_where_it_will_be_refused(
    home: Path, daemon: FakeDaemon, device: str
) -> None:
    daemon.state.fault_of["device_revoke"] = NoSuchDevice("that is the device itself")
    with Terminal(home, "devices", "revoke", device) as terminal:
        assert terminal.end() == 6
        assert "[y/N]" not in terminal.shown.decode()


def test_revoke_says_that_a_device_was_removed_already(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.removed.append({"id": fake_id("old"), "name": "old"})
    for device in ("old", fake_id("old")[:6]):
        with Terminal(home, "devices", "revoke", device) as terminal:
            assert terminal.end() == 6
            assert "“old” was removed from the vault already" in terminal.shown.decode()


def test_rm_asks_a_person_before_a_record_is_gone_for_good(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.records.append(FakeRecord("ab" * 16, "a/b", {"c": "d"}))
    with Terminal(home, "rm", "a/b") as terminal:
        terminal.await_text("Delete “a/b” on all devices for good? [y/N]")
        terminal.type(b"\n")
        assert terminal.end() == 8
    assert daemon.state.records
    with Terminal(home, "rm", "a/b", "--yes") as terminal:
        assert terminal.end() == 0
    assert not daemon.state.records


def test_rm_asks_nothing_about_a_record_that_is_not_there(home: Path, daemon: FakeDaemon) -> None:
    with Terminal(home, "rm", "a/b") as terminal:
        assert terminal.end() == 5
        assert "[y/N]" not in terminal.shown.decode()
