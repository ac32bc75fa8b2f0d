"""How a batch becomes rows, inside a transaction that the caller holds.

It checks what only the store can know, that entries continue what is held, and trusts the caller
with everything else. Values are bound as parameters throughout; no SQL is built from data.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, TypeVar

from p2pvault.limits import STORE_STATEMENT_ROWS
from p2pvault.store import rows
from p2pvault.store.cipher import Connection, Row
from p2pvault.types import (
    AuthorId,
    Batch,
    EntryHash,
    JournalHead,
    RecordId,
    RecordWrite,
    StoredEntry,
)

T = TypeVar("T")

_PUT_RECORDS: Final = """
    INSERT INTO records (id, collection, name, deleted, heads) VALUES {}
    ON CONFLICT (id) DO UPDATE SET collection = excluded.collection, name = excluded.name,
        deleted = excluded.deleted, heads = excluded.heads
"""
_DROP_CHUNKS: Final = "DELETE FROM chunks WHERE record IN (SELECT pk FROM records WHERE id IN ({}))"
_ADD_CHUNKS: Final = """
    WITH fresh (id, data) AS (VALUES {})
    INSERT INTO chunks (record, data)
    SELECT pk, fresh.data FROM fresh CROSS JOIN records ON records.id = fresh.id
"""
# A journal that stands further already stays there, and so does its base.
_ADOPT: Final = """
    INSERT INTO {} VALUES (?, ?, ?)
    ON CONFLICT (author) DO UPDATE SET n = excluded.n, hash = excluded.hash WHERE excluded.n > n
