"""What a store could do without: entries that all members hold, records in many chunks, free pages.

It only looks; what is found comes back as a batch, a little at a time.
"""

from collections.abc import Iterator, Sequence

from p2pvault.limits import CROWDED_RECORDS_MAX, DROP_BYTES_MAX, DROP_ENTRIES_MAX
from p2pvault.store.cipher import Connection
from p2pvault.types import AuthorId, JournalHead, RecordId, Surplus


def surplus(
    connection: Connection, upto: Sequence[tuple[AuthorId, int]], chunks_min: int | None
) -> Surplus:
    """See `port.Reader.surplus`; the caller holds a transaction."""
    return Surplus(
        dropped=_droppable(connection, upto),
        crowded=() if chunks_min is None else _crowded(connection, chunks_min),
        free_pages=_pragma(connection, "freelist_count"),
        pages=_pragma(connection, "page_count"),
    )


def _droppable(
    connection: Connection, upto: Sequence[tuple[AuthorId, int]]
) -> tuple[JournalHead, ...]:
    last: dict[AuthorId, JournalHead] = {}
    size = 0
    for count, (head, data_bytes) in enumerate(_entries(connection, upto), start=1):
        size += data_bytes
        if last and (count > DROP_ENTRIES_MAX or size > DROP_BYTES_MAX):
            break
        last[head.author] = head
    return tuple(last.values())


def _entries(
    connection: Connection, upto: Sequence[tuple[AuthorId, int]]
) -> Iterator[tuple[JournalHead, int]]:
    # The length of a value is known without reading it.
    query = """
        SELECT author, n, hash, length(data) FROM entries WHERE author = ? AND n <= ?
        ORDER BY n LIMIT ?
    """
    for author, n in upto:
        for *head, size in connection.execute(query, (author, n, DROP_ENTRIES_MAX)).fetchall():
            yield JournalHead(*head), size


def _crowded(connection: Connection, chunks_min: int) -> tuple[tuple[RecordId, int], ...]:
    query = """
        SELECT id, (SELECT sum(length(data)) FROM chunks WHERE record = records.pk)
        FROM records WHERE pk IN (
            SELECT record FROM chunks GROUP BY record HAVING count(*) >= ? LIMIT ?
        ) ORDER BY pk
    """
    return tuple(connection.execute(query, (chunks_min, CROWDED_RECORDS_MAX)).fetchall())


def _pragma(connection: Connection, name: str) -> int:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    assert row is not None, "these two always answer"
    return int(row[0])
