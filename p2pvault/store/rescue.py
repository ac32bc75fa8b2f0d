"""Reads what can still be read of a store with damaged pages, row by row.

A row on a damaged page cannot be read, nor anything that SQLite has to pass through it for. Where
reading on fails, the next row that can be reached is looked for with doubling steps and then
closer. A connection that met a damaged page refuses everything, so each failure takes a new one.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from p2pvault.errors import StoreCorrupt
from p2pvault.store import rows
from p2pvault.store.cipher import Connection, Row, connect
from p2pvault.store.faults import translated
from p2pvault.types import (
    Fingerprint,
    JournalHead,
    PeerRow,
    RecordRow,
    StoredEntry,
    StoredOperation,
    StoredRecord,
)

T = TypeVar("T")

_STEP_MAX: Final = 1 << 40
"""Beyond every number of a row: a vault has fewer records and entries."""


class Rescue:
    """A damaged store, read-only in effect; whoever makes it holds the lock on the home.

    Raises:
        StoreCorrupt: Not even the first page can be read.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key
        self._skipped: set[str] = set()
        self._connection = self._connect()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def meta(self) -> dict[str, bytes] | None:
        """Return every named value, or None where they cannot be read."""
        found = self._readable("SELECT name, value FROM meta", lambda row: (row[0], row[1]))
        return None if found is None else dict(found)

    def operations(self) -> list[StoredOperation]:
        """Return the membership log.

        Raises:
            StoreCorrupt: A page of it is damaged.
        """
        query = "SELECT hash, data FROM operations ORDER BY position"
        return [StoredOperation(*row) for row in self._all(query)]

    def peers(self) -> list[PeerRow] | None:
        """Return the address book, or None where it cannot be read."""
        return self._readable("SELECT * FROM peers", rows.peer)

    def bases(self) -> list[JournalHead] | None:
        """Return where journals begin, or None where it cannot be read."""
        return self._readable("SELECT * FROM bases", lambda row: JournalHead(*row))

    def journals(self) -> list[JournalHead] | None:
        """Return where journals end, or None where it cannot be read."""
        return self._readable("SELECT * FROM journals", lambda row: JournalHead(*row))

    def fingerprints(self) -> list[Fingerprint] | None:
        """Return how much each collection holds, or None where it cannot be read."""
        query = "SELECT collection, total, count FROM fingerprints"
        return self._readable(query, rows.fingerprint)

    def quarantined(self) -> int | None:
        """Return how many entries were kept aside, or None where it cannot be read."""
        found = self._readable("SELECT count(*) FROM quarantine", lambda row: int(row[0]))
        return None if found is None else found[0]

    def has_skipped(self, table: str) -> bool:
        """Tell whether rows of `entries` or `records` may have been passed over so far."""
        return table in self._skipped

    def entries(self) -> Iterator[StoredEntry]:
        """Return the entries that can be read, in their order of arrival."""
        for row in self._walk("entries", "arrival", "arrival, author, n, hash, data"):
            yield StoredEntry(*row)

    def records(self) -> Iterator[tuple[RecordRow, StoredRecord | None]]:
        """Return the index rows that can be read, with their records where those can."""
        for pk, *columns in self._walk("records", "pk", "pk, id, collection, name, deleted, heads"):
            row = rows.record_row(tuple(columns))
            try:
                found = self._all("SELECT data FROM chunks WHERE record = ? ORDER BY pk", (pk,))
            except StoreCorrupt:
                yield row, None
            else:
                yield row, StoredRecord(row, tuple(chunk for (chunk,) in found))

    def _walk(self, table: str, number: str, columns: str) -> Iterator[Row]:
        query = (
            f"SELECT {columns} FROM {table} "  # noqa: S608  # our own words, no data
            f"WHERE {number} > ? ORDER BY {number} LIMIT 1"
        )
        last = 0
        while (row := self._next(table, query, last)) is not None:
            yield row
            last = row[0]

    def _next(self, table: str, query: str, last: int) -> Row | None:
        """Return the first row behind a number that can be reached; None at the end."""
        try:
            return self._first(query, last)
        except StoreCorrupt:
            self._skipped.add(table)
            return self._beyond(query, last)

    def _beyond(self, query: str, last: int) -> Row | None:
        fails, step = last, 1
        while step < _STEP_MAX:
            try:
                row = self._first(query, last + step)
            except StoreCorrupt:
                fails, step = last + step, 2 * step
            else:
                return self._closer(query, fails, last + step, row)
        return None

    def _closer(self, query: str, fails: int, works: int, row: Row | None) -> Row | None:
        while works - fails > 1:
            middle = (works + fails) // 2
            try:
                row, works = self._first(query, middle), middle
            except StoreCorrupt:
                fails = middle
        return row

    def _first(self, query: str, last: int) -> Row | None:
        found = self._all(query, (last,))
        return found[0] if found else None

    def _readable(self, query: str, read: Callable[[Row], T]) -> list[T] | None:
        try:
            return [read(row) for row in self._all(query)]
        except StoreCorrupt:
            return None

    def _all(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        try:
            with translated(self._path):
                return self._connection.execute(query, parameters).fetchall()
        except StoreCorrupt:
            self._connection.close()
            self._connection = self._connect()
            raise

    def _connect(self) -> Connection:
        with translated(self._path):
            return connect(self._path, self._key, writable=True)
