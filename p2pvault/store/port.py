"""What the rest of P2PVault may ask of a store, whichever one it is.

A `Store` makes batches durable, one transaction each; a `Reader` answers from what is durable.
The store keeps values and order. It does not look into entries, chunks or operations, and it
decides nothing: numbers, heads and fingerprints come from the caller.

Every method blocks; `worker.py` is how the rest of the program calls them. Any of them may raise
`StoreCorrupt` or `StoreUnwritable` when the disk lets the store down.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from p2pvault.types import (
    AuthorId,
    Batch,
    Doubt,
    Fingerprint,
    QuarantinedEntry,
    QuarantinedRow,
    RecordId,
    RecordRow,
    StoredEntry,
    StoredRecord,
    StoreState,
    Surplus,
)


class Reader(Protocol):
    """Answers from the last durable batch. Each call sees one batch boundary, never half of one."""

    def state(self) -> StoreState:
        """Return what is small enough to be kept in memory by the caller.

        Returns:
            Journals sorted by author, fingerprints by collection, peers by device; operations
            in the order in which they were persisted.
        """
        ...

    def records(self, ids: Sequence[RecordId]) -> list[StoredRecord]:
        """Return records with their chunks, in the order of `ids`; unknown ones are left out.

        A record whose chunks a fault took is returned without any.
        """
        ...

    def find(self, collection: str, name: str) -> list[RecordRow]:
        """Return every record of this path: live ones first, each part sorted by id."""
        ...

    def with_id_prefix(self, prefix_hex: str, limit: int) -> list[RecordRow]:
        """Return the records whose id begins with some hexadecimal digits, sorted by id.

        Args:
            prefix_hex: 0 to 32 hexadecimal digits; an odd number of them is fine.
            limit: Most rows to return, at least 1.

        Returns:
            Live and deleted records alike.
        """
        ...

    def rows(
        self,
        collection: str | None,
        after: RecordId | None,
        limit: int,
        *,
        deleted: bool = False,
    ) -> list[RecordRow]:
        """Return one page of the index, ordered by collection, name and id.

        Args:
            collection: Only this one, or all.
            after: The last id of the page before, or None for the first page. The page goes on
                from where that record stands now.
            limit: Most rows to return, at least 1.
            deleted: Whether to list the deleted records instead of the live ones.

        Raises:
            NoSuchRecord: No record has the id `after`.
        """
        ...

    def index(self, lower: bytes, upper: bytes | None, limit: int) -> list[RecordRow]:
        """Return one page of the index by record id, live and deleted records alike.

        Args:
            lower: The first id that may be in it; also one that is longer or shorter than ids are.
            upper: The first id that may not, or None for no such bound.
            limit: Most rows to return, at least 1.
        """
        ...

    def index_count(self, lower: bytes, upper: bytes | None) -> int:
        """Return how many records there are between two ids; see `index`."""
        ...

    def faults(self) -> list[str]:
        """Check every page of the file and return what is wrong, at most PAGE_FAULTS_MAX lines."""
        ...

    def standstill(self) -> AbstractContextManager[None]:
        """Answer all calls inside the block from one and the same durable batch.

        Others go on writing meanwhile, so it should not last long: the log file grows with it.
        """
        ...

    def collections(self) -> list[Fingerprint]:
        """Return the fingerprint of every collection, sorted by name."""
        ...

    def entries(self, after_arrival: int, bytes_max: int) -> list[StoredEntry]:
        """Return the entries behind a position, in their order of arrival.

        Args:
            after_arrival: The last arrival number that is not wanted; 0 starts at the beginning.
            bytes_max: Most bytes of `data` in the answer. The first entry is returned even when
                it alone is larger, so that a reader always gets on.

        Returns:
            Nothing when there is nothing behind that position.
        """
        ...

    def first_arrival(self, author: AuthorId, n: int) -> int | None:
        """Return the arrival number of the first held entry of a journal from number `n` on."""
        ...

    def records_behind(self, after: RecordId | None, bytes_max: int) -> list[StoredRecord]:
        """Return records with their chunks, sorted by id, deleted ones among them.

        Args:
            after: The last id that is not wanted, or None to start with the first record.
            bytes_max: Most bytes of chunks in the answer. The first record is returned even when
                it alone is larger, so that a reader always gets on.
        """
        ...

    def surplus(self, upto: Sequence[tuple[AuthorId, int]], chunks_min: int | None) -> Surplus:
        """Return what could go or be folded, as much as fits one short batch.

        Args:
            upto: For each journal, the number up to which its entries are not needed.
            chunks_min: Also look for records of so many chunks, all over the store.
        """
        ...

    def quarantine(self) -> list[QuarantinedRow]:
        """Return the row of every quarantined entry, by position."""
        ...

    def quarantined(self, positions: Sequence[int]) -> list[QuarantinedEntry]:
        """Return quarantined entries in the order of `positions`; unknown ones are left out."""
        ...

    def hashes(self, author: AuthorId, numbers: Sequence[int]) -> list[bytes]:
        """Return the hashes of entries of one journal, in order.

        Returns:
            Empty bytes for an entry that is not held; the base of a journal is known all the same.
        """
        ...

    def count(self) -> int:
        """Return the number of records that are not deleted."""
        ...

    def shrink(self) -> None:
        """Let go of the memory that holds what was read before; it is read again when needed."""
        ...

    def close(self) -> None:
        """Let go of the files. Nothing may be called afterwards."""
        ...


class Store(Reader, Protocol):
    """The one writer of a vault.

    Attributes:
        doubt: Why this may not be the state that was written last; None where nothing says so. A
            new journal has to be durable before anything else is written then.
    """

    doubt: Doubt | None

    def vouch(self) -> None:
        """Make this state the one that is written on from here; there is no doubt afterwards.

        Raises:
            StoreFull: No room on the disk.
            StoreUnwritable: The disk or the directory refuses.
        """
        ...

    def persist(self, batch: Batch) -> None:
        """Make all of a batch durable, in one transaction, before returning.

        Journal heads follow from the entries. After an error nothing of the batch is there and
        the store can be used on.

        Args:
            batch: Entries must continue their journals (`n` one above the last) and the order of
                arrival, both as `cuts` leave them; a record may appear once; what is dropped must
                be held. Entries leave the quarantine before others enter it, so that a position
                or a number can change hands.

        Raises:
            StoreFull: No room on the disk.
            StoreUnwritable: The disk or the directory refuses.
            StoreCorrupt: The content does not check out.
            AssertionError: The batch contradicts what is held. That is a bug of the caller.
        """
        ...
