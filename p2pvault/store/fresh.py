"""A second store beside a damaged one, and the step in which it takes its place.

It is made under another name and is complete when it is renamed to `vault.db.new`. From then on it
is the store: whatever a crash leaves, `put_in_place` finishes the step, and it is called before a
store is opened. The log of the old one has to go first, or SQLite would play it into the new one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from p2pvault.store import schema
from p2pvault.store.cipher import connect, transaction
from p2pvault.store.faults import os_fault, translated
from p2pvault.store.home import HomeFiles
from p2pvault.store.private_file import flush_directory, write_private
from p2pvault.store.writes import write
from p2pvault.types import Batch


@contextmanager
def make_fresh(files: HomeFiles, key: bytes) -> Iterator[Callable[[Batch], None]]:
    """Make the new store inside the block, with the given function; it is complete at its end.

    Raises:
        StoreFull, StoreUnwritable: It cannot be written.
    """
    unfinished = _named(files, ".unfinished")
    _drop(unfinished)
    write_private(unfinished, b"")
    with translated(unfinished):
        connection = connect(unfinished, key, writable=True)
        try:
            schema.migrate(connection)

            def persist(batch: Batch) -> None:
                with translated(unfinished), transaction(connection):
                    write(connection, batch)

            yield persist
        finally:
            connection.close()
    _rename(unfinished, _named(files, ".new"))


def put_in_place(files: HomeFiles) -> None:
    """Let a complete new store take the place of the damaged one, if there is one.

    Raises:
        StoreFull, StoreUnwritable: The files cannot be renamed.
    """
    new = _named(files, ".new")
    if not new.exists():
        return
    for suffix in ("-wal", "-shm"):
        old = _named(files, suffix)
        if old.exists():
            _rename(old, _named(files, ".damaged" + suffix))
    _keep(files.database, _named(files, ".damaged"))
    _rename(new, files.database)


def _named(files: HomeFiles, suffix: str) -> Path:
    return files.database.with_name(files.database.name + suffix)


def _keep(path: Path, copy: Path) -> None:
    """Give the damaged store a second name; a file system without links keeps no copy."""
    copy.unlink(missing_ok=True)
    with suppress(OSError):
        copy.hardlink_to(path)


def _drop(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _rename(old: Path, new: Path) -> None:
    try:
        old.replace(new)
        flush_directory(old.parent)
    except OSError as error:
        raise os_fault(f"cannot rename {old}", error) from error
