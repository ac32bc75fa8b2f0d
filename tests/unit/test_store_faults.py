"""The store in a process that is killed, or on a disk that is full or read-only."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from harness import store_child
from harness.batches import numbered
from harness.memory_store import MemoryStore
from p2pvault.errors import StoreCorrupt, StoreError, StoreUnwritable
from p2pvault.store.faults import translated
from p2pvault.store.sqlite import SqliteStore, open_store

CHILD = [sys.executable, store_child.__file__]


def assert_holds_exactly(
    store: SqliteStore, batches: int, expected: MemoryStore | None = None
) -> None:
    """Compare a store with one of so many batches; `expected` has the first of them, and grows."""
    expected = MemoryStore() if expected is None else expected
    for n in range(expected.state().last_arrival + 1, batches + 1):
        expected.persist(numbered(n))
    assert store.state() == expected.state()
    assert store.entries(0, 10**9) == expected.entries(0, 10**9)
    rows = store.rows(None, None, 10**6)
    assert rows == expected.rows(None, None, 10**6)
    ids = [row.id for row in rows]
    assert store.records(ids) == expected.records(ids)


def assert_sound(store: SqliteStore) -> None:
    assert store._connection.execute("PRAGMA cipher_integrity_check").fetchall() == []
    assert store._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert store._connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.heavy
def test_kill_9_in_the_middle_of_writing_keeps_exactly_what_was_acknowledged(
    tmp_path: Path,
) -> None:
    # The log is folded into the database about every 90 batches, so kills fall on both sides.
    held, expected = 0, MemoryStore()
    for batches_before_kill in (1, 2, 85, 3, 10, 95, 1, 30):
        with subprocess.Popen(
            [*CHILD, "write_for_ever", str(tmp_path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            for _ in range(batches_before_kill):
                child.stdout.readline()
            child.kill()
            unread = child.stdout.read().splitlines()
        acknowledged = held + batches_before_kill + len(unread)
        store = open_store(tmp_path, store_child.KEY)
        held = store.state().last_arrival
        assert held in (acknowledged, acknowledged + 1), "the one in flight may be there, or not"
        assert_holds_exactly(store, held, expected)
        assert_sound(store)
        store.close()


@pytest.mark.heavy
def test_dying_at_any_moment_of_a_batch_keeps_the_ones_before_and_all_or_nothing_of_it(
    tmp_path: Path,
) -> None:
    # A batch takes around 1 ms on an idle machine.
    held, expected = 0, MemoryStore()
    for after_us in range(50, 1_650, 50):
        done = subprocess.run(
            [*CHILD, "die_in_the_next_batch", str(tmp_path), str(after_us)],
            stdout=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == -signal.SIGALRM
        acknowledged = held + len(done.stdout.splitlines())
        store = open_store(tmp_path, store_child.KEY)
        held = store.state().last_arrival
        assert held in (acknowledged, acknowledged + 1), "the one in flight may be there, or not"
        assert_holds_exactly(store, held, expected)
        assert_sound(store)
        store.close()


def run_child(program: str, home: Path, around: list[str]) -> list[str]:
    done = subprocess.run(
        [*around, *CHILD, program, str(home)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def assert_refused_and_went_on(lines: list[str], error: str) -> int:
    refused, after, end = lines
    assert refused == error
    for line in (after, end):
        wanted, arrivals, records = map(int, line.split())
        assert (arrivals, records) == (wanted, wanted * 20)
    return wanted


def test_a_file_that_cannot_grow_refuses_the_batch_and_the_store_goes_on(tmp_path: Path) -> None:
    lines = run_child("fill_file_size_limit", tmp_path, [])
    held = assert_refused_and_went_on(lines, "StoreUnwritable")
    store = open_store(tmp_path, store_child.KEY)
    assert_holds_exactly(store, held)
    assert_sound(store)
    store.close()


@pytest.fixture
def on_small_disk(tmp_path: Path) -> list[str]:
    """Return the command that runs another one with a disk of 3 MiB at `tmp_path`."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    mount = f'mount -t tmpfs -o size=3m,mode=0700 p2pvault {tmp_path} && exec "$@"'
    command = [*unshare, "sh", "-c", mount, "sh"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no mount namespace here: {error}")
    return command


def test_a_full_disk_refuses_the_batch_and_the_store_goes_on_when_there_is_room(
    tmp_path: Path, on_small_disk: list[str]
) -> None:
    lines = run_child("fill_disk", tmp_path, on_small_disk)
    assert_refused_and_went_on(lines, "StoreFull")


def test_a_read_only_disk_is_named_as_such(tmp_path: Path, on_small_disk: list[str]) -> None:
    assert run_child("open_on_read_only_disk", tmp_path, on_small_disk) == ["StoreUnwritable"]


def test_no_room_for_a_new_store_is_a_full_disk_however_little_is_missing(
    tmp_path: Path, on_small_disk: list[str]
) -> None:
    refusals = run_child("make_with_little_room", tmp_path, on_small_disk)
    assert len(refusals) > 10
    assert set(refusals) == {"StoreFull"}


def sqlite_error(code: int) -> dbapi2.OperationalError:
    error = dbapi2.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "reading", "writing"),
    [
        (dbapi2.SQLITE_IOERR, StoreCorrupt, StoreUnwritable),
        (266, StoreCorrupt, StoreCorrupt),
        (778, StoreUnwritable, StoreUnwritable),
        (dbapi2.SQLITE_CANTOPEN, StoreUnwritable, StoreUnwritable),
    ],
    ids=["no more said", "read", "write", "open"],
)
def test_what_a_disk_does_not_give_is_no_fault_of_writing(
    tmp_path: Path, code: int, reading: type[StoreError], writing: type[StoreError]
) -> None:
    with pytest.raises(reading), translated(tmp_path / "vault.db", reads_only=True):
        raise sqlite_error(code)
    with pytest.raises(writing), translated(tmp_path / "vault.db"):
        raise sqlite_error(code)
