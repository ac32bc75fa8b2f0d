"""collections list, keep and forget, as processes against the fake daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import Terminal, run, run_on_terminal
from harness.fake_daemon import FakeDaemon
from harness.fake_state import FakeRecord, fake_id, peer, with_vault
from p2pvault.cli.state import data_cell


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    state = with_vault("phone")
    for path in ("contacts/ada", "contacts/bob", "notes/one"):
        state.records.append(FakeRecord(fake_id(path, 32), path, {}))
    state.forgotten.add("photos")
    state.incomplete.add("notes")
    with served(home, state) as running:
        yield running


def test_the_list_shows_what_is_kept_and_what_is_missing(home: Path, daemon: FakeDaemon) -> None:
    for words in (["collections"], ["collections", "list"]):
        heading, *rows = run(home, *words).text.splitlines()
        assert heading.split() == ["COLLECTION", "RECORDS", "HERE"]
        assert [row.split(maxsplit=2) for row in rows] == [
            ["contacts", "2", "kept"],
            ["notes", "1", "kept, not all of it is here yet"],
            ["photos", "-", "not kept"],
        ]
    tree = run(home, "collections", "--json").tree
    photos = {"name": "photos", "records": None, "whole": False, "seen": True}
    assert tree["collections"][2] == photos


def test_a_vault_without_records_has_no_collections(home: Path) -> None:
    with served(home, with_vault()):
        assert run(home, "collections").text == "There are no collections yet.\n"


def test_keep_says_how_to_take_it_back(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "collections", "keep", "photos")
    assert done.text == "This device keeps “photos”.\n"
    assert "collections forget photos`" in done.messages
    assert daemon.state.forgotten == set()


def test_forget_says_how_to_take_it_back(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "collections", "forget", "videos")
    assert done.text == "This device forgets “videos”.\n"
    assert "collections keep videos`" in done.messages


def test_what_is_so_already_is_not_to_be_taken_back(home: Path, daemon: FakeDaemon) -> None:
    for words, text in (
        (["keep", "contacts"], "This device already keeps “contacts”.\n"),
        (["forget", "photos"], "This device has forgotten “photos” already.\n"),
    ):
        done = run(home, "collections", *words)
        assert (done.code, done.text, done.messages) == (0, text, "")
    kept = run(home, "collections", "keep", "notes")
    assert "shows when all of it is here" in kept.messages
    assert "Take it back" not in kept.messages


def test_a_slip_of_a_name_is_told_from_what_was_here(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.unseen.add("phtoos")
    said = run(home, "collections", "forget", "phtoos").text
    assert said == "This device forgets “phtoos”, of which nothing was ever here.\n"
    *_, row = run(home, "collections").text.splitlines()
    assert row.split(maxsplit=2) == ["phtoos", "-", "not kept, and never was here"]
    assert run(home, "collections", "forget", "phtoos", "--json").tree["collection"] == {
        "name": "phtoos", "records": None, "whole": False, "seen": False,
    }  # fmt: skip
    kept = run(home, "collections", "keep", "phtoos")
    assert kept.text == "This device keeps “phtoos”, of which nothing was ever here.\n"
    assert "status" not in kept.messages
    assert "phtoos" not in run(home, "collections").text


def test_forget_asks_a_person_where_something_may_be_lost(home: Path, daemon: FakeDaemon) -> None:
    for typed in (b"n\n", b"\n"):
        shown = run_on_terminal(home, "collections", "forget", "notes", typed=typed)
        assert (shown.code, "notes" in daemon.state.forgotten) == (8, False)
    assert "What only this device holds of “notes” is lost." in shown.out.decode()
    assert run_on_terminal(home, "collections", "forget", "notes", typed=b"y\n").code == 0
    assert "notes" in daemon.state.forgotten


def test_a_person_may_think_for_longer_than_the_daemon_waits(
    home: Path, daemon: FakeDaemon
) -> None:
    with Terminal(home, "collections", "forget", "notes") as terminal:
        terminal.await_text("[y/N]")
        daemon.let_go()
        terminal.type(b"y\n")
        assert terminal.end() == 0, terminal.shown
    assert "notes" in daemon.state.forgotten


def test_forget_needs_yes_where_nobody_can_be_asked(home: Path, daemon: FakeDaemon) -> None:
    for words in (["collections", "forget", "notes"], ["collections", "forget", "notes", "--json"]):
        done = run(home, *words)
        assert (done.code, "notes" in daemon.state.forgotten) == (8, False)
        assert "--yes" in done.messages
    assert run(home, "collections", "forget", "notes", "--yes").code == 0
    assert "notes" in daemon.state.forgotten


def test_status_says_what_a_proof_is_not_about(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.peers = [peer("phone", without=2)]
    text = run(home, "status").text
    assert "  Not kept here: photos" in text
    assert "  Not all here yet: notes" in text
    assert data_cell(peer("phone", without=2)).startswith("same as here, but for 2 collections, ")
