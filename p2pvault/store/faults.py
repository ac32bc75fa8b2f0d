"""What a failure of the database or of a file means to the rest of P2PVault.

SQLite's result codes (https://www.sqlite.org/rescode.html) and the system's error numbers become
errors of our own tree. Codes alone decide: the texts are for people and change.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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


_SAID_OF_A_FULL_DISK: Final = frozenset((dbapi2.SQLITE_IOERR, dbapi2.SQLITE_CANTOPEN))

_NOT_GIVEN: Final = frozenset((266, 522))
"""SQLITE_IOERR_READ and SQLITE_IOERR_SHORT_READ, which the module has no names for: the disk does
not give a page, which is then as lost as one that does not check out."""


@contextmanager
def translated(path: Path, *, reads_only: bool = False) -> Iterator[None]:
    """Turn what the database raises inside the block into our own errors.

    Args:
        path: The database, for the message.
        reads_only: The connection cannot write, so a fault of the disk that SQLite says no more of
            is one of reading.

    Raises:
        StoreError: The kind that the result code stands for.
        AssertionError: A code that correct calls never get: a violated constraint, bad SQL, a
            connection used from another thread.
    """
    try:
        yield
    except dbapi2.Error as error:
        # The low byte is the primary code; extended codes share it.
        extended = getattr(error, "sqlite_errorcode", dbapi2.SQLITE_MISUSE)
        code = extended & 0xFF
        not_given = extended in _NOT_GIVEN or (reads_only and extended == dbapi2.SQLITE_IOERR)
        kind = StoreCorrupt if not_given else _KINDS.get(code)
        if kind is None:
            raise AssertionError(f"the database refused a call as wrong: {error}") from error
        may_be_full = kind is StoreUnwritable and code in _SAID_OF_A_FULL_DISK
        if may_be_full and _is_full(path):
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
