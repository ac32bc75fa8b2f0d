"""The step in which a new store takes the place of a damaged one: whole or not at all."""

import os
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from harness.batches import numbered
from harness.store_child import KEY
from p2pvault.errors import StoreFull, StoreInUse, StoreUnwritable
from p2pvault.store import cipher, fresh
from p2pvault.store.cipher import connect
from p2pvault.store.fresh import install, make_fresh, put_in_place
from p2pvault.store.home import HomeFiles
from p2pvault.store.reader import SqliteReader
from p2pvault.store.sqlite import open_store


@pytest.fixture
def files(tmp_path: Path) -> HomeFiles:
    """A home whose store has one batch."""
    with closing(open_store(tmp_path, KEY, create=True)) as store:
        store.persist(numbered(1))
    return HomeFiles(tmp_path)


def batches(files: HomeFiles) -> int:
    with closing(open_store(files.home, KEY)) as store:
        assert store.faults() == []
        return store.state().last_arrival


def make(files: HomeFiles, count: int) -> None:
    """Make a new store that holds so many batches."""
    with make_fresh(files, KEY) as persist:
        for n in range(1, count + 1):
            persist(numbered(n))


def make_twice(files: HomeFiles) -> None:
    """Fail in the middle."""
    with make_fresh(files, KEY) as persist:
        persist(numbered(1))
        persist(numbered(1))


def make_while_read(files: HomeFiles) -> None:
    """Make a new store that somebody reads at the same time, at an earlier state."""
    with ExitStack() as on_end, make_fresh(files, KEY) as persist:
        persist(numbered(1))
        other = connect(files.home / "vault.db.unfinished", KEY, writable=False)
        on_end.callback(other.close)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entries").fetchall()
        persist(numbered(2))


def content(files: HomeFiles) -> dict[str, bytes]:
    """Return what is in the database and in everything beside it that is called after it."""
    return {path.name: path.read_bytes() for path in files.home.glob("vault.db*")}


def leave_log(files: HomeFiles) -> None:
    """Write a batch whose place is in the log alone, as a crash leaves it."""
    store = open_store(files.home, KEY)
    store.persist(numbered(2))
    log = files.log.read_bytes()
    database = files.database.read_bytes()
    SqliteReader.close(store)
    store._lock.release()
    files.log.write_bytes(log)
    files.database.write_bytes(database)


def test_each_damaged_store_stays_under_a_name_of_its_own(files: HomeFiles) -> None:
    originals = []
    for count in (2, 3, 4):
        originals.append(files.database.read_bytes())
        make(files, count)
        assert install(files).read_bytes() == originals[-1]
        with closing(open_store(files.home, KEY)) as store:
            assert store.state().last_arrival == count
    names = ["vault.db.damaged", "vault.db.damaged.2", "vault.db.damaged.3"]
    assert [(files.home / name).read_bytes() for name in names] == originals


def test_the_log_goes_with_the_damaged_store_and_is_its_log_there(files: HomeFiles) -> None:
    leave_log(files)
    make(files, 9)
    kept = install(files)
    assert batches(files) == 9
    kept.replace(files.database)
    for suffix in ("-wal", "-shm"):
        log = kept.with_name(kept.name + suffix)
        if log.exists():
            log.replace(files.database.with_name("vault.db" + suffix))
    assert batches(files) == 2


def test_a_log_that_lies_there_alone_keeps_its_name(files: HomeFiles) -> None:
    (files.home / "vault.db.damaged-wal").write_bytes(b"of a store that somebody took away")
    make(files, 2)
    assert install(files).name == "vault.db.damaged.2"
    assert (files.home / "vault.db.damaged-wal").read_bytes().startswith(b"of a store")


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_crash_between_any_two_renames_is_made_good(
    files: HomeFiles, cut: int, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    leave_log(files)
    before = content(files)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _refuse)
    make(files, 9)
    real, done = fresh._rename, []

    def rename(old: Path, new: Path) -> None:
        if len(done) >= cut:
            raise StoreUnwritable("the power is gone")
        done.append(new)
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(fresh, "_rename", rename)
        patch.setattr(fresh, "_drop_quietly", lambda path: None)  # what is dead drops nothing
        try:
            install(files)
        except StoreUnwritable:
            assert len(done) == cut
    assert batches(files) == (9 if cut else 2)
    if cut:
        kept = content(files)
        assert before["vault.db"] in (v for k, v in kept.items() if ".damaged" in k)
        assert before["vault.db-wal"] in (v for k, v in kept.items() if k.endswith("-wal"))


def _refuse(*_: object) -> None:
    raise PermissionError(1, "no links here")


def test_a_store_that_cannot_be_kept_stays_where_it_is(
    files: HomeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = content(files)
    monkeypatch.setattr(Path, "hardlink_to", _refuse)
    monkeypatch.setattr(fresh.shutil, "copyfile", full)
    make(files, 9)
    with pytest.raises(StoreFull, match=r"cannot keep .*vault\.db"):
        install(files)
    assert content(files) == before


def test_a_block_that_fails_leaves_nothing(files: HomeFiles) -> None:
    before = content(files)
    with pytest.raises(AssertionError, match=r"follow|after"):
        make_twice(files)
    put_in_place(files)
    assert content(files) == before


def test_a_log_that_cannot_be_folded_in_is_no_complete_store(
    files: HomeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cipher, "STORE_BUSY_S", 0.01)
    before = content(files)
    with pytest.raises(StoreInUse, match="log"):
        make_while_read(files)
    assert content(files) == before


def test_a_leftover_of_a_crash_is_not_taken_for_the_new_store(files: HomeFiles) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        (files.home / f"vault.db.unfinished{suffix}").write_bytes(os.urandom(5_000))
    make(files, 3)
    install(files)
    assert batches(files) == 3
    assert not list(files.home.glob("*unfinished*"))
