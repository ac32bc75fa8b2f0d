"""Whether the store in a home is whole, asked of SQLCipher and SQLite themselves."""

from contextlib import closing
from pathlib import Path

from p2pvault.crypto.schedule import store_key
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store


def assert_sound(home: Path) -> None:
    """Check every page, every index and every reference; the daemon of the home must be stopped."""
    key = store_key(load_master_key(HomeFiles(home)))
    with closing(open_store(home, key)) as store:
        asked = store._connection.execute
        assert asked("PRAGMA cipher_integrity_check").fetchall() == []
        assert asked("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert asked("PRAGMA foreign_key_check").fetchall() == []
