"""Every way to roll a store back or to copy it, and what the files beside it say to each."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.batches import numbered
from p2pvault.errors import StoreFull, StoreUnwritable
from p2pvault.limits import WITNESS_BATCHES
from p2pvault.store import witness
from p2pvault.store.home import HomeFiles
from p2pvault.store.reader import SqliteReader
from p2pvault.store.sqlite import SqliteStore, open_store
from p2pvault.types import Batch, Doubt

KEY = bytes(range(32))
DATABASE = ("vault.db", "vault.db-wal", "vault.db-shm")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    open_store(home, KEY, create=True).close()
    return home


def doubt_of(home: Path) -> Doubt | None:
    """Open a store as a daemon would, and die without closing it: all that can be is as it was."""
    store = open_store(home, KEY)
    try:
        return store.doubt
    finally:
        SqliteReader.close(store)
        store._lock.release()


def write(home: Path, first: int, *, cleanly: bool = True, count: int = 1) -> None:
    """Write some batches in one session."""
    store = open_store(home, KEY)
    assert store.doubt is None
    for n in range(first, first + count):
        store.persist(numbered(n, records=1))
    if cleanly:
        store.close()
    else:
        crash(store)


def crash(store: SqliteStore) -> None:
    """End a session as SIGKILL does: the log stays, nothing is folded, no seal is written."""
    home = store._path.parent
    kept = {name: (home / name).read_bytes() for name in DATABASE if (home / name).exists()}
    SqliteReader.close(store)
    store._lock.release()
    for name, data in kept.items():
        # In place, as the dead process left it: same inode, and no seal that could object.
        (home / name).write_bytes(data)


def copied(home: Path, *names: str) -> Path:
    """Copy files of a home, or all of them, with their times and modes."""
    backup = home.with_name("backup")
    backup.mkdir()
    for path in home.iterdir():
        if not names or path.name in names:
            shutil.copy2(path, backup)
    return backup


def put_back(backup: Path, home: Path) -> None:
    """Overwrite files in place with their copies: the same inodes, and the old times."""
    for name in DATABASE:
        if not (backup / name).exists() and (backup / "vault.db").exists():
            (home / name).unlink(missing_ok=True)
    for path in backup.iterdir():
        (home / path.name).write_bytes(path.read_bytes())
        shutil.copystat(path, home / path.name)


# The table: what is copied and when, how it comes back, and what is said then.


def test_a_store_that_nobody_touched_is_not_doubted(home: Path) -> None:
    for session in range(1, 4):
        write(home, session)
    assert doubt_of(home) is None


def test_a_crash_alone_is_no_doubt(home: Path) -> None:
    for session in range(1, 4):
        write(home, session, cleanly=False)
    assert doubt_of(home) is None


def test_a_copy_of_the_whole_home(home: Path) -> None:
    write(home, 1)
    assert doubt_of(copied(home)) is Doubt.COPIED
    assert doubt_of(home) is None


def test_a_copy_by_cp_which_keeps_all_that_can_be_kept(home: Path, tmp_path: Path) -> None:
    write(home, 1)
    subprocess.run(["cp", "-a", home, tmp_path / "copy"], check=True)
    assert doubt_of(tmp_path / "copy") is Doubt.COPIED


def test_a_home_that_only_moved_is_not_doubted(home: Path, tmp_path: Path) -> None:
    write(home, 1)
    home.rename(tmp_path / "elsewhere")
    assert doubt_of(tmp_path / "elsewhere") is None


def test_only_the_database_put_back(home: Path) -> None:
    write(home, 1)
    backup = copied(home, "vault.db")
    write(home, 2)
    put_back(backup, home)
    assert doubt_of(home) is Doubt.ANOTHER_TIME


def test_only_the_database_put_back_after_a_crash(home: Path) -> None:
    write(home, 1)
    backup = copied(home, "vault.db")
    write(home, 2, cleanly=False)
    put_back(backup, home)
    assert doubt_of(home) is Doubt.ANOTHER_TIME


def test_everything_put_back_in_place(home: Path) -> None:
    write(home, 1)
    backup = copied(home)
    write(home, 2)
    put_back(backup, home)
    assert doubt_of(home) is Doubt.COPIED


def test_database_and_log_of_a_running_daemon_put_back(home: Path) -> None:
    store = open_store(home, KEY)
    store.persist(numbered(1))
    backup = copied(home, *DATABASE)
    store.persist(numbered(2))
    store.close()
    write(home, 3)
    put_back(backup, home)
    assert doubt_of(home) is Doubt.ANOTHER_TIME


def test_everything_of_a_running_daemon_put_back(home: Path) -> None:
    store = open_store(home, KEY)
    store.persist(numbered(1))
    backup = copied(home)
    store.persist(numbered(2))
    store.close()
    (home / "vault.seal").unlink()
    put_back(backup, home)
    assert doubt_of(home) is Doubt.COPIED


@pytest.mark.heavy
def test_the_database_of_this_very_session_put_back_after_a_crash_far_behind(home: Path) -> None:
    store = open_store(home, KEY)
    store.persist(numbered(1, records=1))
    backup = copied(home, *DATABASE)
    for n in range(2, WITNESS_BATCHES + 3):
        store.persist(numbered(n, records=1))
    crash(store)
    put_back(backup, home)
    assert doubt_of(home) is Doubt.ANOTHER_TIME


def test_the_database_of_this_very_session_put_back_as_another_file(home: Path) -> None:
    store = open_store(home, KEY)
    store.persist(numbered(1))
    backup = copied(home, *DATABASE)
    store.persist(numbered(2))
    crash(store)
    (backup / "vault.db").replace(home / "vault.db")
    assert doubt_of(home) is Doubt.COPIED


def test_the_one_way_that_only_a_peer_notices(home: Path) -> None:
    """The database alone, of the session that crashed, less than WITNESS_BATCHES behind."""
    store = open_store(home, KEY)
    store.persist(numbered(1))
    backup = copied(home, *DATABASE)
    store.persist(numbered(2))
    crash(store)
    put_back(backup, home)
    assert doubt_of(home) is None


def test_a_database_that_was_put_back_though_it_is_the_newest(home: Path) -> None:
    write(home, 1)
    put_back(copied(home, "vault.db"), home)
    assert doubt_of(home) is Doubt.REPLACED


def test_a_log_that_was_put_beside_a_sealed_database(home: Path) -> None:
    store = open_store(home, KEY)
    store.persist(numbered(1))
    backup = copied(home, "vault.db-wal")
    store.close()
    (home / "vault.db-wal").write_bytes((backup / "vault.db-wal").read_bytes())
    assert doubt_of(home) is Doubt.REPLACED


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\x90")])
def test_a_witness_that_is_gone_or_unreadable(home: Path, damage: Callable[[Path], object]) -> None:
    write(home, 1)
    damage(HomeFiles(home).witness)
    assert doubt_of(home) is Doubt.UNWITNESSED


def test_another_machine(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = tmp_path / "machine-id"
    monkeypatch.setattr(witness, "_MACHINE_ID", identity)
    write(home, 1)
    identity.write_text("a machine\n")
    write(home, 2)
    assert doubt_of(home) is None
    identity.write_text("another machine\n")
    assert doubt_of(home) is Doubt.MACHINE
    identity.unlink()
    assert doubt_of(home) is None, "a machine without an id says nothing"


def test_doubt_lasts_until_somebody_vouches(home: Path) -> None:
    write(home, 1)
    put_back(copied(home, "vault.db"), home)
    for _ in range(2):
        assert doubt_of(home) is Doubt.REPLACED
    store = open_store(home, KEY)
    store.persist(Batch(meta={"journal": b"new"}))
    store.close()
    assert doubt_of(home) is Doubt.REPLACED, "a crash before vouching forgets nothing"
    store = open_store(home, KEY)
    store.vouch()
    store.close()
    assert doubt_of(home) is None


STEPS = 5
"""More than a renewal has: the last step of a cut one, the seal, the database, the witness, all."""


def die_while_opening(home: Path, step: int) -> None:
    """Open a store, and die at a durable step of vouching for it, or right behind the last."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witness, "transaction", Dying(witness.transaction, step))
        patch.setattr(witness, "write_private", Dying(witness.write_private, step))
        patch.setattr(witness, "remove_durably", Dying(witness.remove_durably, step))
        Dying.steps = 0
        try:
            crash(open_store(home, KEY))
        except StoreUnwritable:
            assert step < STEPS


