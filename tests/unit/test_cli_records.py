"""init, get, set, ls, rm and watch, as processes against a daemon that keeps the contract."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.cli_fixtures import served
from harness.command_line import environment, run, run_on_terminal, start
from harness.ended import PROGRAM, SECONDS
from harness.fake_daemon import CODE, FakeDaemon
from harness.fake_state import FakeRecord, FakeState, with_vault
from p2pvault.errors import BadValue, NotKept


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "laptop"


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with served(home, with_vault()) as running:
        yield running


def hold(daemon: FakeDaemon, path: str, value: dict, number: str = "") -> None:
    records = daemon.state.records
    records.append(FakeRecord(number or f"{len(records):032x}", path, value))


def test_init_asks_a_running_daemon(home: Path) -> None:
    with served(home, FakeState()) as daemon:
        done = run(home, "init", "--name", "laptop", "--vault-name", "our home")
        assert done.code == 0
        assert done.text.startswith("Made the vault “our home” on this device, “laptop”.\n")
        assert " 1 abandon " in done.text
        assert "24 art\n" in done.text
        assert "p2pvaultd" not in done.messages
        assert "p2pvault pair" in done.messages
        assert daemon.state.vault == {"id": daemon.state.vault["id"], "name": "our home"}


@pytest.mark.parametrize("words", [["init", "--name", ""], ["join", CODE, "--yes", "--name", ""]])
def test_an_empty_name_is_not_the_name_of_the_host(home: Path, words: list[str]) -> None:
    with served(home, FakeState()) as daemon:
        done = run(home, *words)
        assert (done.code, daemon.state.vault) == (2, None)


def test_a_collection_is_not_a_path(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "contacts/ada", {})
    done = run(home, "ls", "contacts/ada", "--json")
    assert (done.code, done.out, done.error["code"]) == (2, b"", "bad_path")
    assert "`p2pvault get contacts/ada`" in done.error["hint"]
    assert "`p2pvault ls contacts`" in run(home, "ls", "contacts/").messages


def test_an_empty_list_says_of_what(home: Path, daemon: FakeDaemon) -> None:
    assert run(home, "ls").messages == "Nothing here yet.\n"
    assert run(home, "ls", "contcts").messages == "There are no records in “contcts”.\n"


def test_an_empty_list_says_which_collection_may_have_been_meant(
    home: Path, daemon: FakeDaemon
) -> None:
    hold(daemon, "contacts/ada", {})
    nothing = "There are no records in “contcts”.\n"
    meant = run(home, "ls", "contcts")
    assert (meant.code, meant.out) == (0, b"")
    assert meant.messages == f"{nothing}Did you mean `p2pvault ls contacts`?\n"
    other = run(home, "ls", "zzz").messages
    assert other.endswith("\n`p2pvault collections` lists what there is.\n")
    assert run(home, "ls", "contcts", "--json").err == b""


def test_a_star_is_taken_for_a_collection(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "contacts/ada", {})
    done = run(home, "ls", "contacts/*")
    assert done.code == 2
    assert "`p2pvault ls contacts`" in done.messages
    assert "p2pvault get" not in done.messages


@pytest.mark.heavy
def test_init_works_without_a_daemon_and_says_how_to_run_one(home: Path) -> None:
    done = run(home, "init", "--name", "laptop")
    assert done.code == 0, done.messages
    assert "p2pvaultd" in done.messages
    assert "daemon install" in done.messages
    again = run(home, "init", "--name", "laptop")
    assert (again.code, again.out) == (8, b"")
    assert "has a vault already" in again.messages


def test_init_prints_one_document_for_programs(home: Path) -> None:
    done = run(home, "init", "--name", "laptop", "--json")
    assert done.tree["v"] == 1
    assert done.tree["vault"]["name"] == "home"
    assert done.tree["device"]["name"] == "laptop"
    assert len(done.tree["recovery_words"].split()) == 24
    assert done.err == b""


def test_a_device_takes_the_name_of_its_host(home: Path) -> None:
    with served(home, FakeState()) as daemon:
        assert run(home, "init").code == 0
        (request,) = [one for one in daemon.state.requests if one.method == "init"]
        assert 1 <= len(request.params["name"]) <= 64


def test_set_makes_a_record_and_get_shows_it(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "set", "contacts/ada", "name=Ada Lovelace", "address.city=Ely", "born:=1815")
    assert (done.code, done.text) == (0, "contacts/ada (new): name, address.city, born\n")
    shown = run(home, "get", "contacts/ada")
    assert shown.text == "name          Ada Lovelace\naddress.city  Ely\nborn          1815\n"


def test_set_says_what_changed(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "contacts/ada", {"name": "Ada", "phone": "1"})
    assert run(home, "set", "contacts/ada", "phone=").text == "contacts/ada: phone\n"
    assert run(home, "set", "contacts/ada", "name=Ada").text == "contacts/ada: nothing changed\n"
    tree = run(home, "set", "contacts/ada", "name=Eve", "--json").tree
    assert (tree["v"], tree["path"], tree["created"], tree["fields"]) == (
        1,
        "contacts/ada",
        False,
        ["name"],
    )


def test_one_field_is_printed_as_it_is(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "notes/x", {"text": "a\x1b[1mb\n\n", "n": 5, "key": {"$bytes": "AP8="}})
    assert run(home, "get", "notes/x", "text").out == b"a\x1b[1mb\n\n\n"
    assert run(home, "get", "notes/x", "n").out == b"5\n"
    assert run(home, "get", "notes/x", "key").out == b"\x00\xff"


def test_a_terminal_is_not_steered_by_a_value(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "notes/x", {"text": "a\x1b[1mb", "key": {"$bytes": "AP8="}})
    assert b"\x1b" not in run_on_terminal(home, "get", "notes/x", "text").out
    assert b"\x1b" not in run_on_terminal(home, "get", "notes/x").out
    assert b"\xff" not in run_on_terminal(home, "get", "notes/x", "key").out


def test_get_prints_one_document_for_programs(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "notes/x", {"a": {"b": "Ω"}}, "ab" * 16)
    tree = {"v": 1, "path": "notes/x", "id": "ab" * 16, "value": {"a": {"b": "Ω"}}}
    assert run(home, "--json", "get", "notes/x").tree == tree
    assert run(home, "get", "notes/x", "a.b", "--json").tree == {**tree, "value": "Ω"}
    assert run(home, "get", "id:abab", "--json").tree == tree


def test_json_is_utf8_wherever_it_is_printed(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "notes/x", {"a": "Ω"})
    assert (
        run(home, "get", "notes/x", "--json", PYTHONIOENCODING="latin-1").tree["value"]["a"] == "Ω"
    )
    assert run(home, "get", "notes/x", PYTHONIOENCODING="latin-1").out == b"a  ?\n"


def test_ls_reads_every_page(home: Path, daemon: FakeDaemon) -> None:
    for name in ("contacts/a", "contacts/b", "contacts/c", "notes/d", "notes/e"):
        hold(daemon, name, {})
    assert run(home, "ls").text.split() == [
        "contacts/a", "contacts/b", "contacts/c", "notes/d", "notes/e",
    ]  # fmt: skip
    assert run(home, "ls", "notes").text.split() == ["notes/d", "notes/e"]
    limited = run(home, "ls", "--limit", "3")
    assert limited.text.split() == ["contacts/a", "contacts/b", "contacts/c"]
    assert "more than these 3" in limited.messages
    assert "more than this one" in run(home, "ls", "--limit", "1").messages
    tree = run(home, "ls", "--limit", "3", "--json").tree
    assert ([row["path"] for row in tree["rows"]], tree["more"]) == (limited.text.split(), True)
    assert run(home, "ls", "--json").tree["more"] is False


def test_ls_tells_records_of_one_name_apart(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "contacts/ada", {}, "aa" * 16)
    hold(daemon, "contacts/ada", {}, "bb" * 16)
    assert run(home, "ls").text == (f"contacts/ada  id:{'aa' * 16}\ncontacts/ada  id:{'bb' * 16}\n")


def test_an_empty_vault_lists_nothing_on_stdout(home: Path, daemon: FakeDaemon) -> None:
    done = run(home, "ls")
    assert (done.code, done.out, done.messages) == (0, b"", "Nothing here yet.\n")
    assert run(home, "ls", "--json").tree == {"v": 1, "rows": [], "more": False}


def test_rm_deletes(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "contacts/ada", {})
    assert run(home, "rm", "contacts/ada").text == "contacts/ada: deleted\n"
    assert daemon.state.records == []


def test_watch_prints_an_event_a_line_until_interrupted(home: Path, daemon: FakeDaemon) -> None:
    with start(home, "watch", "--json") as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        begun = json.loads(watching.stderr.readline())
        assert begun == {"v": 1, "event": "watching"}
        assert daemon.watched.is_set()
        run(home, "set", "contacts/ada", "name=Ada")
        run(home, "rm", "contacts/ada")
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130
        assert watching.stderr.read() == b""
    assert (first["v"], first["event"], first["path"]) == (1, "change", "contacts/ada")
    assert (first["fields"], first["device"]["name"]) == (["name"], "laptop")
    assert second["kind"] == "delete"


def test_watch_tells_a_person_when_what_and_who(home: Path, daemon: FakeDaemon) -> None:
    with start(home, "watch") as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert b"Waiting for changes" in watching.stderr.readline()
        run(home, "set", "contacts/ada", "name=Ada", "phone=1")
        line = watching.stdout.readline().decode()
        daemon.publish({"event": "missed", "count": 7})
        missed = watching.stdout.readline().decode()
        watching.send_signal(signal.SIGINT)
    assert line.split(maxsplit=1)[1] == "contacts/ada  new: name, phone  (laptop)\n"
    assert "7 changes missed" in missed


def test_watch_ends_with_the_daemon(home: Path) -> None:
    with ExitStack() as daemon:
        daemon.enter_context(served(home, with_vault()))
        with start(home, "watch") as watching:
            assert watching.stderr is not None
            watching.stderr.readline()
            daemon.close()
            assert watching.wait(60) == 3


def bulk(*records: tuple[str, object]) -> bytes:
    return b"".join(
        json.dumps({"path": path, "value": value}).encode() + b"\n" for path, value in records
    )


def test_lines_from_stdin_are_committed_by_the_thousand(home: Path, daemon: FakeDaemon) -> None:
    lines = bulk(*((f"contacts/n{number}", {"n": number}) for number in range(2_001)))
    done = run(home, "set", "--stdin", stdin=lines)
    assert (done.code, done.text) == (0, "2 001 records read, 2 001 changed\n")
    assert (daemon.state.commits, len(daemon.state.records)) == (3, 2_001)


def test_large_lines_make_smaller_batches(home: Path, daemon: FakeDaemon) -> None:
    lines = bulk(*((f"notes/n{number}", {"t": "x" * 1_500_000}) for number in range(3)))
    assert run(home, "set", "--stdin", "--json", stdin=lines).tree == {
        "v": 1,
        "records": 3,
        "changed": 3,
    }
    assert daemon.state.commits == 2


@pytest.mark.parametrize(
    "line",
    [b'{"path": "contacts/\\u202e", "value": {}}',
     b'{"path": "a/b", "value": {"n": 9223372036854775808}}',
     b'{"path": "a/%s", "value": {}}' % (b"x" * 201), b'{"path": "a/", "value": {}}'],
)  # fmt: skip
def test_the_line_is_named_that_the_daemon_refused(
    home: Path, daemon: FakeDaemon, line: bytes
) -> None:
    daemon.state.fault_of["set_many"] = BadValue("the vault cannot hold that")
    good = bulk(*((f"contacts/n{number}", {"n": 1}) for number in range(3)))
    done = run(home, "set", "--stdin", "--json", stdin=good + line + b"\n" + good)
    assert (done.code, done.error["message"]) == (2, "line 4: the vault cannot hold that")


def test_lines_are_named_together_where_the_vault_refused(home: Path, daemon: FakeDaemon) -> None:
    daemon.state.fault_of["set_many"] = NotKept("that is not kept here")
    for records, where in ((1, "line 1"), (3, "lines 1 to 3")):
        lines = bulk(*((f"contacts/n{number}", {"n": 1}) for number in range(records)))
        done = run(home, "set", "--stdin", "--json", stdin=lines)
        assert (done.code, done.error["message"]) == (8, f"{where}: that is not kept here")


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'{"path": "contacts/x"}',
        b'{"path": "contacts/x", "value": 1}',
        b'{"path": "contacts/x", "value": {}, "more": 1}',
        b'{"path": "contacts", "value": {}}',
        b'{"path": 1, "value": {}}',
        b'{"path": "contacts/x", "value": {"a": NaN}}',
        b"\xff",
    ],
)
def test_a_wrong_line_is_named_and_its_batch_not_written(
    home: Path, daemon: FakeDaemon, line: bytes
) -> None:
    good = bulk(*((f"contacts/n{number}", {"n": 1}) for number in range(1_003)))
    done = run(home, "set", "--stdin", "--json", stdin=good + b"\n" + line + b"\n")
    assert (done.code, done.out) == (2, b"")
    assert done.error["message"].startswith("line 1005: ")
    assert "1 000 records before are written" in done.error["hint"]
    assert len(daemon.state.records) == 1_000


def test_why_a_bulk_stopped_stands_on_a_line_of_its_own(home: Path, daemon: FakeDaemon) -> None:
    good = bulk(*((f"contacts/n{number}", {"n": 1}) for number in range(1_001)))
    ours, theirs = pty.openpty()
    subprocess.run(
        [*PROGRAM, "set", "--stdin"],
        input=good + b"no JSON\n",
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment(home, NO_COLOR="1"),
        timeout=SECONDS,
        check=False,
    )
    shown = os.read(ours, 4_096).decode()
    os.close(theirs)
    os.close(ours)
    progress, why = shown.replace("\r\n", "\n").splitlines()[-2:]
    assert (progress, why[:19]) == ("1 000 records written", "p2pvault: line 1002")


def test_what_the_daemon_refuses_in_bulk_is_placed(home: Path, daemon: FakeDaemon) -> None:
    hold(daemon, "contacts/ada", {}, "aa" * 16)
    hold(daemon, "contacts/ada", {}, "bb" * 16)
    done = run(home, "set", "--stdin", stdin=b"\n" + bulk(("contacts/ada", {"n": 1})))
    assert done.code == 2
    assert "line 2: two records are called contacts/ada" in done.messages


def test_nothing_from_stdin_changes_nothing(home: Path, daemon: FakeDaemon) -> None:
    assert run(home, "set", "--stdin").text == "0 records read, 0 changed\n"
