"""What must be true of the stores in homes, whatever happened; their daemons must be stopped."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from p2pvault.crdt.prefilter import inspect
from p2pvault.crypto.schedule import store_key
from p2pvault.protocol.journal import decode_entry
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import SqliteStore, open_store
from p2pvault.types import VaultId


@contextmanager
def opened(home: Path) -> Iterator[SqliteStore]:
    """Open the store of a home for as long as the block lasts."""
    with closing(open_store(home, store_key(load_master_key(HomeFiles(home))))) as store:
        yield store


def assert_sound(home: Path) -> None:
    """Check every page, every index and every reference, by SQLCipher and SQLite themselves."""
    with opened(home) as store:
        asked = store._connection.execute
        assert asked("PRAGMA cipher_integrity_check").fetchall() == []
        assert asked("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert asked("PRAGMA foreign_key_check").fetchall() == []


def assert_same(*homes: Path) -> None:
    """Check that homes hold the same: how far each journal goes, and each collection's digest."""
    held = []
    for home in homes:
        with opened(home) as store:
            state = store.state()
            held.append((home.name, state.journals, state.fingerprints))
    for name, journals, fingerprints in held:
        assert (journals, fingerprints) == held[0][1:], (name, held[0][0])


def assert_no_number_twice(*homes: Path) -> None:
    """Check that no two homes hold two entries, or two changes of a record, with one number."""
    entries: dict[tuple[bytes, int], bytes] = {}
    changes: dict[tuple[bytes, bytes, int], bytes] = {}
    for home in homes:
        with opened(home) as store:
            stored, (genesis, *_) = store.entries(0, 1 << 40), store.state().operations
        for each in stored:
            assert entries.setdefault((each.author, each.n), each.hash) == each.hash
            for record, chunk in decode_entry(each.data, VaultId(genesis.hash)).body.changes:
                change = inspect(chunk)
                key = (record, change.actor, change.sequence)
                assert changes.setdefault(key, change.hash) == change.hash
