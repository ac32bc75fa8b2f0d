"""One lock, one holder: how a second daemon on the same home finds out.

`flock` belongs to the open file and goes with the process, however it ends, so a lock is never
stale. It must not be used on the database itself: SQLite has locks of its own there.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from p2pvault.errors import StoreInUse
from p2pvault.store.faults import os_fault
from p2pvault.store.home import FILE_MODE


class ExclusiveLock:
    """The lock on one file, held from construction to `release`, or to the end of a `with`."""

    def __init__(self, path: Path) -> None:
        """Take the lock without waiting.

        Args:
            path: The lock file; made where missing, and never removed, since a removed file could
                be locked by two processes at once.

        Raises:
            StoreInUse: Another process, or another part of this one, holds it.
            StoreUnwritable: The file cannot be made or locked.
            StoreFull: No room for it.
        """
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise os_fault(f"cannot make {path}", error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise StoreInUse(f"another process has {path.parent} open") from error
        except OSError as error:
            os.close(self._descriptor)
            raise os_fault(f"cannot lock {path}", error) from error

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