@pytest.mark.heavy
@pytest.mark.parametrize("second", range(STEPS + 1))
@pytest.mark.parametrize("first", range(STEPS + 1))
def test_crashes_while_a_store_is_vouched_for_are_no_doubt(
    home: Path, first: int, second: int
) -> None:
    write(home, 1)
    die_while_opening(home, first)
    die_while_opening(home, second)
    assert doubt_of(home) is None
    write(home, 2)
    assert doubt_of(home) is None


@pytest.mark.parametrize("end", [crash, SqliteStore.close])
def test_a_renewal_that_fails_at_its_end_and_then_one_in_the_middle_are_no_doubt(
    home: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[SqliteStore], None]
) -> None:
    store = open_store(home, KEY)
    store.persist(numbered(1))
    monkeypatch.setattr(witness, "_flushed", _full)  # of the witness, after it was written
    with pytest.raises(StoreFull):
        store.vouch()
    monkeypatch.undo()
    monkeypatch.setattr(witness, "write_private", _full)
    with pytest.raises(StoreFull):
        store.vouch()
    monkeypatch.undo()
    end(store)
    assert doubt_of(home) is None


def _full(*_: object) -> None:
    raise StoreFull("no room")


class Dying:
    """A durable step that is the last one, or that does not happen any more."""

    steps = 0

    def __init__(self, real: Callable[..., object], last: int) -> None:
        self._real = real
        self._last = last

    def __call__(self, *arguments: object) -> object:
        if Dying.steps >= self._last:
            raise StoreUnwritable("the power is gone")
        Dying.steps += 1
        return self._real(*arguments)


def test_a_seal_that_cannot_be_written_is_no_error(home: Path) -> None:
    store = open_store(home, KEY)
    (home / "vault.seal.new").mkdir()
    store.close()
    assert not (home / "vault.seal").exists()
    assert doubt_of(home) is None


def test_the_files_are_small_and_the_owners_alone(home: Path) -> None:
    for path in (HomeFiles(home).witness, HomeFiles(home).seal):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_size < 100


def test_a_full_disk_can_be_opened_and_what_is_written_first_vouches_first(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, 1)
    monkeypatch.setattr(witness, "write_private", _full)
    store = open_store(home, KEY)
    assert store.state().last_arrival == 1
    with pytest.raises(StoreFull):
        store.persist(numbered(2))
    monkeypatch.undo()
    store.persist(numbered(2))
    crash(store)
    assert doubt_of(home) is None
