"""Replicas: the records that are loaded on this device, and how each is written back.

The cache is the newest truth for what it holds: a record that a batch under way has touched is
pinned until that batch is durable, since the store does not know its state yet. Whenever a batch
fails, or a record may be half changed, the whole cache is dropped and the store's word counts.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from p2pvault.crdt.record import Record
from p2pvault.limits import CHUNKS_BEFORE_FOLD, FOLD_BYTES_MIN, RECORDS_CACHED_MAX
from p2pvault.types import AuthorId, RecordId, RecordRow, RecordWrite, StoredRecord


@dataclass(slots=True)
class Replica:
    """One record in memory.

    Attributes:
        id: Its id.
        record: The CRDT.
        row: The index row as of the last batch that touched it; None while it is being made.
        chunks: How many chunks the store holds for it, batches under way included.
        snapshot_bytes: Size of the first chunk.
        tail_bytes: Size of the chunks behind it.
    """

    id: RecordId
    record: Record
    row: RecordRow | None = None
    chunks: int = 0
    snapshot_bytes: int = 0
    tail_bytes: int = 0

    def state(self) -> RecordRow:
        """Return the index row as the record is now."""
        record = self.record
        return RecordRow(self.id, record.collection, record.name, record.deleted, record.heads)

    @property
    def is_crowded(self) -> bool:
        """Whether its chunks should be folded into a snapshot."""
        tail_bytes_max = max(FOLD_BYTES_MIN, 2 * self.snapshot_bytes)
        return self.chunks >= CHUNKS_BEFORE_FOLD or self.tail_bytes > tail_bytes_max

    def write(self, changes: bytes) -> RecordWrite:
        """Return what makes the present state durable.

        Args:
            changes: The chunks that came since the last write.
        """
        self.row = self.state()
        if self.chunks == 0:
            return self._replace(self.row, changes)
        self.chunks += 1
        self.tail_bytes += len(changes)
        return RecordWrite(self.row, changes, replaces=False)

    def fold(self) -> RecordWrite:
        """Return what puts one chunk in the place of all, after a proof that it is the same.

        Raises:
            CrdtError: It is not, or cannot be told; nothing is different then.
        """
        assert self.row is not None, "only what the store holds is folded"
        return self._replace(self.row, self.record.snapshot())

    def _replace(self, row: RecordRow, whole: bytes) -> RecordWrite:
        self.chunks, self.snapshot_bytes, self.tail_bytes = 1, len(whole), 0
        return RecordWrite(row, whole, replaces=True)


def replica_of(actor: AuthorId, stored: StoredRecord) -> Replica:
    """Load a record from its chunks, strictly.

    Raises:
        CrdtError: The chunks do not make the heads that the index states.
    """
    row, chunks = stored.row, stored.chunks
    return Replica(
        id=row.id,
        record=Record.load(actor, chunks, row.heads),
        row=row,
        chunks=len(chunks),
        snapshot_bytes=len(chunks[0]),
        tail_bytes=sum(len(chunk) for chunk in chunks[1:]),
    )


class Replicas:
    """The loaded records, least recently used first."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[RecordId, Replica] = OrderedDict()

    def __contains__(self, record: RecordId) -> bool:
        return record in self._loaded

    def __iter__(self) -> Iterator[RecordId]:
        return iter(self._loaded)

    def get(self, record: RecordId) -> Replica | None:
        """Return a loaded record and count it as used, or None."""
        replica = self._loaded.get(record)
        if replica is not None:
            self._loaded.move_to_end(record)
        return replica

    def put(self, replica: Replica) -> None:
        """Keep a record."""
        self._loaded[replica.id] = replica
        self._loaded.move_to_end(replica.id)

    def clear(self) -> None:
        """Forget everything; the store has it."""
        self._loaded.clear()

    def drop(self, records: Iterable[RecordId]) -> None:
        """Forget some records, so that the store is asked for them again."""
        for record in records:
            self._loaded.pop(record, None)

    def trim(self, pinned: Iterable[RecordId]) -> None:
        """Forget the least recently used records beyond the bound, but none that is pinned."""
        surplus = len(self._loaded) - RECORDS_CACHED_MAX
        if surplus <= 0:
            return
        kept = frozenset(pinned)
        for record in list(islice((r for r in self._loaded if r not in kept), surplus)):
            del self._loaded[record]
