"""Reading the store on disk, over one connection of SQLCipher.

A reader sees batch boundaries only, and beside the writer it has a connection of its own. A
connection belongs to the thread that opened it; `worker.py` keeps it there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import ClassVar, Final

from p2pvault.errors import NoSuchRecord, StoreCorrupt, StoreUnwritable
from p2pvault.limits import PAGE_FAULTS_MAX
from p2pvault.store import rows
from p2pvault.store.cipher import Connection, transaction
from p2pvault.store.faults import translated
from p2pvault.store.surplus import surplus
from p2pvault.store.writes import last_arrival
from p2pvault.types import (
    Acknowledgement,
    AuthorId,
    Fingerprint,
    JournalHead,
    QuarantinedEntry,
    QuarantinedRow,
    RecordId,
    RecordRow,
    StoredEntry,
    StoredOperation,
    StoredRecord,
    StoreState,
    Surplus,
)

_ID_HEX_DIGITS: Final = 32
_ROWS: Final = "SELECT id, collection, name, deleted, heads FROM records "
_QUARANTINED: Final = "SELECT position, author, n, hash, device, since_ms, size, work, records"
_BEHIND_ALL: Final = b"\xff" * 17
"""Sorts behind every id of 16 bytes."""

_RECORD: Final = """
    SELECT id, collection, name, deleted, heads, data
    FROM records LEFT JOIN chunks ON chunks.record = records.pk WHERE id = ? ORDER BY chunks.pk
