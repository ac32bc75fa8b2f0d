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
from p2pvault.core.folding import FoldJob, fold
from p2pvault.core.intake import Intake, records_of
from p2pvault.core.io import (
    Effect,
    LoadRecords,
    Persist,
    RecordsLoaded,
    Result,
)
from p2pvault.core.lookup import Lookup
from p2pvault.core.quarantine import LiftJob, ReleaseJob, SettleJob
from p2pvault.core.replica import Replicas
from p2pvault.core.restore import Restore, SnapshotsJob
from p2pvault.core.selector import IdPrefix, Path
from p2pvault.core.settling import Settling
from p2pvault.core.staging import Staged, Staging
from p2pvault.crdt.prefilter import weigh
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import LimitExceeded, VaultError
from p2pvault.limits import (
    EDIT_RECORDS_MAX,
    ENTRY_CHANGES_MAX,
    ENTRY_OPERATIONS_MAX,
    FEED_BYTES_MAX,
)
from p2pvault.protocol.journal import Entry, Writer, decode_entry
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import (
    AuthorId,
    Batch,
    Instant,
    LinkId,
    OperationHash,
    QuarantinedRow,
    RecordId,
)


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
class PlainJob:
    """A batch that needs no record: membership operations, keys, addresses, dropped entries.

    Attributes:
        name: What the device recognises it by when it is durable.
        batch: What to persist.
    """

    name: int
    batch: Batch


