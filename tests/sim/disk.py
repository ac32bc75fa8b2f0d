"""A store that keeps what fsync promised: a batch is there as a whole once it is, or not at all.

It also keeps book of its own of what it holds, so that the proofs of the devices can be compared
with something that they had no hand in.
"""

from bisect import bisect_right
from collections.abc import Callable

from harness.memory_store import MemoryStore
from p2pvault.crypto.hashing import digest
from p2pvault.types import Batch, RecordRow, StoredEntry

_MODULUS = 2**128


class Disk(MemoryStore):
    """A store of one simulated device.

    Attributes:
        truth: A number that follows from what records hold, and from nothing else.
        truths: Every such number that was ever true here.
        written: Called with every batch that became durable.
    """

    def __init__(self, written: Callable[["Disk", Batch], None]) -> None:
        super().__init__()
        self.truth = 0
        self.truths = {0}
        self.written = written

    def persist(self, batch: Batch) -> None:
        before = [self._records.get(write.row.id) for write in batch.records]
        super().persist(batch)
        for old, write in zip(before, batch.records, strict=True):
            self.truth += truth_of(write.row) - (truth_of(old.row) if old is not None else 0)
        self.truth %= _MODULUS
        self.truths.add(self.truth)
        self.written(self, batch)

    def entries(self, after_arrival: int, bytes_max: int) -> list[StoredEntry]:
        """Answer as the store in memory does, without looking at what was before."""
        start = bisect_right(self._entries, after_arrival, key=lambda entry: entry.arrival)
        found: list[StoredEntry] = []
        room_bytes = bytes_max
        for entry in self._entries[start:]:
            room_bytes -= len(entry.data)
            if found and room_bytes < 0:
                break
            found.append(entry)
        return found

    def all_entries(self) -> list[StoredEntry]:
        """Return the whole log."""
        return self._entries


def truth_of(row: RecordRow) -> int:
    """Return one record's part of the truth."""
    return int.from_bytes(digest(b"truth", row.id, *row.heads)[:16], "big")
