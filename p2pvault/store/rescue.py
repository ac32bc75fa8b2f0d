"""Reads what can still be read of a store with damaged pages, row by row.

A row on a damaged page cannot be read, nor anything that SQLite has to pass through it for. Where
reading on fails, the next row that can be reached is looked for with doubling steps and then
closer. A connection that met a damaged page refuses everything, so each failure takes a new one.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from p2pvault.errors import StoreCorrupt
from p2pvault.store import rows
from p2pvault.store.cipher import Connection, Row, connect
from p2pvault.store.faults import translated
from p2pvault.types import (
    JournalHead,
    PeerRow,
    RecordRow,
    StoredEntry,
    StoredOperation,
    StoredRecord,
)

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
        self._connection = self._connect()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def meta(self) -> dict[str, bytes]:
        """Return every named value.

        Raises:
            StoreCorrupt: The page that holds them is damaged.
        """
        return dict(self._all("SELECT name, value FROM meta"))

    def operations(self) -> list[StoredOperation]:
        """Return the membership log; raises as `meta`."""
        query = "SELECT hash, data FROM operations ORDER BY position"
        return [StoredOperation(*row) for row in self._all(query)]

    def peers(self) -> list[PeerRow]:
        """Return the address book, or nothing where it cannot be read."""
        try:
            return [rows.peer(row) for row in self._all("SELECT * FROM peers")]
        except StoreCorrupt:
            return []

    def bases(self) -> tuple[JournalHead, ...]:
        """Return where journals begin, or nothing where it cannot be read."""
        try:
            return tuple(JournalHead(*row) for row in self._all("SELECT * FROM bases"))
        except StoreCorrupt:
            return ()

    def has_quarantine(self) -> bool:
        """Tell whether entries were kept aside, or may have been."""
        try:
            return bool(self._all("SELECT position FROM quarantine LIMIT 1"))
        except StoreCorrupt:
            return True

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
        while (row := self._next(query, last)) is not None:
            yield row
            last = row[0]

    def _next(self, query: str, last: int) -> Row | None:
        """Return the first row behind a number that can be reached; None at the end."""
        try:
            return self._first(query, last)
        except StoreCorrupt:
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
