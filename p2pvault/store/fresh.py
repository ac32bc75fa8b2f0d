"""A store that is made whole before it is there: beside a damaged one, or the first of a home.

It is made under another name, and is complete when all of it is in one file and that is renamed to
`vault.db.new`. From then on it is the store: whatever a crash leaves, `put_in_place` finishes the
step, and it is called before a store is opened. The damaged one stays under a name that nothing
has, with its logs: SQLite would play those into the new one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from p2pvault.errors import StoreError, StoreInUse, VaultExists
from p2pvault.store import schema
from p2pvault.store.cipher import Connection, connect, transaction
from p2pvault.store.faults import os_fault, translated
from p2pvault.store.home import HomeFiles
from p2pvault.store.private_file import flush_directory, write_private
from p2pvault.store.writes import write
from p2pvault.types import Batch

_LOGS: Final = ("-wal", "-shm", "-journal")
"""How the names of the files end that SQLite keeps beside a database."""


@contextmanager
def make_fresh(files: HomeFiles, key: bytes) -> Iterator[Callable[[Batch], None]]:
    """Make the new store inside the block, with the given function; `install` puts it in place.

    Where the block fails, or the end of it, nothing is left of the new store.

    Raises:
        StoreFull, StoreUnwritable: It cannot be written.
        StoreInUse: Somebody else reads it.
    """
    unfinished = _named(files, ".unfinished")
    drop_unfinished(files)
    with ExitStack() as on_failure:
        on_failure.callback(_drop_quietly, unfinished)
        write_private(unfinished, b"")
        with translated(unfinished):
            connection = connect(unfinished, key, writable=True)
            try:
                schema.migrate(connection)

                def persist(batch: Batch) -> None:
                    with translated(unfinished), transaction(connection):
                        write(connection, batch)

                yield persist
                _fold(connection, unfinished)
            finally:
                connection.close()
        on_failure.pop_all()


def install(files: HomeFiles) -> Path:
    """Let the store that `make_fresh` made take the place of the damaged one.

    Returns:
        Where the damaged one is now.

    Raises:
        StoreFull, StoreUnwritable: The damaged one cannot be kept, and stays in its place; or a
            file cannot be renamed, and the next opening goes on from there.
    """
    new = _named(files, ".new")
    with ExitStack() as on_failure:
        on_failure.callback(_drop_quietly, new)
        _rename(_named(files, ".unfinished"), new)
        kept = _kept(files)
        on_failure.pop_all()
    _replace(files, kept)
    return kept


def install_first(files: HomeFiles, key: bytes) -> None:
    """Let the store that `make_fresh` made be the first of a home, whose lock the caller holds.

    Raises:
        VaultExists: There is one with a vault in it; it stays.
        StoreFull, StoreUnwritable, StoreCorrupt: There is one that cannot be looked into, or a
            file cannot be renamed.
    """
    check_unfilled(files, key)
    _drop(files.database)  # with its log, which would be played into the new one
    _rename(_named(files, ".unfinished"), files.database)


def check_unfilled(files: HomeFiles, key: bytes) -> None:
    """Insist that a home, whose lock the caller holds, has no vault.

    A store without a membership is what a crash leaves of an attempt to make one.

    Raises:
        VaultExists: It has one.
        StoreUnwritable, StoreCorrupt, SchemaTooNew: It has one that cannot be looked into.
    """
    if not files.database.exists():
        return
    with translated(files.database):
        connection = connect(files.database, key, writable=True)
        try:
            made = schema.version(connection) > 0
            rows = connection.execute("SELECT 1 FROM operations LIMIT 1") if made else None
            filled = rows is not None and rows.fetchone() is not None
        finally:
            connection.close()
    if filled:
        raise VaultExists("this device has a vault already")


def drop_unfinished(files: HomeFiles) -> None:
    """Remove what a crash left of a store that was being made.

    Raises:
        StoreUnwritable: The directory refuses.
    """
    _drop(_named(files, ".unfinished"))


def put_in_place(files: HomeFiles) -> None:
    """Finish the step that a crash cut short, if there is one.

    Raises:
        StoreFull, StoreUnwritable: The damaged store cannot be kept, or a file not be renamed.
    """
    if _named(files, ".new").exists():
        _replace(files, _kept(files))


def _replace(files: HomeFiles, kept: Path) -> None:
    for suffix in _LOGS:
        old = _named(files, suffix)
        if old.exists():
            _rename(old, kept.with_name(kept.name + suffix))
    _rename(_named(files, ".new"), files.database)


def _fold(connection: Connection, path: Path) -> None:
    """Put all of the log into the file; closing does that too, and does not say when it fails."""
    row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if row != (0, 0, 0):
        raise StoreInUse(f"{path}: somebody reads it, so its log cannot be folded into it")


def _named(files: HomeFiles, suffix: str) -> Path:
    return files.database.with_name(files.database.name + suffix)


def _place_beside(files: HomeFiles) -> Path:
    """Return the first name that nothing has, or the one that the damaged store has already."""
    for number in count(1):
        path = _named(files, ".damaged" if number == 1 else f".damaged.{number}")
        if path.exists():
            if path.samefile(files.database):
                return path
        elif not any(path.with_name(path.name + suffix).exists() for suffix in _LOGS):
            return path
    raise AssertionError("numbers do not end")


def _kept(files: HomeFiles) -> Path:
    """Return the second name of the damaged store, given now where it has none yet."""
    kept = _place_beside(files)
    if not kept.exists():
        _keep(files.database, kept)
    return kept


def _keep(path: Path, kept: Path) -> None:
    # A copy where the file system has no links.
    try:
        with suppress(OSError):
            kept.hardlink_to(path)
        if not kept.exists():
            _copy(path, kept)
        flush_directory(kept.parent)
    except OSError as error:
        raise os_fault(f"cannot keep {path} as {kept}", error) from error


def _copy(path: Path, kept: Path) -> None:
    beside = kept.with_name(kept.name + ".unfinished")
    try:
        shutil.copyfile(path, beside)
        shutil.copymode(path, beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)


def _drop(path: Path) -> None:
    try:
        for suffix in ("", *_LOGS):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise os_fault(f"cannot remove {path}", error) from error


def _drop_quietly(path: Path) -> None:
    with suppress(StoreError):  # what went wrong before is what is told; the next one drops it
        _drop(path)


def _rename(old: Path, new: Path) -> None:
    try:
        old.replace(new)
        flush_directory(old.parent)
    except OSError as error:
        raise os_fault(f"cannot rename {old}", error) from error
