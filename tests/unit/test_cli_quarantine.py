"""quarantine list, accept and drop, as processes against the fake daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import Terminal, run, run_on_terminal
from harness.fake_daemon import FakeDaemon
from harness.fake_state import fake_id, with_vault
from p2pvault.control.messages import JsonObject


def row(name: str, entries: int, *paths: str, size: int = 900) -> JsonObject:
    return {
        "id": fake_id(name),
        "name": name,
        "entries": entries,
        "records": len(paths),
        "paths": [*paths],
        "bytes": size,
        "first": "2026-01-02T03:04:05+00:00",
        "last": "2026-01-02T03:04:06+00:00",
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    state = with_vault()
    many = [f"notes/{number}" for number in range(11)]
    state.quarantined += [row("phone", 1, "notes/one"), row("tab\x1blet", 12, *many, size=34_567)]
    with served(home, state) as running:
        yield running


def test_the_list_shows_whose_how_much_and_which_records(home: Path, daemon: FakeDaemon) -> None:
    for words in (["quarantine"], ["quarantine", "list"]):
        heading, phone, tablet, _, one, many = run(home, *words).text.splitlines()
        assert heading.split() == ["DEVICE", "ENTRIES", "RECORDS", "SIZE", "SINCE"]
        assert phone.split()[:5] == ["phone", "1", "1", "900", "B"]
        assert tablet.split()[:5] == ["tab\\u001blet", "12", "11", "34", "KB"]
        assert one == "phone: notes/one"
        assert many.endswith("notes/6, notes/7, 3 records more")
    tree = run(home, "quarantine", "--json").tree
    assert [device["entries"] for device in tree["devices"]] == [1, 12]


def test_an_empty_quarantine_is_said_so(home: Path) -> None:
    with served(home, with_vault()):
        assert run(home, "quarantine").text == "Nothing is in quarantine.\n"
        done = run(home, "quarantine", "accept")
    assert done.code == 8
    assert "nothing is in quarantine" in done.messages


def test_drop_asks_nothing_where_nothing_is(home: Path) -> None:
    with served(home, with_vault()):
        shown = run_on_terminal(home, "quarantine", "drop", typed=b"y\n")
    assert shown.code == 8
    assert b"[y/N]" not in shown.out


def test_drop_asks_nothing_about_a_device_of_which_nothing_is(
    home: Path, daemon: FakeDaemon
) -> None:
    with Terminal(home, "quarantine", "drop", "laptop") as terminal:
        terminal.type(b"y\n")
        assert terminal.end() == 6
        shown = terminal.shown.decode()
    assert "nothing of a device called “laptop” is in quarantine. `p2pvault quarantine`" in shown
    assert "[y/N]" not in shown


def test_drop_asks_about_a_device_by_its_name(home: Path, daemon: FakeDaemon) -> None:
    phone = next(row for row in daemon.state.quarantined if row["name"] == "phone")
    shown = run_on_terminal(home, "quarantine", "drop", str(phone["id"])[:6], typed=b"n\n")
    assert "Drop what “phone” wrote in quarantine for good? [y/N]" in shown.out.decode()


def test_accept_says_what_changed_and_how_to_change_it_back(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "quarantine", "accept", "phone")
    assert done.text == "Repeated 1 entry, which changed 1 record.\n  notes/one\n"
    assert "`p2pvault set` or `p2pvault rm`" in done.messages
    assert run(home, "quarantine", "accept", "phone").code == 6
    assert run(home, "quarantine", "accept").text.endswith("\n  notes/7\n  3 records more\n")


def test_accept_tells_a_program_the_same(home: Path, daemon: FakeDaemon) -> None:
    tree = run(home, "quarantine", "accept", "--json").tree
    assert (tree["entries"], tree["left"], tree["changed"]) == (13, 0, 12)
    assert len(tree["records"]) == 12


def test_accept_says_what_stays(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.stays = 2
    text = run(home, "quarantine", "accept", "phone").text
    assert "Still in quarantine: 2 entries, built on changes that are not here." in text


def test_drop_asks_a_person_first(home: Path, daemon: FakeDaemon) -> None:
    for typed in (b"n\n", b"\n"):
        shown = run_on_terminal(home, "quarantine", "drop", "phone", typed=typed)
        assert (shown.code, len(daemon.state.quarantined)) == (8, 2)
    assert "Drop what “phone” wrote in quarantine for good? [y/N]" in shown.out.decode()
    assert run_on_terminal(home, "quarantine", "drop", "phone", typed=b"y\n").code == 0
    shown = run_on_terminal(home, "quarantine", "drop", typed=b"yes\n")
    assert "Drop everything in quarantine for good?" in shown.out.decode()
    assert "Dropped 12 entries from quarantine." in shown.out.decode()
    assert daemon.state.quarantined == []


def test_drop_asks_nothing_in_a_script(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "quarantine", "drop", stdin=b"n\n")
    assert done.text == "Dropped 13 entries from quarantine.\n"
    assert "cannot be taken back here" in done.messages


def test_drop_asks_nobody_with_yes(home: Path, daemon: FakeDaemon) -> None:
    assert run_on_terminal(home, "quarantine", "drop", "--yes").code == 0
    assert daemon.state.quarantined == []
