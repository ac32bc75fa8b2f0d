"""recovery show, use and forget, pair --recovery and devices reinstate, as processes."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import Terminal, run, run_on_terminal, start
from harness.fake_daemon import WORDS, FakeDaemon
from harness.fake_recovery import RECOVERY_WORDS
from harness.fake_state import FakeState, fake_id, with_vault

TYPED = RECOVERY_WORDS.encode() + b"\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with served(home, with_vault("phone", "tablet")) as running:
        yield running


def test_the_words_are_shown_at_a_terminal_only(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "recovery", "show", stdin=b"1234\n")
    assert (done.code, done.out) == (8, b"")
    assert "at a terminal only" in done.messages
    assert not [one for one in daemon.state.requests if one.method == "recovery_show"]


def test_a_wrong_answer_shows_nothing(home: Path, daemon: FakeDaemon) -> None:
    shown = run_on_terminal(home, "recovery", "show", typed=b"no\n")
    assert shown.code == 8
    assert b"abandon" not in shown.out
    assert not [one for one in daemon.state.requests if one.method == "recovery_show"]


@pytest.mark.parametrize(("options", "picture"), [((), True), (("--no-qr",), False)])
def test_init_shows_a_person_the_words_and_a_picture_of_them(
    home: Path, options: tuple[str, ...], *, picture: bool
) -> None:
    with served(home, FakeState()):
        shown = run_on_terminal(home, "init", *options)
    assert shown.code == 0
    assert "24 art" in shown.out.decode()
    assert ("▀▀▀▀▀" in shown.out.decode()) is picture


@pytest.mark.parametrize("as_json", [False, True])
def test_a_program_that_answers_for_a_person_says_so(
    home: Path, daemon: FakeDaemon, *, as_json: bool
) -> None:
    words = ["recovery", "show", "--stdin", *(["--json"] if as_json else [])]
    with start(home, *words) as showing:
        assert showing.stderr is not None
        assert showing.stdin is not None
        assert showing.stdout is not None
        asked = os.read(showing.stderr.fileno(), 4_096).decode()
        (number,) = re.findall(r"Type (\d{4}) to see", asked)
        showing.stdin.write(number.encode() + b"\n")
        showing.stdin.flush()
        text = showing.stdout.read().decode()
        assert showing.wait(60) == 0
    if as_json:
        assert RECOVERY_WORDS in text
    else:
        assert [*re.findall(r"\d+ ([a-z]+)", text)] == RECOVERY_WORDS.split()
        assert "▀" not in text, "a QR code is for terminals"


def test_a_person_may_take_longer_than_the_daemon_waits_for_a_caller(
    home: Path, daemon: FakeDaemon
) -> None:
    with Terminal(home, "recovery", "show", "--no-qr") as terminal:
        terminal.await_text("to see the recovery key:")
        (number,) = re.findall(r"Type (\d{4}) to see", terminal.shown.decode())
        daemon.let_go()
        terminal.type(number.encode() + b"\n")
        assert terminal.end() == 0, terminal.shown
        assert "24 art" in terminal.shown.decode()


def test_the_words_are_read_from_stdin_and_the_decision_from_the_arguments(
    home: Path, daemon: FakeDaemon
) -> None:
    daemon.state.removed.append({"id": fake_id("old"), "name": "old"})
    done = run(home, "recovery", "use", "--lost", "phone", "--restore", "old", stdin=TYPED)
    assert (done.code, done.text) == (
        0,
        "This device, “laptop”, is an admin now, and new keys are in use.\n",
    )
    assert daemon.key.uses == [
        {"words": RECOVERY_WORDS, "lost": ["phone"], "restored": ["old"], "all_others": False}
    ]
    tree = run(home, "recovery", "use", "--all-others", "--json", stdin=TYPED).tree
    assert tree == {"v": 1, "device": {"id": fake_id("a"), "name": "laptop"}}
    assert daemon.key.uses[-1]["all_others"] is True


def test_a_use_without_a_decision_or_without_words_is_refused(
    home: Path, daemon: FakeDaemon
) -> None:
    assert run(home, "recovery", "use", stdin=TYPED).code == 2
    assert run(home, "recovery", "use", "--all-others").code == 2
    wrong = run(home, "recovery", "use", "--all-others", "--json", stdin=b"abandon\n")
    assert (wrong.code, wrong.error["code"]) == (2, "bad_recovery_words")
    assert daemon.key.uses == []


@pytest.mark.parametrize(("answer", "uses"), [(b"y\n", 1), (b"n\n", 0), (b"\n", 0)])
def test_a_person_is_asked_before_devices_are_removed(
    home: Path, daemon: FakeDaemon, answer: bytes, uses: int
) -> None:
    words = ["recovery", "use", "--lost", "phone", "--lost", "tablet"]
    shown = run_on_terminal(home, *words, typed=TYPED + answer)
    assert "Remove “phone”, “tablet” from the vault for good?" in shown.out.decode()
    assert len(daemon.key.uses) == uses
    assert shown.code == (0 if uses else 8)
    assert (
        "every other device"
        in run_on_terminal(
            home, "recovery", "use", "--all-others", typed=TYPED + b"n\n"
        ).out.decode()
    )


def test_who_comes_back_is_named_in_the_question(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.removed += [{"id": fake_id(name), "name": name} for name in ("old", "older")]
    words, restore = ["recovery", "use"], ["--restore", "old", "--restore", "older"]
    shown = run_on_terminal(home, *words, *restore, typed=TYPED + b"n\n")
    assert "Let “old”, “older” in again? [y/N]" in shown.out.decode()
    shown = run_on_terminal(home, *words, "--lost", "phone", *restore, typed=TYPED + b"n\n")
    asked = "Remove “phone” from the vault for good and let “old”, “older” in again? [y/N]"
    assert asked in shown.out.decode()


@pytest.mark.parametrize(
    ("option", "device", "why"),
    [
        ("--lost", "phoen", "no device of this vault is called"),
        ("--lost", "old", "was removed from the vault already"),
        ("--restore", "odl", "no device of this vault is called"),
        ("--restore", "phone", "is in the vault"),
    ],
)
def test_nobody_types_the_words_for_a_device_that_is_not_there(
    home: Path, daemon: FakeDaemon, option: str, device: str, why: str
) -> None:
    daemon.state.removed.append({"id": fake_id("old"), "name": "old"})
    with Terminal(home, "recovery", "use", option, device) as terminal:
        assert terminal.end() == 6
        assert why in terminal.shown.decode()
        assert "24 words" not in terminal.shown.decode()


def test_either_some_devices_are_lost_or_all_others(home: Path, daemon: FakeDaemon) -> None:
    assert run(home, "recovery", "use", "--lost", "phone", "--all-others", stdin=TYPED).code == 2


def test_the_question_names_a_device_that_was_named_by_its_id(
    home: Path, daemon: FakeDaemon
) -> None:
    words = ["recovery", "use", "--lost", fake_id("phone")[:6]]
    shown = run_on_terminal(home, *words, typed=TYPED + b"n\n")
    assert "Remove “phone” from the vault for good?" in shown.out.decode()


def test_words_are_forgotten_only_where_the_person_has_them(home: Path, daemon: FakeDaemon) -> None:
    wrong = run(home, "recovery", "forget", stdin=b"other words\n")
    assert (wrong.code, daemon.key.kept) == (8, True)
    assert run(home, "recovery", "forget").code == 2
    assert run(home, "recovery", "forget", stdin=TYPED).code == 0
    assert not daemon.key.kept
    again = run(home, "recovery", "forget", "--json", stdin=TYPED)
    assert (again.code, again.error["code"]) == (5, "no_recovery_words")


def test_words_to_forget_may_be_typed_as_untidily_as_others(home: Path, daemon: FakeDaemon) -> None:
    typo = run(home, "recovery", "forget", stdin=TYPED.replace(b"art", b"arf"))
    assert (typo.code, daemon.key.kept) == (8, True)
    assert "word 24 is not in the list of words. Nothing was forgotten." in typo.messages
    other = run(home, "recovery", "forget", stdin=b"zoo " * 23 + b"vote\n")
    assert (other.code, daemon.key.kept) == (8, True)
    numbered = " ".join(f"{n}. {w[:4].upper()}" for n, w in enumerate(RECOVERY_WORDS.split(), 1))
    assert run(home, "recovery", "forget", stdin=numbered.encode() + b"\n").code == 0
    assert not daemon.key.kept


def test_no_words_are_asked_for_that_are_good_for_nothing(home: Path, daemon: FakeDaemon) -> None:
    daemon.key.kept = False
    shown = run_on_terminal(home, "recovery", "forget")
    assert (shown.code, b"24 words of" in shown.out) == (5, False)
    daemon.state.vault = None
    shown = run_on_terminal(home, "recovery", "use", "--all-others")
    assert (shown.code, b"24 words of" in shown.out) == (5, False)
    assert b"recovery use --from" in shown.out


def test_what_the_recovery_key_let_in_it_can_remove_again(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "pair", "--recovery", stdin=TYPED + WORDS.encode() + b"\n")
    # This device need not be an admin, and then it cannot revoke anybody.
    assert "Take it back: `p2pvault recovery use --lost phone`" in done.messages


def test_pair_reads_the_recovery_key_first(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "pair", "--recovery", "--json", stdin=TYPED + WORDS.encode() + b"\n")
    assert done.code == 0, done.messages
    (asked,) = [one.params for one in daemon.state.requests if one.method == "pair"]
    assert asked == {"admin": True, "recovery_words": RECOVERY_WORDS}
    assert run(home, "pair", "--recovery").code == 2


def test_who_is_outside_is_listed_so_that_the_key_can_name_it(
    home: Path, daemon: FakeDaemon
) -> None:
    daemon.key.fallen += [{"id": fake_id(name), "name": name} for name in ("watch", "phone")]
    *_, last = run(home, "devices").text.splitlines()
    assert last == f"Let in by a revoked one: watch, phone {fake_id('phone')[:8]}"
    daemon.key.fallen += [{"id": fake_id(f"x{n}"), "name": f"x{n}"} for n in range(99)]
    *_, last = run(home, "devices").text.splitlines()
    assert last.endswith(", x13, 85 devices more")


def test_a_suspended_device_is_listed_and_let_in(home: Path, daemon: FakeDaemon) -> None:
    daemon.key.suspended.append({"id": fake_id("cam"), "name": "camera"})
    assert run(home, "devices").text.endswith("\nSuspended: camera\n")
    done = run(home, "devices", "reinstate", "camera")
    assert (done.code, done.text) == (0, "“camera” is in the vault again.\n")
    assert "p2pvault devices revoke camera" in done.messages
    assert "Suspended" not in run(home, "devices").text
    assert run(home, "devices", "reinstate", "camera").code == 6
