"""What a failure of the database or of a file means to the rest of P2PVault.

SQLite's result codes (https://www.sqlite.org/rescode.html) and the system's error numbers become
errors of our own tree. Codes alone decide: the texts are for people and change.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlcipher3 import dbapi2

from p2pvault.errors import StoreCorrupt, StoreError, StoreFull, StoreInUse, StoreUnwritable
from p2pvault.limits import STORE_ROOM_BYTES

_KINDS: dict[int, type[StoreError]] = {
    dbapi2.SQLITE_FULL: StoreFull,
    dbapi2.SQLITE_BUSY: StoreInUse,
    dbapi2.SQLITE_LOCKED: StoreInUse,
    dbapi2.SQLITE_READONLY: StoreUnwritable,
    dbapi2.SQLITE_PERM: StoreUnwritable,
    dbapi2.SQLITE_CANTOPEN: StoreUnwritable,
    dbapi2.SQLITE_IOERR: StoreUnwritable,
    dbapi2.SQLITE_CORRUPT: StoreCorrupt,
    dbapi2.SQLITE_NOTADB: StoreCorrupt,
    dbapi2.SQLITE_FORMAT: StoreCorrupt,
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the database raises inside the block into our own errors.

    Args:
        path: The database, for the message.

    Raises:
        StoreError: The kind that the result code stands for.
        AssertionError: A code that correct calls never get: a violated constraint, bad SQL, a
            connection used from another thread.
    """
    try:
        yield
    except dbapi2.Error as error:
        # The low byte is the primary code; extended codes share it.
        code = getattr(error, "sqlite_errorcode", dbapi2.SQLITE_MISUSE) & 0xFF
        kind = _KINDS.get(code)
        if kind is None:
            raise AssertionError(f"the database refused a call as wrong: {error}") from error
        if code in (dbapi2.SQLITE_IOERR, dbapi2.SQLITE_CANTOPEN) and _is_full(path):
            kind = StoreFull
        raise kind(f"{path}: {error}") from error


def _is_full(path: Path) -> bool:
    """Tell whether the disk has no room to make or grow a side file: SQLite does not say that."""
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < STORE_ROOM_BYTES


def os_fault(attempt: str, error: OSError) -> StoreError:
    """Return the error to raise for a failed file operation.

    Args:
        attempt: What failed, "cannot write ..."; begins the message.
        error: What the system said.
    """
    kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreUnwritable
    return kind(f"{attempt}: {error.strerror}")
