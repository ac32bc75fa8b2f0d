"""The one way in which the vault changes: jobs, one after the other.

A job is local edits, entries or snapshots from a peer, or membership operations. It loads what it
refers to, is staged in memory, and is persisted; the next one is staged meanwhile, so that the
processor and the disk work at the same time. At most one batch is at the store: if it fails, the
one staged behind it is thrown away too, the replicas are dropped, and the store's word counts
again. Plain batches that failed are kept, in their order, until they are tried again, and nothing
that is judged by what they say becomes durable before them: a store never holds an entry whose
author, or whose author's removal, a crash could make it forget.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import assert_never

from p2pvault.core.at_once import AtOnceJob, EraseJob, InterestJob, PlainJob, staged_at_once
from p2pvault.core.commit import Commit
from p2pvault.core.content import CLOSED, JOURNAL, JOURNAL_BYTES, Content, closing
from p2pvault.core.folding import FoldJob, fold
from p2pvault.core.intake import Intake, Rules, records_of
from p2pvault.core.io import (
    BranchLoaded,
    LoadBranch,
    LoadRecords,
    Persist,
    RecordsLoaded,
    Result,
)
from p2pvault.core.jobs import (
    EditJob,
    Job,
    RecordJob,
    RetractJob,
    alone,
    came_over,
    contested_of,
    edits_of,
    entries_of,
    fetched_bytes_of,
    follows_plain,
    is_whole,
    link_of,
    named_by,
    one_by_one,
    received_bytes_of,
    repaired_by,
    restored_by,
    rows_of,
    snapshots_of,
)
from p2pvault.core.lookup import Lookup
from p2pvault.core.portions import Portions
from p2pvault.core.quarantine import LiftJob, ReleaseJob, SettleJob
from p2pvault.core.queue import Queue
from p2pvault.core.recount import RecountJob
from p2pvault.core.repaying import Repaying
from p2pvault.core.replica import Replicas
from p2pvault.core.restore import Restore
from p2pvault.core.retraction import Branch, Retraction, branch_of
from p2pvault.core.selector import IdPrefix, Path
from p2pvault.core.settling import Settling
from p2pvault.core.staging import Staged, Staging
from p2pvault.core.steps import Circumstances, Done, Failed, Step
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import CrdtError, LimitExceeded, MissingChanges, Refused, VaultError
from p2pvault.limits import JOURNALS_PER_DEVICE_MAX
from p2pvault.protocol.journal import Writer, decode_entry
from p2pvault.types import (
    AuthorId,
    Doubt,
    JournalId,
    LinkId,
    RecordId,
)


@dataclass(frozen=True, slots=True)
class _Loading:
    """Jobs that wait for their records, and what was under way when the store was asked."""

    load: int
    jobs: tuple[RecordJob, ...]
    made: tuple[tuple[str, RecordId], ...]
    branch: Branch | None = None
    portions: Portions | None = None


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
        self._jobs = Queue()
        self._loading: _Loading | None = None
        self._waiting: _Prepared | None = None
        self._persisting: _Prepared | None = None
        self._spoiled = False
        self._serial = 0
        self._unsaved: dict[str, bytes | None] = {}

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

    def may_write(self, *, gone: Set[AuthorId] = frozenset()) -> bool:
        """Tell whether peers take what is written next.

        Args:
            gone: Journals that lose their ends before, and are not gone on with.
        """
        goes_on = self.author in self._newest.journals and self.author not in gone
        return goes_on or self.journals < JOURNALS_PER_DEVICE_MAX

    @property
    def journals(self) -> int:
        """In how many journals this device ever wrote, as peers count."""
        owners = self._newest.devices.values()
        return sum(owner == self._writer.journal.device for owner in owners)

    def renew(self, doubt: Doubt) -> Step:
        """Write in a new journal from here on; nothing more is staged in the old one.

        The id of the new one is durable with the first batch that follows.
        """
        if self._waiting is not None:
            self._jobs.put_back(self._waiting.jobs)
            self._waiting = None
        under_way = self._persisting
        self._newest = self.durable if under_way is None else under_way.done.staged.content
        self._unsaved |= closing(doubt, self.author, self._newest.journals.get(self.author))
        self._draw_journal()
        self._spoiled = True
        return self._advance(Step())

    def _draw_journal(self) -> None:
        journal = JournalId(self._entropy(JOURNAL_BYTES))
        self._writer = replace(self._writer, journal=replace(self._writer.journal, id=journal))
        self._unsaved[JOURNAL] = journal

    def submit(self, *jobs: Job) -> Step:
        """Add jobs at the end."""
        self._jobs.add(jobs)
        return self._advance(Step())

    def retry(self) -> Step:
        """Try plain jobs again that failed, and those that wait behind them."""
        self._jobs.retry()
        return self._advance(Step())

    def loaded(self, answer: RecordsLoaded, around: Circumstances) -> Step:
        """Stage the jobs whose records have been loaded, once the engine has them as well."""
        loading = self._loading
        assert loading is not None, "one load at a time"
        assert loading.load == answer.load, "the answer belongs to the load under way"
        portions, step = loading.portions or Portions(answer), Step()
        if self._goes_on(loading) and portions.load_next(self.author, self._replicas):
            self._loading = replace(loading, portions=portions)
            # Nothing is read for it; it brings us back behind whatever else waits.
            return self._advance(Step([LoadRecords(loading.load, (), (), ())]))
        self._loading = None
        if self._spoiled:
            self._jobs.put_back(loading.jobs)
        elif loading.jobs:
            self._stage(loading, portions.answer, around, step)
        return self._advance(step)

    def _goes_on(self, loading: _Loading) -> bool:
        """Whether records are loaded for a batch; a retraction drops what is loaded."""
        return bool(loading.jobs) and not self._spoiled and loading.branch is None

    def abandon(self, link: LinkId) -> None:
        """Drop what came over a link and is not staged: a job before it on that link failed.

        What follows may build on what was lost, and the peer sends all of it again.
        """
        self._jobs.withdraw(lambda job: came_over(job, link))
        if self._loading is not None:
            kept = tuple(job for job in self._loading.jobs if not came_over(job, link))
            self._loading = replace(self._loading, jobs=kept)

    def branch_loaded(self, answer: BranchLoaded) -> Step:
        """Find out what goes with a branch, and load the records that it is in."""
        loading = self._loading
        assert loading is not None, "one load at a time"
        assert loading.load == answer.load, "the answer belongs to the load under way"
        (job,) = loading.jobs
        assert isinstance(job, RetractJob), "only a retraction asks for a branch"
        if answer.entries is None:
            return self.load_failed(LimitExceeded("the branch is too long to be taken out"))
        try:
            branch = branch_of(answer.entries, job.author, job.n, self._writer.journal.vault)
        except VaultError as error:
            return self.load_failed(error)
        if branch.outside - self._newest.interest.forgotten:
            return self.load_failed(MissingChanges("only the header of an entry of it is here"))
        if not any((cut.author, cut.n) == (job.author, job.n - 1) for cut in branch.cuts):
            return self.load_failed(Refused("the beginning of the branch is not kept any more"))
        if not self.may_write(gone={cut.author for cut in branch.cuts}):
            return self.load_failed(Refused("peers do not take the journal that this would begin"))
        self._loading = replace(loading, branch=branch)
        return Step([LoadRecords(loading.load, branch.records, (), ())])

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
        saved = prepared.done.staged.batch.meta
        self._unsaved = {k: v for k, v in self._unsaved.items() if saved.get(k, b"") != v}
        self._replicas.trim(self._pinned())
        return self._advance(Step(done=prepared.done))

    def persist_failed(self, batch: int, error: VaultError) -> Step:
        """Go back to what is durable; every job under way has failed with the batch."""
        prepared, self._persisting = self._persisting, None
        assert prepared is not None, "one batch at a time"
        assert prepared.id == batch, "the batch that failed is the one under way"
        lost = [*prepared.jobs, *(self._waiting.jobs if self._waiting else ())]
        if any(isinstance(job, PlainJob) for job in lost):
            lost += self._withdraw()
        self._jobs.hold(lost)
        self._waiting = None
        self._newest = self.durable
        self._spoiled = True
        return self._advance(Step(failed=[Failed(job, error) for job in lost]))

    def _withdraw(self) -> list[Job]:
        """Take back what may build on a plain job that was lost, or is judged by what it says."""
        queued = self._jobs.withdraw(follows_plain)
        if self._loading is None:
            return queued
        loading = self._loading.jobs
        self._loading = replace(
            self._loading, jobs=tuple(job for job in loading if not follows_plain(job))
        )
        return [*(job for job in loading if follows_plain(job)), *queued]

    # Getting on ------------------------------------------------------------------------

    def _advance(self, step: Step) -> Step:
        if self._persisting is None and self._waiting is not None:
            self._persisting, self._waiting = self._waiting, None
            step.effects.append(Persist(self._persisting.id, self._persisting.done.staged.batch))
        if self._spoiled and self._persisting is None and self._loading is None:
            self._replicas.clear()
            self._spoiled = False
        if self._jobs and not self._is_busy:
            self._begin(step)
        return step

    @property
    def _is_busy(self) -> bool:
        """Whether nothing can be begun: what is being erased is still there for readers."""
        done = None if self._persisting is None else self._persisting.done
        erases = done is not None and (done.retracted is not None or done.erased)
        return self._loading is not None or self._waiting is not None or self._spoiled or erases

    def _begin(self, step: Step) -> None:
        first = self._jobs.take()
        if isinstance(first, AtOnceJob):
            self._prepare(self._at_once(first), (first,))
            self._advance(step)
            return
        if isinstance(first, RetractJob):
            self._begin_retraction(first, step)
            return
        jobs = (first, *self._jobs.take_companions(first))
        # A snapshot comes where the store may be damaged, so its word counts and not the cache's.
        self._replicas.drop(set(restored_by(jobs)) - self._pinned())
        self._serial += 1
        self._loading = _Loading(self._serial, jobs, tuple(self._made()))
        step.effects.append(self._load_for(jobs))

    def _begin_retraction(self, job: RetractJob, step: Step) -> None:
        """Ask for the branch once nothing is under way that could still add to it."""
        if self._persisting is not None:
            self._jobs.put_back([job])
            return
        self._serial += 1
        self._loading = _Loading(self._serial, (job,), ())
        step.effects.append(LoadBranch(self._serial, job.author, job.n))

    def _load_for(self, jobs: Sequence[RecordJob]) -> LoadRecords:
        selectors = [wish.selector for job in edits_of(jobs) for wish in job.wishes]
        paths = {(s.collection, s.name): None for s in selectors if isinstance(s, Path)}
        prefixes = {s.digits: None for s in selectors if isinstance(s, IdPrefix)}
        quarantined = rows_of(jobs)
        touched = dict.fromkeys([*records_of(entries_of(jobs)), *named_by(jobs)])
        ids = tuple(record for record in touched if record not in self._replicas)
        positions = tuple(row.position for row in quarantined)
        return LoadRecords(self._serial, ids, tuple(paths), tuple(prefixes), positions)

    # Staging ---------------------------------------------------------------------------

    def _stage(
        self, loading: _Loading, answer: RecordsLoaded, around: Circumstances, step: Step
    ) -> None:
        if loading.branch is not None:
            self._stage_retraction(loading, loading.branch, answer, around, step)
            return
        actor = self._writer.journal.author
        staging = Staging(self._newest, self._replicas, self._fingerprint_key)
        lookup = Lookup(actor, self._replicas, answer.records, loading.made)
        try:
            answers = self._work(loading.jobs, answer, around, staging, lookup)
            staged = staging.finish(watched=self.watched)
        except VaultError as error:
            self._spoil(loading.jobs, error, step)
            return
        jobs = loading.jobs
        done = Done(
            staged,
            answers,
            link_of(jobs),
            staged.entries if entries_of(jobs) else (),
            received_bytes=received_bytes_of(jobs),
            restored=repaired_by(jobs),
            fetched_bytes=fetched_bytes_of(jobs),
            retried=sum(isinstance(job, ReleaseJob | LiftJob) for job in jobs),
            judged_by=(around.membership, around.certain),
        )
        self._prepare(done, jobs)

    def _stage_retraction(
        self,
        loading: _Loading,
        branch: Branch,
        answer: RecordsLoaded,
        around: Circumstances,
        step: Step,
    ) -> None:
        (job,) = loading.jobs
        assert isinstance(job, RetractJob), "only a retraction has a branch"
        if any(cut.author == self.author for cut in branch.cuts):
            self._draw_journal()
        self._replicas.clear()
        staging = Staging(self._newest, self._replicas, self._fingerprint_key)
        lookup = Lookup(self.author, self._replicas, answer.records, ())
        commit = Commit(staging, lookup, self._writer, self._entropy)
        try:
            Retraction(branch, staging, lookup, commit, job.held).carry_out(around.now)
            commit.seal(around.now, around.heads)
            staged = staging.finish(watched=False)
        except VaultError as error:
            self._spoil(loading.jobs, error, step)
            return
        done = Done(staged, retracted=job.author).saving({CLOSED + job.author.hex(): None})
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
        judges = around.membership, around.certain
        rules = Rules(*judges, contested_of(jobs), whole=is_whole(jobs))
        intake = Intake(staging, lookup, actor, rules)
        held = [decode_entry(each.data, vault) for each in answer.quarantined]
        answers: list[tuple[int, Result]] = []
        intake.take(entries_of(jobs), around.now.wall_ms)
        Restore(staging, lookup, actor).take(snapshots_of(jobs))
        if self.may_write():
            Repaying(staging, lookup, commit).repay(restored_by(jobs))
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
        """Throw a staging away. Alone, the job failed; in company, each is tried by itself.

        So are entries that the engine refused, since those before the bad one may be good.
        """
        self._spoiled = True
        parts = [alone(job) for job in jobs]
        if len(jobs) == 1 and isinstance(error, CrdtError):
            parts = one_by_one(jobs[0])
        if len(parts) > 1:
            self._jobs.put_back(parts)
        else:
            step.failed.append(Failed(jobs[0], error))

    def _at_once(self, job: AtOnceJob) -> Done:
        staged = staged_at_once(self._newest, job, self._fingerprint_key)
        match job:
            case PlainJob(name):
                return Done(staged, plain=name)
            case RecountJob(link=link, request=request):
                answers = () if request is None else ((request, ()),)
                return Done(staged, answers, link, recounted=len(staged.batch.fingerprints))
            case InterestJob(request=request):
                answers = () if request is None else ((request, ()),)
                return Done(staged, answers, interest=True)
            case EraseJob():
                self._replicas.drop(staged.batch.erased)
                return Done(staged, erased=True)
            case _:
                assert_never(job)

    def _prepare(self, done: Done, jobs: tuple[Job, ...]) -> None:
        self._serial += 1
        self._newest = done.staged.content
        self._waiting = _Prepared(self._serial, done.saving(self._unsaved), jobs)

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