RecordJob = EditJob | EntriesJob | SnapshotsJob | FoldJob | ReleaseJob | LiftJob | SettleJob
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
        answers: The local requests in it, each with what came of it.
        link: The link whose entries or snapshots are in it.
        received_bytes: Size of those, passed-over ones included.
        snapshot_bytes: The part of it that is snapshots.
        plain: The name of the plain job in it.
        retried: How many jobs of the quarantine's own are in it.
        judged_by: What entries were judged by; None where there were none.
    """

    staged: Staged
    answers: tuple[tuple[int, Result], ...] = ()
    link: LinkId | None = None
    received_bytes: int = 0
    snapshot_bytes: int = 0
    plain: int | None = None
    retried: int = 0
    judged_by: Membership | None = None


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

    def submit(self, *jobs: Job) -> Step:
        """Add jobs at the end."""
        self._jobs.extend(jobs)
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
        room_bytes = FEED_BYTES_MAX - _stored_bytes(first)
        companions: list[RecordJob] = []
        while self._jobs:
            companion = self._jobs[0]
            operations -= _operations(companion)
            room_bytes -= _stored_bytes(companion)
            if not _goes_with(companion, first) or _size(companion) > room:
                break
            if operations < 0 or room_bytes < 0:
                break
            self._jobs.popleft()
            companions.append(companion)
            room -= _size(companion)
        return companions

    def _load_for(self, jobs: Sequence[RecordJob]) -> LoadRecords:
        selectors = [wish.selector for job in _edits(jobs) for wish in job.wishes]
        paths = {(s.collection, s.name): None for s in selectors if isinstance(s, Path)}
        prefixes = {s.digits: None for s in selectors if isinstance(s, IdPrefix)}
        quarantined = _rows(jobs)
        wanted = dict.fromkeys([*records_of(_entries(jobs)), *_named(jobs)])
        ids = tuple(record for record in wanted if record not in self._replicas)
        positions = tuple(row.position for row in quarantined)
        return LoadRecords(self._serial, ids, tuple(paths), tuple(prefixes), positions)

    # Staging ---------------------------------------------------------------------------

    def _stage(
        self, loading: _Loading, answer: RecordsLoaded, around: Circumstances, step: Step
    ) -> None:
        actor = self._writer.journal.author
        staging = Staging(self._newest, self._replicas, self._fingerprint_key)
        lookup = Lookup(actor, self._replicas, answer.records, loading.made)
        try:
            answers = self._work(loading.jobs, answer, around, staging, lookup)
            staged = staging.finish(watched=self.watched)
        except VaultError as error:
            self._spoil(loading.jobs, error, step)
            return
        snapshot_bytes = sum(job.received_bytes for job in _snapshots(loading.jobs))
        done = Done(
            staged,
            answers,
            _link(loading.jobs),
            received_bytes=snapshot_bytes + sum(len(e.data) for e in _entries(loading.jobs)),
            snapshot_bytes=snapshot_bytes,
            retried=sum(isinstance(job, ReleaseJob | LiftJob) for job in loading.jobs),
            judged_by=around.membership,
        )
        self._prepare(done, loading.jobs)

    def _work(
        self,
        jobs: Sequence[RecordJob],
        answer: RecordsLoaded,
        around: Circumstances,
        staging: Staging,
        lookup: Lookup,
    ) -> tuple[tuple[int, Result], ...]:
        """Do jobs of one kind on a staging; return the answers to the local requests among them."""
        actor, vault = self._writer.journal.author, self._writer.journal.vault
        commit = Commit(staging, lookup, self._writer, self._entropy)
        settling = Settling(staging, lookup, commit, actor)
        intake = Intake(staging, lookup, actor, around.membership)
        held = [decode_entry(each.data, vault) for each in answer.quarantined]
        answers: list[tuple[int, Result]] = []
        intake.take(_entries(jobs), around.now.wall_ms)
        Restore(staging, lookup, actor).take(_snapshots(jobs))
        for job in jobs:
            match job:
                case EditJob(request, wishes):
                    answers.append((request, tuple(commit.edit(around.now, w) for w in wishes)))
                case SettleJob(request, repeat=repeat):
                    settled = settling.settle(around.now, held, repeat=repeat)
                    answers.append((request, settled))
                case LiftJob():
                    staging.lift(around.membership)
                case FoldJob(records):
                    fold(records, staging, lookup)
                case _:
                    pass
        if isinstance(jobs[0], ReleaseJob):
            intake.retry(held)
        commit.seal(around.now, around.heads)
        return tuple(answers)

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
    match job:
        case EditJob(wishes=wishes):
            return len(wishes)
        case EntriesJob(entries=entries):
            return sum(len(entry.body.changes) for entry in entries)
        case ReleaseJob(row):
            return len(row.records)
        case SnapshotsJob(records=records):
            return len(records)
        case _:
            return 0


def _goes_with(other: Job, first: RecordJob) -> TypeGuard[RecordJob]:
    if isinstance(other, PlainJob) or first.alone or other.alone:
        return False
    if isinstance(first, EntriesJob | SnapshotsJob):
        return type(other) is type(first) and _link((other,)) == first.link
    return type(other) is type(first)


def _edits(jobs: Sequence[RecordJob]) -> list[EditJob]:
    return [job for job in jobs if isinstance(job, EditJob)]


def _entries(jobs: Sequence[RecordJob]) -> list[Entry]:
    return [entry for job in jobs if isinstance(job, EntriesJob) for entry in job.entries]


def _snapshots(jobs: Sequence[RecordJob]) -> list[SnapshotsJob]:
    return [job for job in jobs if isinstance(job, SnapshotsJob)]


def _named(jobs: Sequence[RecordJob]) -> list[RecordId]:
    """Return the records that quarantined entries touch, that snapshots are of, and to fold."""
    named = [record for row in _rows(jobs) for record in row.records]
    named += [record for job in _snapshots(jobs) for record, _ in job.records]
    return named + [r for job in jobs if isinstance(job, FoldJob) for r in job.records]


def _link(jobs: Sequence[RecordJob]) -> LinkId | None:
    return next((job.link for job in jobs if isinstance(job, EntriesJob | SnapshotsJob)), None)


def _rows(jobs: Sequence[RecordJob]) -> list[QuarantinedRow]:
    rows: list[QuarantinedRow] = []
    for job in jobs:
        match job:
            case ReleaseJob(row):
                rows.append(row)
            case SettleJob(rows=settled):
                rows += settled
            case _:
                pass
    return rows


def _operations(job: Job) -> int:
    match job:
        case EntriesJob() | SnapshotsJob():
            return job.operations
        case ReleaseJob(QuarantinedRow(operations=operations)):
            return operations
        case _:
            return 0


def _stored_bytes(job: Job) -> int:
    return job.row.size if isinstance(job, ReleaseJob) else 0


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
