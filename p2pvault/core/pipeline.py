"""The one way in which the vault changes: jobs, one after the other.

A job is local edits, entries or snapshots from a peer, or membership operations. It loads what it
refers to, is staged in memory, and is persisted; the next one is staged meanwhile, so that the
processor and the disk work at the same time. At most one batch is at the store: if it fails, the
one staged behind it is thrown away too, the replicas are dropped, and the store's word counts
again.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from p2pvault.core.commit import Commit, Wish
from p2pvault.core.content import Content, after
from p2pvault.core.intake import Intake, records_of
from p2pvault.core.io import (
    Edited,
    Effect,
    LoadRecords,
    Persist,
    RecordsLoaded,
)
from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replicas
from p2pvault.core.restore import Restore, SnapshotsJob
from p2pvault.core.selector import IdPrefix, Path
from p2pvault.core.staging import Staged, Staging
from p2pvault.crdt.prefilter import weigh
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import LimitExceeded, VaultError
from p2pvault.limits import EDIT_RECORDS_MAX, ENTRY_CHANGES_MAX, ENTRY_OPERATIONS_MAX
from p2pvault.protocol.journal import Entry, Writer
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import AuthorId, Batch, Instant, LinkId, OperationHash, RecordId


@dataclass(frozen=True, slots=True)
class EditJob:
    """One local request; `alone` keeps it out of other jobs' batches."""

    request: int
    wishes: tuple[Wish, ...]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class EntriesJob:
    """Entries that came over one link.

    Attributes:
        link: Which.
        entries: In the order of their arrival there.
        alone: Keeps them out of other jobs' batches.
        operations: How much work they are; see `paced`.
    """

    link: LinkId
    entries: tuple[Entry, ...]
    alone: bool = False
    operations: int = 0


