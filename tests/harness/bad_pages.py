"""Pages of a database that do not check out, as a bad sector or a flipped bit leaves them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p2pvault.store.cipher import PAGE_BYTES, Connection
from p2pvault.store.sqlite import SqliteStore


def root_page(connection: Connection, name: str) -> int:
    """Return the number of the first page of a table or an index, from 0."""
    query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
    ((page,),) = connection.execute(query, (name,)).fetchall()
    return int(page) - 1


def flip(path: Path, page: int) -> None:
    """Flip one bit of a page; the second time it is right again."""
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES + 1_000)
        (byte,) = file.read(1)
        file.seek(page * PAGE_BYTES + 1_000)
        file.write(bytes([byte ^ 0x10]))


@contextmanager
def flipped(path: Path, page: int) -> Iterator[None]:
    """Flip one bit of a page inside the block."""
    flip(path, page)
    yield
    flip(path, page)


@contextmanager
def unread(store: SqliteStore, name: str) -> Iterator[None]:
    """Let the first page of a table not check out inside the block, under an open store."""
    page = root_page(store._connection, name)
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with flipped(store._path, page):
        store._connection.execute("PRAGMA shrink_memory").close()
        yield
