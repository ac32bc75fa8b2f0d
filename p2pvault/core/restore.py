"""Record snapshots from a peer become part of a staging: whole records, merged into what is here.

A snapshot is taken only where this device asked for it, and holds only changes by authors whom the
asker expects; both are the asker's business. What is new in it is checked change by change, like
entries are. Where the store's own copy of a record does not load any more, it takes its place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import Change
from p2pvault.crdt.snapshot import Snapshot, merge, restore
from p2pvault.errors import CrdtError
from p2pvault.limits import ENTRY_CHANGES_MAX, ENTRY_WORK_MAX
from p2pvault.protocol.bootstrap import Fetching
from p2pvault.types import AuthorId, DeviceId, LinkId, RecordId, RecordRow


@dataclass(frozen=True, slots=True)
class SnapshotsJob:
    """Record snapshots that were asked for and came over one link.

    Attributes:
        link: Which.
        device: The peer; watchers are told that the changes came from it.
        records: Snapshots that passed the pre-filter, each record once.
        received_bytes: What was counted in `Link.inbound`, taken out when it is durable.
        begins: Of all records of a cut, in the order of their ids: behind which these follow.
        alone: Keeps them out of other jobs' batches.
        lacks: Collections that are not whole where they came from.
    """

    link: LinkId
    device: DeviceId
    records: tuple[tuple[RecordId, Snapshot], ...]
    received_bytes: int
    begins: Fetching | None = None
    alone: bool = False
    lacks: frozenset[str] = frozenset()

    @property
    def work(self) -> int:
        """How much work they are."""
        return sum(snapshot.work for _, snapshot in self.records)


class Restore:
    """Takes snapshots of one peer into a staging."""

    def __init__(self, staging: Staging, lookup: Lookup, actor: AuthorId) -> None:
        self._staging = staging
        self._lookup = lookup
        self._actor = actor

    def take(self, jobs: Iterable[SnapshotsJob]) -> None:
        """Merge snapshots; those that bring nothing new leave no trace.

        Raises:
            CrdtError: One of them is not what it says; the staging is spoiled then.
        """
        for job in jobs:
            for record, snapshot in job.records:
                self._take(record, snapshot, job.device)
            self._staging.note_lacking(job.lacks)
            if job.begins is not None:
                self._staging.fetched(job.begins, job.records[-1][0])

    def _take(self, record: RecordId, snapshot: Snapshot, device: DeviceId) -> None:
        replica = self._sound_replica(record)
        if replica is None:
            self._replace(record, snapshot, device)
            return
        if self._is_forgotten(replica):
            return
        touched = self._staging.touch(replica, device)
        fresh = merge(self._actor, replica.record, snapshot)
        touched.changes.extend(change.chunk for change in fresh)

    def _sound_replica(self, record: RecordId) -> Replica | None:
        try:
            return self._lookup.replica(record)
        except CrdtError:
            return None

    def _is_forgotten(self, replica: Replica) -> bool:
        """Tell whether a record is not kept here, which whoever sent it may not know yet."""
        return replica.record.collection in self._staging.interest.forgotten

    def _replace(self, record: RecordId, snapshot: Snapshot, device: DeviceId) -> None:
        """Take a record that is not here from the snapshot, or one whose copy here is damaged.

        The snapshot may lack changes that are sound here, some of this device among them: their
        numbers would be used again.
        """
        row = self._lookup.stored_row(record)
        replica = Replica(record, restore(self._actor, snapshot), row)
        if self._is_forgotten(replica):
            return
        saved = self._salvaged(replica, row)
        touched = self._staging.touch(replica, device)
        # What the damaged copy's heads were, the new one need not know.
        touched.heads_before = ()
        touched.changes += [snapshot.data, *(change.chunk for change in saved)]

    def _salvaged(self, replica: Replica, row: RecordRow | None) -> Sequence[Change]:
        """Add what is sound of a damaged copy, unless a branch was to be taken out of that."""
        if row is None or replica.id in self._staging.arrears:
            return ()
        saved = self._lookup.salvage(replica.id, replica.record)
        if not replica.record.knows(row.heads):
            self._staging.note_diminished(replica.id)
        return saved


def paced_snapshots(job: SnapshotsJob) -> list[SnapshotsJob]:
    """Cut a job into parts that are little enough work to be done in one go, a record at least."""
    parts: list[list[tuple[RecordId, Snapshot]]] = []
    work = 0
    for record, snapshot in job.records:
        work += snapshot.work
        if not parts or work > ENTRY_WORK_MAX or len(parts[-1]) == ENTRY_CHANGES_MAX:
            parts.append([])
            work = snapshot.work
        parts[-1].append((record, snapshot))
    jobs: list[SnapshotsJob] = []
    begins = job.begins
    for part in parts:
        # The last gives back the bytes of all, since it becomes durable last.
        received_bytes = job.received_bytes if part is parts[-1] else 0
        jobs.append(replace(job, records=tuple(part), received_bytes=received_bytes, begins=begins))
        begins = begins and Fetching(begins.cut, part[-1][0])
    return jobs