"""


def write(connection: Connection, batch: Batch) -> None:
    """Write every part of a batch.

    Raises:
        AssertionError: An entry does not continue its journal or the order of arrival.
        sqlcipher3.dbapi2.Error: See `faults.translated`.
    """
    _cut_journals(connection, batch.cuts)
    _erase_records(connection, batch.erased)
    _write_entries(connection, batch.entries)
    _write_records(connection, batch.records)
    _write_headers(connection, batch.headers)
    connection.executemany(
        "INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?)",
        map(rows.from_fingerprint, batch.fingerprints),
    )
    connection.executemany(
        "INSERT INTO operations (hash, data) VALUES (?, ?)",
        [(operation.hash, operation.data) for operation in batch.operations],
    )
    _write_meta(connection, batch.meta)
    connection.executemany(
        "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)", map(rows.from_peer, batch.peers)
    )
    connection.executemany(
        "INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?)",
        [(word.device, word.author, word.n) for word in batch.acknowledged],
    )
    _adopt(connection, "journals", batch.adopted)
    _adopt(connection, "bases", batch.adopted)
    _drop_entries(connection, batch.dropped)
    _write_quarantine(connection, batch)
    if batch.release_pages:
        # Each step of this statement releases one page.
        connection.execute(f"PRAGMA incremental_vacuum({batch.release_pages:d})").fetchall()


def _cut_journals(connection: Connection, cuts: Sequence[JournalHead]) -> None:
    connection.executemany(
        "DELETE FROM entries WHERE author = ? AND n > ?", [(cut.author, cut.n) for cut in cuts]
    )
    connection.executemany("DELETE FROM journals WHERE author = ?", [(cut.author,) for cut in cuts])
    connection.executemany(
        "INSERT INTO journals VALUES (?, ?, ?)",
        [(cut.author, cut.n, cut.hash) for cut in cuts if cut.n],
    )


def _erase_records(connection: Connection, erased: Sequence[RecordId]) -> None:
    _drop_chunks(connection, erased)
    connection.executemany("DELETE FROM records WHERE id = ?", [(record,) for record in erased])


def _write_entries(connection: Connection, entries: Sequence[StoredEntry]) -> None:
    if not entries:
        return
    _check_arrivals(connection, entries)
    heads: dict[AuthorId, tuple[int, EntryHash]] = {}
    for entry in entries:
        last = heads[entry.author][0] if entry.author in heads else _last(connection, entry.author)
        if entry.n != last + 1:
            raise AssertionError(f"entry {entry.n} does not follow entry {last} of its journal")
        heads[entry.author] = entry.n, entry.hash
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
        [(entry.arrival, entry.author, entry.n, entry.hash, entry.data) for entry in entries],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO journals VALUES (?, ?, ?)",
        [(author, n, hash_) for author, (n, hash_) in heads.items()],
    )


def _write_headers(connection: Connection, headers: Sequence[StoredEntry]) -> None:
    connection.executemany(
        "UPDATE entries SET data = ? WHERE arrival = ? AND hash = ?",
        [(each.data, each.arrival, each.hash) for each in headers],
    )


def _check_arrivals(connection: Connection, entries: Sequence[StoredEntry]) -> None:
    last = last_arrival(connection)
    for entry in entries:
        if entry.arrival <= last:
            raise AssertionError(f"arrival {entry.arrival} does not come after arrival {last}")
        last = entry.arrival


def last_arrival(connection: Connection) -> int:
    """Return the highest arrival number, 0 when there are no entries."""
    row = connection.execute("SELECT max(arrival) FROM entries").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def _last(connection: Connection, author: AuthorId) -> int:
    row = connection.execute("SELECT n FROM journals WHERE author = ?", (author,)).fetchone()
    return 0 if row is None else int(row[0])


def _adopt(connection: Connection, table: str, heads: Sequence[JournalHead]) -> None:
    connection.executemany(
        _ADOPT.format(table), [(head.author, head.n, head.hash) for head in heads]
    )


def _drop_entries(connection: Connection, last: Sequence[JournalHead]) -> None:
    for head in last:
        found = connection.execute(
            "SELECT hash FROM entries WHERE author = ? AND n = ?", (head.author, head.n)
        ).fetchone()
        if found != (head.hash,):
            raise AssertionError(f"entry {head.n} is to be dropped and is not held")
    connection.executemany(
        "DELETE FROM entries WHERE author = ? AND n <= ?", [(head.author, head.n) for head in last]
    )
    _adopt(connection, "bases", last)


def _write_records(connection: Connection, writes: Sequence[RecordWrite]) -> None:
    if len({item.row.id for item in writes}) != len(writes):
        raise AssertionError("a record appears twice in one batch")
    for part in _parts(writes):
        found = (item.row for item in part)
        columns = [(r.id, r.collection, r.name, r.deleted, rows.from_heads(r.heads)) for r in found]
        _execute(connection, _PUT_RECORDS, columns)
        _drop_chunks(connection, [item.row.id for item in part if item.replaces])
        _execute(connection, _ADD_CHUNKS, [(item.row.id, item.chunk) for item in part])


def _drop_chunks(connection: Connection, records: Sequence[RecordId]) -> None:
    for part in _parts(records):
        connection.execute(_DROP_CHUNKS.format(", ".join("?" * len(part))), part)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut what is written into as much as one statement takes.

    The interpreter's lock is given up while a statement runs, and waited for behind it. Where each
    row has one of its own, a thread that computes meanwhile holds up every single row.
    """
    for start in range(0, len(items), STORE_STATEMENT_ROWS):
        yield items[start : start + STORE_STATEMENT_ROWS]


def _execute(connection: Connection, statement: str, values: Sequence[Row]) -> None:
    """Run a statement with so many rows of parameters in it."""
    marks = f"({', '.join('?' * len(values[0]))})"
    flat = tuple(chain.from_iterable(values))
    connection.execute(statement.format(", ".join([marks] * len(values))), flat)


def _write_quarantine(connection: Connection, batch: Batch) -> None:
    connection.executemany(
        "DELETE FROM quarantine WHERE position = ?",
        [(position,) for position in batch.left_quarantine],
    )
    connection.executemany(
        "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        map(rows.from_quarantined, batch.quarantined),
    )


def _write_meta(connection: Connection, meta: Mapping[str, bytes | None]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [(name, value) for name, value in meta.items() if value is not None],
    )
    connection.executemany(
        "DELETE FROM meta WHERE name = ?",
        [(name,) for name, value in meta.items() if value is None],
    )
