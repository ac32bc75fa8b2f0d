"""The records of a batch are loaded in portions, and others get their turn in between.

A change of a few bytes may be to a record of any size, and an entry has many: the sender bounds
what it writes, and nobody what was there before. So only the time in one go can be bounded here.
"""

from collections import deque

from p2pvault.core.io import RecordsLoaded
from p2pvault.core.replica import Replicas, replica_of
from p2pvault.crdt.snapshot import weigh_stored
from p2pvault.errors import CrdtError
from p2pvault.limits import ENTRY_WORK_MAX
from p2pvault.types import AuthorId, StoredRecord


class Portions:
    """What the store found for a batch.

    Attributes:
        answer: All of it.
    """

    def __init__(self, answer: RecordsLoaded) -> None:
        self.answer = answer
        self._left = deque(answer.records)

    def load_next(self, actor: AuthorId, replicas: Replicas) -> bool:
        """Load records, one at least, unless the rest is little work and is left to the batch.

        Returns:
            Whether a turn of others is due before the batch.
        """
        work = 0
        portion: list[StoredRecord] = []
        while self._left and work <= ENTRY_WORK_MAX:
            portion.append(self._left.popleft())
            work += weigh_stored(portion[-1].chunks)
        if work <= ENTRY_WORK_MAX:
            return False
        for stored in portion:
            _load(stored, actor, replicas)
        return True


def _load(stored: StoredRecord, actor: AuthorId, replicas: Replicas) -> None:
    if stored.row.id in replicas:
        return
    try:
        replica = replica_of(actor, stored)
        # To ask for the history takes as long as to load it, and the changes will.
        replica.record.knows(())
    except CrdtError:
        # The batch finds out by itself, and knows what follows from it.
        return
    replicas.put(replica)
