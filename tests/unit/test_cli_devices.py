"""pair, join, devices, address, status and wait, as processes against the fake daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import run, run_on_terminal
from harness.fake_daemon import CODE, URI, WORDS, FakeDaemon
from harness.fake_state import FakeState, fake_id, peer, with_vault
from p2pvault.cli.state import data_cell


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with served(home, with_vault("phone")) as running:
        yield running


def test_pair_prints_events_and_reads_the_words_as_one_line(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "pair", "--json", stdin=WORDS.encode() + b"\n")
    assert (done.code, done.err) == (0, b"")
    assert [tree["event"] for tree in done.trees] == ["code", "joiner", "confirm", "paired"]
    code, joiner, _, paired = done.trees
    assert (code["v"], code["code"], code["uri"], code["expires_s"]) == (1, CODE, URI, 120.0)
    assert joiner["name"] == "phone"
    assert paired["device"] == {"id": fake_id("phone"), "name": "phone"}


def test_pair_with_wrong_words_is_refused(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "pair", "--json", stdin=b"other words\n")
    assert (done.code, done.error["code"]) == (8, "wrong_code")
    assert "paired" not in done.text


def test_pair_without_words_pairs_nobody(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "pair")
    assert done.code == 8
    assert "the two words were not typed. Nothing was paired." in done.messages


def test_pair_shows_a_person_the_code_and_a_picture_of_it(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.attempts.append("someone tried a wrong code")
    shown = run_on_terminal(home, "pair", typed=WORDS.encode() + b"\n")
    text = shown.out.decode()
    assert shown.code == 0
    for expected in (CODE, URI, "▀▀▀▀▀", "someone tried a wrong code", "“phone” has the code",
                     "Type the two words", "Paired", "p2pvault devices revoke phone"):  # fmt: skip
        assert expected in text
    assert text.index(CODE) > max(text.index(URI), text.rindex("▀▀▀▀▀"))  # not scrolled away
    assert "█" not in run_on_terminal(home, "pair", "--no-qr", typed=b"\n").out.decode()


def test_pair_shows_the_address_last_where_the_code_finds_nobody(
    home: Path, daemon: FakeDaemon
) -> None:
    daemon.state.hidden = {"hidden": "discovery is quiet"}
    shown = run(home, "pair", stdin=WORDS.encode()).text
    assert f"type this address:\n\n    {URI}\n" in shown
    assert f"The code {CODE} finds nobody: discovery is quiet." in shown


def test_pair_asks_for_an_admin_only_where_it_is_said(home: Path, daemon: FakeDaemon) -> None:
    for words in (["pair"], ["pair", "--admin"]):
        run(home, *words, stdin=WORDS.encode())
    asked = [one.params["admin"] for one in daemon.state.requests if one.method == "pair"]
    assert asked == [False, True]


@pytest.mark.parametrize("code", [CODE, URI])
def test_join_takes_its_code_and_its_yes_from_stdin(home: Path, code: str) -> None:
    with served(home, FakeState()):
        done = run(home, "join", "--json", "--name", "phone", stdin=f"{code}\nyes\n".encode())
    words, vault, paired = done.trees
    assert (words["words"], words["digits"]) == (WORDS, "37")
    assert (vault["name"], vault["devices"]) == ("home", 2)
    assert (paired["event"], paired["v"], done.code) == ("paired", 1, 0)


def test_join_takes_its_code_from_the_arguments_and_needs_no_answer_with_yes(home: Path) -> None:
    with served(home, FakeState()) as daemon:
        done = run(home, "join", CODE, "--name", "phone", "--yes")
    assert done.code == 0
    assert WORDS in done.text
    assert "“home”: 2 devices, made 2026-01-02" in done.text
    assert daemon.state.device["name"] == "phone"


@pytest.mark.parametrize("answer", [b"", b"no\n", b"\n"])
def test_join_takes_no_vault_that_was_not_accepted(home: Path, answer: bytes) -> None:
    with served(home, FakeState()) as daemon:
        done = run(home, "join", CODE, stdin=answer)
        assert (done.code, daemon.state.vault) == (8, None)


def test_join_says_why_nobody_can_be_found_and_when_that_is_over(home: Path) -> None:
    state = FakeState(search=[{"problem": "no network", "hint": "Use the address."}])
    state.search.append({"problem": None, "hint": ""})
    with served(home, state):
        lines = run(home, "join", CODE, "--yes").text.splitlines()
    assert lines[:2] == [
        "! Nobody can be found: no network  → Use the address.",
        "Devices can be looked for now.",
    ]


def test_join_with_a_wrong_code_says_so(home: Path) -> None:
    with served(home, FakeState()):
        done = run(home, "join", "11-wrong-code-here", "--json")
    assert (done.code, done.error["code"]) == (8, "wrong_code")


def test_join_without_a_code_is_a_usage_error(home: Path) -> None:
    with served(home, FakeState()):
        assert run(home, "join").code == 2


def test_join_on_a_terminal_asks_for_both(home: Path) -> None:
    with served(home, FakeState()):
        shown = run_on_terminal(home, "join", typed=CODE.encode() + b"\ny\n")
    text = shown.out.decode()
    assert shown.code == 0
    assert "Code from the other device:" in text
    assert "Join it? [y/N]" in text


def test_devices_lists_with_and_without_its_command(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.removed.append({"id": fake_id("old"), "name": "old"})
    text = run(home, "devices").text
    assert text == run(home, "devices", "list").text
    heading, laptop, phone, _, revoked = text.splitlines()
    assert heading.split() == ["DEVICE", "ROLE", "KIND", "LINK", "ADDED", "BY", "ID"]
    assert "this device" in laptop
    assert phone.split()[:4] == ["phone", "member", "phone", "up"]
    assert revoked == "Revoked: old"
    assert len(run(home, "devices", "--json").tree["devices"]) == 2


def test_rename_says_how_to_take_it_back(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "devices", "rename", fake_id("phone")[:6], "my phone")
    assert done.text == "“phone” is called “my phone” now.\n"
    assert "`p2pvault devices rename 'my phone' phone`" in done.messages


def test_rename_takes_itself_back_by_id_where_two_are_called_so(
    home: Path, daemon: FakeDaemon
) -> None:
    done = run(home, "devices", "rename", "phone", "laptop")
    back = f"`p2pvault devices rename {fake_id('phone')[:8]} phone`"
    assert back in done.messages
    assert "Another device is called “laptop” too." in done.messages


def test_a_name_that_is_kept_needs_nothing_to_take_back(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "devices", "rename", "phone", "phone")
    assert (done.code, done.text, done.messages) == (0, "“phone” is called so already.\n", "")


def test_an_address_book_without_devices_says_so(home: Path) -> None:
    with served(home, with_vault()):
        assert run(home, "address").text.startswith("No other device has an address here yet.")


def test_revoke_removes_and_says_what_that_means(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "devices", "revoke", "phone")
    assert (done.code, daemon.state.peers) == (0, [])
    assert "learns nothing new" in done.text
    assert "keeps what it has" in done.messages


def test_revoke_asks_a_person_first(home: Path, daemon: FakeDaemon) -> None:
    for typed in (b"n\n", b"\n"):
        shown = run_on_terminal(home, "devices", "revoke", "phone", typed=typed)
        assert (shown.code, len(daemon.state.peers)) == (8, 1)
    assert b"for good? [y/N]" in shown.out
    assert run_on_terminal(home, "devices", "revoke", "phone", typed=b"y\n").code == 0
    assert daemon.state.peers == []


def test_revoke_asks_nobody_with_yes(home: Path, daemon: FakeDaemon) -> None:
    assert run_on_terminal(home, "devices", "revoke", "phone", "--yes").code == 0


def test_the_addresses_of_one_device_are_its_own(home: Path, daemon: FakeDaemon) -> None:
    here = "This device listens at 127.0.0.1:4141.\n"
    assert run(home, "address", "list", "laptop").text == here
    daemon.state.seen = []
    none = run(home, "address", "list", "phone").text
    assert none == "“phone” has no address here yet.\n"


def test_addresses_are_added_listed_and_removed(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "address", "add", "phone", "10.0.0.7:47474")
    assert done.text == "“phone”: 10.0.0.7:47474\n"
    assert "`p2pvault address remove phone 10.0.0.7:47474`" in done.messages
    _, *lines = run(home, "address", "list", "phone").text.splitlines()
    assert [line.split(maxsplit=2) for line in lines] == [
        ["phone", "10.0.0.7:47474", "added by hand"],
        ["phone", "127.0.0.1:4242", "a link"],
    ]
    everything = run(home, "address").text
    assert everything == run(home, "address", "list").text
    assert everything.endswith("\n\nThis device listens at 127.0.0.1:4141.\n")
    assert "none" not in run(home, "address", "remove", "phone", "10.0.0.7:47474").text
    assert run(home, "address", "remove", "phone", "10.0.0.7:47474").code == 5


def test_status_shows_the_proof_and_ends_with_what_is_wrong(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.peers.append(
        peer(
            "tablet",
            link="down",
            address=None,
            in_sync=None,
            proved_s=None,
            ahead=3,
            last_seen=None,
        )
    )
    daemon.state.problems.append({"code": "x", "message": "no mDNS", "hint": "open port 5353"})
    lines = run(home, "status").text.splitlines()
    assert lines[0] == "Vault “home”   0 records   this device: laptop (admin)"
    assert lines[1] == ""
    assert lines[2].split() == ["DEVICE", "LINK", "DATA", "LAST", "SEEN"]
    assert lines[3].startswith("  ● phone ")
    assert "up, 127.0.0.1:4242" in lines[3]
    assert "same as here, proved 2 s ago" in lines[3]
    assert lines[3].endswith("now")
    assert lines[4].startswith("  ○ tablet")
    assert "3 edits here, not there yet" in lines[4]
    assert lines[4].endswith("never")
    assert lines[-1] == "! no mDNS  → open port 5353"
    tree = run(home, "status", "--json").tree
    assert (tree["v"], tree["vault"]["records"], tree["peers"][0]["in_sync"]) == (1, 0, True)


def test_status_says_what_to_do_where_devices_do_not_find_each_other(
    home: Path, daemon: FakeDaemon
) -> None:
    daemon.state.discovery_problem = "no network"
    *_, last = run(home, "status").text.splitlines()
    assert last.startswith("! no network  → Devices are dialled where they were last.")
    assert "`p2pvault address add`" in last


def test_a_clock_that_was_set_back_makes_nobody_seen_just_now(
    home: Path, daemon: FakeDaemon
) -> None:
    daemon.state.peers = [peer("phone", link="down", last_seen="2999-01-01T00:00:00+00:00")]
    *_, row = run(home, "status").text.splitlines()
    assert row.endswith("unknown")


def test_while_records_are_fetched_their_number_is_one_so_far(
    home: Path, daemon: FakeDaemon
) -> None:
    daemon.state.peers = [peer("phone", in_sync=False, behind=30, fetching=True)]
    heading, *_ = run(home, "status").text.splitlines()
    assert "   0 records so far   " in heading


@pytest.mark.parametrize("outside", ["removed", "suspended"])
def test_a_device_that_is_outside_has_no_role(home: Path, daemon: FakeDaemon, outside: str) -> None:
    daemon.state.device = {"id": fake_id("laptop"), "name": "laptop", "role": None}
    daemon.state.problems.append({"code": outside, "message": "out", "hint": ""})
    heading, *_ = run(home, "status").text.splitlines()
    assert heading.endswith(f"this device: laptop ({outside})")


def test_status_fits_a_narrow_terminal(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.peers = [peer("phone", without=1, address="[fe80::1234:5678:9abc:def0%eth0]:4242")]
    wide = run_on_terminal(home, "status", COLUMNS="120", NO_COLOR="1").out.decode()
    narrow = run_on_terminal(home, "status", COLUMNS="80", NO_COLOR="1").out.decode()
    assert "up, [fe80::1234" in wide
    assert "● phone   up    same as here, but for 1 collection, proved 2 s ago  now" in narrow
    assert max(map(len, narrow.splitlines())) <= 80
    assert "up, [fe80::1234" in run(home, "status", COLUMNS="80").text


def test_status_fits_a_very_narrow_terminal(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.peers = [
        peer("living-room-nas"),
        peer("phone", link="down", in_sync=None, last_seen=None),
    ]
    shown = run_on_terminal(home, "status", COLUMNS="60", NO_COLOR="1").out.decode()
    assert "● living-room-nas  up           same as here, proved 2 s ago" in shown
    assert "○ phone            down, never  was the same as here, proved" in shown
    assert "LAST SEEN" not in shown


def test_status_is_readable_without_unicode_and_without_colours(
    home: Path, daemon: FakeDaemon
) -> None:
    refused = run(home, "get", "contacts", PYTHONIOENCODING="ascii")
    assert refused.messages.startswith('p2pvault: "contacts" is')
    plain = run(home, "status", PYTHONIOENCODING="ascii").text
    assert '"home"' in plain
    assert "  * phone" in plain
    assert b"\x1b[" in run_on_terminal(home, "status").out
    assert b"\x1b[" not in run_on_terminal(home, "status", "--no-color").out
    assert b"\x1b[" not in run_on_terminal(home, "status", NO_COLOR="1").out
    assert b"\x1b[" not in run_on_terminal(home, "status", TERM="dumb").out


def test_status_without_a_vault_says_what_to_run(home: Path) -> None:
    with served(home, FakeState()):
        done = run(home, "status")
        assert done.code == 0
        assert "`p2pvault init`" in done.text
        assert "`p2pvault join`" in done.text
        assert run(home, "status", "--json").tree["vault"] is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "same as here, proved 2 s ago"),
        ({"proved_s": None}, "same as here"),
        ({"in_sync": False, "behind": 1}, "1 edit there, not here yet"),
        ({"in_sync": False, "behind": 2, "ahead": 3},
         "2 edits there, not here yet; 3 edits here, not there yet"),
        ({"in_sync": False, "behind": 2, "fetching": True}, "its records are being fetched"),
        ({"in_sync": False}, "not the same as here"),
        ({"in_sync": None, "proved_s": 7_200}, "was the same as here, proved 2 h ago"),
        ({"in_sync": None, "proved_s": None, "behind": None, "ahead": None}, "not compared yet"),
    ],
)  # fmt: skip
def test_the_data_column_never_claims_more_than_was_proved(changes: dict, text: str) -> None:
    assert data_cell(peer("phone", **changes)) == text


def test_wait_ends_at_once_when_it_is_so(home: Path, daemon: FakeDaemon) -> None:
    assert run(home, "wait", "--ready").code == 0
    assert run(home, "wait", "--synced").code == 0
    assert run(home, "wait", "--synced", "phone", "--timeout", "5").code == 0
    assert run(home, "wait", "--synced", "tablet").code == 6


def test_wait_is_ready_for_a_daemon_without_a_vault(home: Path) -> None:
    with served(home, FakeState()):
        assert run(home, "wait", "--ready").code == 0


def test_wait_runs_out_of_time(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.peers[0]["in_sync"] = False
    done = run(home, "wait", "--synced", "--timeout", "0.1", "--json")
    assert (done.code, done.error["code"]) == (7, "unreachable")
    assert done.error["message"] == "not synced within 0.1 s"


def test_wait_ready_without_a_daemon_runs_out_of_time(home: Path) -> None:
    done = run(home, "wait", "--ready", "--timeout", "0.1")
    assert done.code == 7
    said = "not ready within 0.1 s. No daemon is running for this home. Start it with"
    assert said in done.messages


@pytest.mark.parametrize(
    "words", [[], ["phone"], ["--ready", "phone"], ["--ready", "--synced"],
              ["--ready", "--timeout", "-1"], ["--ready", "--timeout", "nan"]],
)  # fmt: skip
def test_wait_wants_to_know_what_for(home: Path, words: list[str]) -> None:
    assert run(home, "wait", *words).code == 2
