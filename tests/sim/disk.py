"""A store that keeps what fsync promised: a batch is there as a whole once it is, or not at all.

It also keeps book of its own of what it holds, so that the proofs of the devices can be compared
with something that they had no hand in.
"""

from bisect import bisect_right
from collections.abc import Callable

from harness.memory_store import MemoryStore
from p2pvault.core.interest import INTEREST, Interest, interest_of
from p2pvault.types import AuthorId, Batch, StoredEntry
from sim.truth import Past, Truth, truth_after


class Disk(MemoryStore):
    """A store of one simulated device.

    Attributes:
        truth: What records hold, in numbers.
        past: All that this ever was.
        interest: What its device keeps, as far as it is durable.
        watch: Called with every batch that is about to become durable.
    """

    def __init__(self, watch: Callable[["Disk", Batch], None]) -> None:
        super().__init__()
        self.truth: Truth = {}
        self.past = Past()
        self.interest = Interest()
        self.watch = watch

    def persist(self, batch: Batch) -> None:
        self.watch(self, batch)
        touched = {*batch.erased, *(write.row.id for write in batch.records)}
        before = [record.row for record in self.records([*touched])]
        super().persist(batch)
        after = [record.row for record in self.records([*touched])]
        if INTEREST in batch.meta:
            self.interest = interest_of(self._meta)
            self.past.forgotten |= self.interest.forgotten
        truth = truth_after(self.truth, before, after)
        if truth is not self.truth:
            self.truth = truth
            self.past.add(truth)

    def copy(self) -> "Disk":
        """Return what a backup of this moment holds."""
        twin = Disk(self.watch)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set):
                setattr(twin, name, value.copy())
        twin.truth = self.truth
        twin.past = self.past.copy()
        twin.interest = self.interest
        return twin

    def last_of(self, author: AuthorId) -> int:
        """Return the number of the last entry of a journal that it holds, 0 if there is none."""
        head = self._journals.get(author)
        return head.n if head is not None else 0

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
