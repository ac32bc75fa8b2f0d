"""A copy of another device's home, read without touching it.

What is read is a copy of the copy: opening a database recovers its log, brings its schema to the
present version, and writes beside it. The lock of the home is taken as long as the files are being
copied, so that no daemon writes to them meanwhile; where there is no lock file, there was none.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from p2pvault.crypto.schedule import store_key
from p2pvault.errors import NoVault, StoreInUse
from p2pvault.store.faults import os_fault
from p2pvault.store.home import HomeFiles, make_database, make_home
from p2pvault.store.port import Reader
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store

_FILES: Final = ("vault.db", "vault.db-wal", "vault.db.new")
"""The database, what is durable and not in it yet, and a salvaged one on its way to its place."""

COPY: Final = "takeover.unfinished"
"""Where the copy lies inside the new home, for as long as it is needed."""


@contextmanager
def open_backup(directory: Path, home: Path) -> Iterator[Reader]:
    """Open the store of a backup inside the block.

    Args:
        directory: The backup: what was the home of a device, with its keys.
        home: Where there is room for a copy for the time being; the caller holds the lock on it.

    Raises:
        NoVault: There is no vault in the backup.
        StoreInUse: A daemon runs with it.
        KeyUnavailable: Its keys are missing, exposed, or do not fit together.
        StoreCorrupt: Its keys or its database are damaged.
        SchemaTooNew: A newer P2PVault wrote it.
        StoreFull: No room for the copy.
        StoreUnwritable: It cannot be read, or the copy not be written.
    """
    files = HomeFiles(directory)
    _check_there(files)
    key = store_key(load_master_key(files))
    drop_backup(home)
    try:
        copy = make_home(home / COPY)
        _copy(files, copy)
        with closing(open_store(copy.home, key)) as store:
            yield store
    finally:
        drop_backup(home)


def drop_backup(home: Path) -> None:
    """Remove what a crash left of the copy of a backup.

    Raises:
        StoreUnwritable: The directory refuses.
    """
    try:
        shutil.rmtree(home / COPY)
    except FileNotFoundError:
        return
    except OSError as error:
        raise os_fault(f"cannot remove {home / COPY}", error) from error


def _check_there(files: HomeFiles) -> None:
    try:
        there = files.database.exists()
    except OSError as error:
        raise os_fault(f"cannot look into {files.home}", error) from error
    if not there:
        raise NoVault(f"there is no vault in {files.home}")


def _copy(files: HomeFiles, copy: HomeFiles) -> None:
    with _held_still(files):
        for name in _FILES:
            if (files.home / name).exists():
                make_database(copy.home / name)
                _copy_file(files.home / name, copy.home / name)


def _copy_file(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise os_fault(f"cannot copy {source}", error) from error


@contextmanager
def _held_still(files: HomeFiles) -> Iterator[None]:
    """Keep writers out of a home, without writing there: the lock file is opened to be read."""
    with ExitStack() as held:
        try:
            descriptor = os.open(files.lock, os.O_RDONLY | os.O_CLOEXEC)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass  # no daemon ever ran here, or it was not copied
        except BlockingIOError as error:
            raise StoreInUse(
                f"a daemon runs with {files.home}",
                hint="That device is not lost. Stop its daemon first, or use the key there: "
                "`recovery use` without --from.",
            ) from error
        except OSError as error:
            raise os_fault(f"cannot lock {files.lock}", error) from error
        yield