@dataclass(frozen=True, slots=True)
class FoldJob:
    """Records whose chunks become one; nothing that they hold changes."""

    records: tuple[RecordId, ...]
    alone: bool = True


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A batch that needs no record: membership operations, keys, addresses, dropped entries.

    Attributes:
        name: What the device recognises it by when it is durable.
        batch: What to persist.
    """

    name: int
    batch: Batch


RecordJob = EditJob | EntriesJob | SnapshotsJob | FoldJob
Job = RecordJob | PlainJob


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a staging needs to know besides the vault's content."""

    now: Instant
    membership: Membership
    heads: tuple[OperationHash, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A durable batch and what it was for.

    Attributes:
        staged: The batch and what it leads to.
        answers: The local requests in it, each with its edits.
        link: The link whose entries or snapshots are in it.
        received_bytes: Size of those, passed-over ones included.
        snapshot_bytes: The part of it that is snapshots.
        plain: The name of the plain job in it.
    """

    staged: Staged
    answers: tuple[tuple[int, tuple[Edited, ...]], ...] = ()
    link: LinkId | None = None
    received_bytes: int = 0
    snapshot_bytes: int = 0
    plain: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that came to nothing, and why."""

    job: Job
    error: VaultError


@dataclass(slots=True)
class Step:
    """What one input to the pipeline led to."""

    effects: list[Effect] = field(default_factory=list)
    done: Done | None = None
    failed: list[Failed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Loading:
    """Jobs that wait for their records, and what was under way when the store was asked."""

    load: int
    jobs: tuple[RecordJob, ...]
    made: tuple[tuple[str, RecordId], ...]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A staged batch and the jobs in it."""

    id: int
    done: Done
    jobs: tuple[Job, ...]


class Pipeline:
    """Runs jobs against the vault's content.

    Attributes:
        durable: What the device holds and may say so.
        watched: Whether to work out changes for watchers.
    """

    def __init__(
        self, content: Content, writer: Writer, fingerprint_key: bytes, entropy: Entropy
    ) -> None:
        self.durable = content
        self.watched = False
        self._newest = content
        self._writer = writer
        self._fingerprint_key = fingerprint_key
        self._entropy = entropy
        self._replicas = Replicas()
        self._jobs: deque[Job] = deque()
        self._loading: _Loading | None = None
        self._waiting: _Prepared | None = None
        self._persisting: _Prepared | None = None
        self._spoiled = False
        self._serial = 0

    @property
    def author(self) -> AuthorId:
        """Whom this device writes as."""
        return self._writer.journal.author

    @property
    def newest(self) -> Content:
        """What the device will hold once every batch under way is durable."""
        return self._newest

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        under_way = self._loading or self._waiting or self._persisting
        return under_way is None and not self._jobs

    @property
    def backlog(self) -> int:
        """Number of jobs that are not staged yet."""
        return len(self._jobs) + (len(self._loading.jobs) if self._loading else 0)

    def submit(self, job: Job) -> Step:
        """Add a job at the end."""
        self._jobs.append(job)
        return self._advance(Step())

    def loaded(self, answer: RecordsLoaded, around: Circumstances) -> Step:
        """Stage the jobs whose records have been loaded."""
        loading, self._loading = self._loading, None
        assert loading is not None, "one load at a time"
        assert loading.load == answer.load, "the answer belongs to the load under way"
        step = Step()
        if self._spoiled:
            self._jobs.extendleft(reversed(loading.jobs))
        else:
            self._stage(loading, answer, around, step)
        return self._advance(step)

    def load_failed(self, error: VaultError) -> Step:
        """Give up the jobs that waited for a load."""
        loading, self._loading = self._loading, None
        assert loading is not None, "one load at a time"
        return self._advance(Step(failed=[Failed(job, error) for job in loading.jobs]))

    def persisted(self, batch: int) -> Step:
        """Take note that a batch is durable, and go on."""
        prepared, self._persisting = self._persisting, None
        assert prepared is not None, "one batch at a time"
        assert prepared.id == batch, "the batch that was persisted is the one under way"
        self.durable = prepared.done.staged.content
        self._replicas.trim(self._pinned())
        return self._advance(Step(done=prepared.done))

    def persist_failed(self, batch: int, error: VaultError) -> Step:
        """Go back to what is durable; every job under way has failed with the batch."""
        prepared, self._persisting = self._persisting, None
        assert prepared is not None, "one batch at a time"
        assert prepared.id == batch, "the batch that failed is the one under way"
        lost = [*prepared.jobs, *(self._waiting.jobs if self._waiting else ())]
        if any(isinstance(job, PlainJob) for job in lost):
            lost += self._withdraw_plain()
        self._waiting = None
        self._newest = self.durable
        self._spoiled = True
        return self._advance(Step(failed=[Failed(job, error) for job in lost]))

    def _withdraw_plain(self) -> list[Job]:
        """Take back the plain jobs in the queue: they may build on one that was lost."""
        plain = [job for job in self._jobs if isinstance(job, PlainJob)]
        self._jobs = deque(job for job in self._jobs if not isinstance(job, PlainJob))
        return list(plain)

    # Getting on ------------------------------------------------------------------------

    def _advance(self, step: Step) -> Step:
        if self._persisting is None and self._waiting is not None:
            self._persisting, self._waiting = self._waiting, None
            step.effects.append(Persist(self._persisting.id, self._persisting.done.staged.batch))
        if self._spoiled and self._persisting is None and self._loading is None:
            self._replicas.clear()
            self._spoiled = False
        if self._loading is None and self._waiting is None and not self._spoiled and self._jobs:
            self._begin(step)
        return step

    def _begin(self, step: Step) -> None:
        first = self._jobs.popleft()
        if isinstance(first, PlainJob):
            self._prepare(Done(self._plain(first), plain=first.name), (first,))
            self._advance(step)
            return
        jobs = (first, *self._companions(first))
        self._serial += 1
        self._loading = _Loading(self._serial, jobs, tuple(self._made()))
        step.effects.append(self._load_for(jobs))

    def _companions(self, first: RecordJob) -> list[RecordJob]:
        """Return the jobs right behind that go into the same batch: fewer, larger commits."""
        room = EDIT_RECORDS_MAX if isinstance(first, EditJob) else ENTRY_CHANGES_MAX
        room -= _size(first)
        operations = ENTRY_OPERATIONS_MAX - _operations(first)
        companions: list[RecordJob] = []
        while self._jobs:
            companion = self._jobs[0]
            operations -= _operations(companion)
            if not _goes_with(companion, first) or _size(companion) > room or operations < 0:
                break
            self._jobs.popleft()
            companions.append(companion)
            room -= _size(companion)
        return companions

    def _load_for(self, jobs: Sequence[RecordJob]) -> LoadRecords:
        selectors = [wish.selector for job in _edits(jobs) for wish in job.wishes]
        paths = {(s.collection, s.name): None for s in selectors if isinstance(s, Path)}
        prefixes = {s.digits: None for s in selectors if isinstance(s, IdPrefix)}
        wanted = dict.fromkeys([*records_of(_entries(jobs)), *_named(jobs)])
        ids = tuple(record for record in wanted if record not in self._replicas)
        return LoadRecords(self._serial, ids, tuple(paths), tuple(prefixes))

    # Staging ---------------------------------------------------------------------------

    def _stage(
        self, loading: _Loading, answer: RecordsLoaded, around: Circumstances, step: Step
    ) -> None:
        actor = self._writer.journal.author
        staging = Staging(self._newest, self._replicas, self._fingerprint_key)
        lookup = Lookup(actor, self._replicas, answer.records, loading.made)
        commit = Commit(staging, lookup, self._writer, self._entropy)
        try:
            Intake(staging, lookup, actor).take(_entries(loading.jobs), around.membership)
            Restore(staging, lookup, actor).take(_snapshots(loading.jobs))
            answers = tuple(_answer(commit, around.now, job) for job in _edits(loading.jobs))
            commit.seal(around.now, around.heads)
            _fold(loading.jobs, staging, lookup)
            staged = staging.finish(watched=self.watched)
        except VaultError as error:
            self._spoil(loading.jobs, error, step)
            return
        snapshot_bytes = sum(job.received_bytes for job in _snapshots(loading.jobs))
        received_bytes = snapshot_bytes + sum(len(e.data) for e in _entries(loading.jobs))
        done = Done(staged, answers, _link(loading.jobs), received_bytes, snapshot_bytes)
        self._prepare(done, loading.jobs)

    def _spoil(self, jobs: Sequence[RecordJob], error: VaultError, step: Step) -> None:
        """Throw a staging away. Alone, the job failed; in company, each is tried by itself."""
        self._spoiled = True
        if len(jobs) > 1:
            self._jobs.extendleft(replace(job, alone=True) for job in reversed(jobs))
        else:
            step.failed.append(Failed(jobs[0], error))

    def _plain(self, job: PlainJob) -> Staged:
        return Staged(job.batch, after(self._newest, job.batch), (), (), frozenset(), ())

    def _prepare(self, done: Done, jobs: tuple[Job, ...]) -> None:
        self._serial += 1
        self._newest = done.staged.content
        self._waiting = _Prepared(self._serial, done, jobs)

    def _under_way(self) -> list[Staged]:
        prepared = [self._persisting, self._waiting]
        return [each.done.staged for each in prepared if each is not None]

    def _pinned(self) -> set[RecordId]:
        pinned = {record for staged in self._under_way() for record in staged.touched}
        if self._loading is not None:
            pinned |= set(self._replicas)
        return pinned

    def _made(self) -> list[tuple[str, RecordId]]:
        return [pair for staged in self._under_way() for pair in staged.made]


def _size(job: RecordJob) -> int:
    if isinstance(job, EditJob):
        return len(job.wishes)
    if isinstance(job, SnapshotsJob | FoldJob):
        return len(job.records)
    return sum(len(entry.body.changes) for entry in job.entries)


def _goes_with(other: Job, first: RecordJob) -> TypeGuard[RecordJob]:
    if isinstance(other, PlainJob | FoldJob) or isinstance(first, FoldJob):
        return False
    if first.alone or other.alone or type(other) is not type(first):
        return False
    return isinstance(first, EditJob) or _link((other,)) == first.link


def _edits(jobs: Sequence[RecordJob]) -> list[EditJob]:
    return [job for job in jobs if isinstance(job, EditJob)]


def _entries(jobs: Sequence[RecordJob]) -> list[Entry]:
    return [entry for job in jobs if isinstance(job, EntriesJob) for entry in job.entries]


def _snapshots(jobs: Sequence[RecordJob]) -> list[SnapshotsJob]:
    return [job for job in jobs if isinstance(job, SnapshotsJob)]


def _named(jobs: Sequence[RecordJob]) -> list[RecordId]:
    """Return the records that snapshots are of, and those to fold."""
    snapshots = [record for job in _snapshots(jobs) for record, _ in job.records]
    return snapshots + [r for job in jobs if isinstance(job, FoldJob) for r in job.records]


def _fold(jobs: Sequence[RecordJob], staging: Staging, lookup: Lookup) -> None:
    for record in (record for job in jobs if isinstance(job, FoldJob) for record in job.records):
        replica = lookup.replica(record)
        assert replica is not None, "a record that was there once stays"
        staging.fold(replica)


def _link(jobs: Sequence[RecordJob]) -> LinkId | None:
    return next((job.link for job in jobs if not isinstance(job, EditJob | FoldJob)), None)


def _answer(commit: Commit, now: Instant, job: EditJob) -> tuple[int, tuple[Edited, ...]]:
    return job.request, tuple(commit.edit(now, wish) for wish in job.wishes)


def _operations(job: Job) -> int:
    return job.operations if isinstance(job, EntriesJob | SnapshotsJob) else 0


def paced(job: EntriesJob) -> list[EntriesJob]:
    """Cut a job into parts that are little enough work to be done in one go.

    Raises:
        LimitExceeded: One entry has more operations than an entry may have.
        ChangeRefused: A change does not say how many it has, or says too many.
    """
    parts: list[EntriesJob] = []
    for entry in job.entries:
        operations = sum(weigh(change) for _, change in entry.body.changes)
        if operations > ENTRY_OPERATIONS_MAX:
            raise LimitExceeded(f"an entry of {operations} operations")
        if parts and parts[-1].operations + operations <= ENTRY_OPERATIONS_MAX:
            whole, operations = (*parts[-1].entries, entry), parts[-1].operations + operations
            parts[-1] = replace(parts[-1], entries=whole, operations=operations)
        else:
            parts.append(replace(job, entries=(entry,), operations=operations))
    return parts