"""


class SqliteReader:
    """Reads over one connection; `port.Reader` says what each method promises.

    Args:
        path: The database.
        connection: To it.
        reopen: Opens another one like it, where this one has met a page that it cannot read.
    """

    _READS_ONLY: ClassVar = True

    def __init__(
        self, path: Path, connection: Connection, reopen: Callable[[], Connection]
    ) -> None:
        self._path = path
        self._connection = connection
        self._reopen = reopen
        self._spoiled = False
        self._depth = 0

    def state(self) -> StoreState:
        """See `port.Reader`."""
        with self.standstill():
            execute = self._connection.execute
            return StoreState(
                meta=self._meta(),
                journals=[
                    JournalHead(*row)
                    for row in execute("SELECT author, n, hash FROM journals ORDER BY author")
                ],
                fingerprints=self._fingerprints(),
                operations=self._operations(),
                peers=[rows.peer(row) for row in execute("SELECT * FROM peers ORDER BY device")],
                last_arrival=last_arrival(self._connection),
                bases=tuple(
                    JournalHead(*row)
                    for row in execute("SELECT author, n, hash FROM bases ORDER BY author")
                ),
                acknowledged=tuple(
                    Acknowledgement(*row)
                    for row in execute("SELECT * FROM acknowledged ORDER BY device, author")
                ),
                quarantine=self._quarantine(),
            )

    def records(self, ids: Sequence[RecordId]) -> list[StoredRecord]:
        """See `port.Reader`."""
        with self.standstill():
            found = (self._record(identifier) for identifier in ids)
            return [record for record in found if record is not None]

    def find(self, collection: str, name: str) -> list[RecordRow]:
        """See `port.Reader`."""
        return self._rows(
            "WHERE collection = ? AND name = ? ORDER BY deleted, id", collection, name
        )

    def with_id_prefix(self, prefix_hex: str, limit: int) -> list[RecordRow]:
        """See `port.Reader`."""
        first = bytes.fromhex(prefix_hex.ljust(_ID_HEX_DIGITS, "0"))
        last = bytes.fromhex(prefix_hex.ljust(_ID_HEX_DIGITS, "f"))
        return self._rows("WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", first, last, limit)

    def rows(
        self,
        collection: str | None,
        after: RecordId | None,
        limit: int,
        *,
        deleted: bool = False,
    ) -> list[RecordRow]:
        """See `port.Reader`."""
        start = ("", "", b"") if after is None else self._place(after)
        if collection is None:
            return self._page("", start, (deleted, limit))
        start = max(start, (collection, "", b""))
        return self._page("AND collection <= ? ", start, (collection, deleted, limit))

    def index(self, lower: bytes, upper: bytes | None, limit: int) -> list[RecordRow]:
        """See `port.Reader`."""
        upper = _BEHIND_ALL if upper is None else upper
        return self._rows("WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", lower, upper, limit)

    def index_count(self, lower: bytes, upper: bytes | None) -> int:
        """See `port.Reader`."""
        upper = _BEHIND_ALL if upper is None else upper
        query = "SELECT count(*) FROM records WHERE id >= ? AND id < ?"
        return self._number(query, lower, upper) or 0

    def faults(self) -> list[str]:
        """See `port.Reader`."""
        with self._using():
            pages = self._connection.execute("PRAGMA cipher_integrity_check").fetchall()
            found = [str(row[0]) for row in pages[:PAGE_FAULTS_MAX]]
        try:
            with self._using():
                query = f"PRAGMA integrity_check({PAGE_FAULTS_MAX})"
                rows_ = self._connection.execute(query).fetchall()
        except StoreCorrupt as error:
            return [*found, str(error)]
        return (found + [str(row[0]) for row in rows_ if row[0] != "ok"])[:PAGE_FAULTS_MAX]

    @contextmanager
    def standstill(self) -> Iterator[None]:
        """See `port.Reader`."""
        with self._using(), ExitStack() as held:
            if not self._connection.in_transaction:  # another one around this call holds the batch
                held.enter_context(transaction(self._connection, "DEFERRED"))
            yield

    def collections(self) -> list[Fingerprint]:
        """See `port.Reader`."""
        with self._using():
            return self._fingerprints()

    def entries(self, after_arrival: int, bytes_max: int) -> list[StoredEntry]:
        """See `port.Reader`."""
        found: list[StoredEntry] = []
        size = 0
        query = (
            "SELECT arrival, author, n, hash, data FROM entries WHERE arrival > ? ORDER BY arrival"
        )
        with (
            self._using(),
            closing(self._connection.execute(query, (after_arrival,))) as cursor,
        ):
            for row in cursor:
                entry = StoredEntry(*row)
                size += len(entry.data)
                if found and size > bytes_max:
                    break
                found.append(entry)
        return found

    def first_arrival(self, author: AuthorId, n: int) -> int | None:
        """See `port.Reader`."""
        return self._number(
            "SELECT arrival FROM entries WHERE author = ? AND n >= ? ORDER BY n LIMIT 1", author, n
        )

    def records_behind(self, after: RecordId | None, bytes_max: int) -> list[StoredRecord]:
        """See `port.Reader`."""
        found: list[StoredRecord] = []
        size = 0
        with self.standstill():
            for identifier in self._ids_behind(after):
                record = self._record(identifier)
                assert record is not None, "a record has chunks"
                size += sum(map(len, record.chunks))
                if found and size > bytes_max:
                    break
                found.append(record)
        return found

    def surplus(self, upto: Sequence[tuple[AuthorId, int]], chunks_min: int | None) -> Surplus:
        """See `port.Reader`."""
        with self.standstill():
            return surplus(self._connection, upto, chunks_min)

    def quarantine(self) -> list[QuarantinedRow]:
        """See `port.Reader`."""
        with self._using():
            return self._quarantine()

    def quarantined(self, positions: Sequence[int]) -> list[QuarantinedEntry]:
        """See `port.Reader`."""
        query = f"{_QUARANTINED}, data FROM quarantine WHERE position = ?"
        with self.standstill():
            found = (self._connection.execute(query, (at,)).fetchone() for at in positions)
            return [
                QuarantinedEntry(rows.quarantined_row(row[:-1]), row[-1])
                for row in found
                if row is not None
            ]

    def hashes(self, author: AuthorId, numbers: Sequence[int]) -> list[bytes]:
        """See `port.Reader`."""
        query = """
            SELECT hash FROM entries WHERE author = ?1 AND n = ?2
            UNION SELECT hash FROM bases WHERE author = ?1 AND n = ?2
        """
        with self.standstill():
            found = [self._connection.execute(query, (author, n)).fetchone() for n in numbers]
        return [b"" if row is None else row[0] for row in found]

    def count(self) -> int:
        """See `port.Reader`."""
        return self._number("SELECT count(*) FROM records WHERE NOT deleted") or 0

    def shrink(self) -> None:
        """See `port.Reader`."""
        with self._using():
            self._connection.execute("PRAGMA shrink_memory")

    def close(self) -> None:
        """See `port.Reader`."""
        with translated(self._path):
            self._connection.close()

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Use the connection inside the block, or a new one if it cannot be used any more.

        SQLCipher refuses everything on a connection that has met a page which does not decrypt,
        as one does that the disk failed to read. The other pages are as good as before, and so
        may this one be the next time.
        """
        if self._spoiled and not self._depth:
            self._renew()
        self._depth += 1
        try:
            with translated(self._path, reads_only=self._READS_ONLY):
                yield
        except (StoreCorrupt, StoreUnwritable):
            self._spoiled = True
            raise
        finally:
            self._depth -= 1

    def _renew(self) -> None:
        with translated(self._path, reads_only=self._READS_ONLY):
            spoiled, self._connection = self._connection, self._reopen()
            self._spoiled = False
            spoiled.close()

    def _page(
        self, bound: str, start: tuple[str, str, bytes], parameters: tuple[object, ...]
    ) -> list[RecordRow]:
        return self._rows(
            f"WHERE (collection, name, id) > (?, ?, ?) {bound}AND deleted = ? "
            "ORDER BY collection, name, id LIMIT ?",
            *start,
            *parameters,
        )

    def _rows(self, where: str, *parameters: object) -> list[RecordRow]:
        with self._using():
            return [
                rows.record_row(row) for row in self._connection.execute(_ROWS + where, parameters)
            ]

    def _record(self, identifier: RecordId) -> StoredRecord | None:
        found = self._connection.execute(_RECORD, (identifier,)).fetchall()
        if not found:
            return None
        # A record whose chunks are gone is damaged, not absent: what is known of it is its row.
        chunks = tuple(row[-1] for row in found if row[-1] is not None)
        return StoredRecord(rows.record_row(found[0][:-1]), chunks)

    def _ids_behind(self, after: RecordId | None) -> Iterator[RecordId]:
        query = "SELECT id FROM records WHERE id > ? ORDER BY id"
        with closing(self._connection.execute(query, (after or b"",))) as cursor:
            for (identifier,) in cursor:
                yield identifier

    def _place(self, identifier: RecordId) -> tuple[str, str, bytes]:
        found = self._rows("WHERE id = ?", identifier)
        if not found:
            raise NoSuchRecord(f"no record {identifier.hex()} to go on from")
        return found[0].collection, found[0].name, identifier

    def _meta(self) -> dict[str, bytes]:
        return dict(self._connection.execute("SELECT name, value FROM meta"))

    def _operations(self) -> list[StoredOperation]:
        query = "SELECT hash, data FROM operations ORDER BY position"
        return [StoredOperation(*row) for row in self._connection.execute(query)]

    def _fingerprints(self) -> list[Fingerprint]:
        query = "SELECT collection, total, count FROM fingerprints ORDER BY collection"
        return [rows.fingerprint(row) for row in self._connection.execute(query)]

    def _quarantine(self) -> list[QuarantinedRow]:
        query = f"{_QUARANTINED} FROM quarantine ORDER BY position"
        return [rows.quarantined_row(row) for row in self._connection.execute(query)]

    def _number(self, query: str, *parameters: object) -> int | None:
        with self._using():
            row = self._connection.execute(query, parameters).fetchone()
        return None if row is None else int(row[0])
