"""The jobs of the pipeline, and which of them go into one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from p2pvault.core.at_once import AtOnceJob, PlainJob
from p2pvault.core.commit import Wish
from p2pvault.core.folding import FoldJob
from p2pvault.core.quarantine import LiftJob, ReleaseJob, SettleJob
from p2pvault.core.restore import SnapshotsJob, paced_snapshots
from p2pvault.crdt.prefilter import weigh
from p2pvault.errors import LimitExceeded
from p2pvault.limits import MESSAGE_WORK_MAX, WORK_PER_ENTRY
from p2pvault.protocol.journal import Entry
from p2pvault.types import AuthorId, LinkId, QuarantinedRow, RecordId


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
        work: How much they are; see `weigh_entry`.
        contested: The link's contested journals, of which nothing is taken; grows.
        whole: What they build on has to be here: what is missing may be on another branch.
    """

    link: LinkId
    entries: tuple[Entry, ...]
    alone: bool = False
    work: int = 0
    contested: set[AuthorId] = field(default_factory=set)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class RetractJob:
    """Take the end of a journal out of the vault, and repeat what it did in our own.

    Attributes:
        author: The journal.
        n: The first entry that goes.
        held: How far each journal is known to be held by another member, just as here.
        alone: Always: it has a batch of its own.
    """

    author: AuthorId
    n: int
    held: Mapping[AuthorId, int] = field(default_factory=dict)
    alone: bool = True


RecordJob = (
    EditJob | EntriesJob | SnapshotsJob | FoldJob | ReleaseJob | LiftJob | SettleJob | RetractJob
)
Job = RecordJob | AtOnceJob


def alone(job: RecordJob) -> RecordJob:
    """Return the same job, kept out of other jobs' batches."""
    return replace(job, alone=True)


def one_by_one(job: RecordJob) -> list[RecordJob]:
    """Cut entries into jobs of one each."""
    if not isinstance(job, EntriesJob):
        return [job]
    return [replace(job, alone=True, entries=(entry,)) for entry in job.entries]


def contested_of(jobs: Sequence[RecordJob]) -> set[AuthorId]:
    """Return the contested journals of the link that the jobs are of."""
    return next((job.contested for job in jobs if isinstance(job, EntriesJob)), set())


def is_whole(jobs: Sequence[RecordJob]) -> bool:
    """Tell whether entries among the jobs have to find all that they build on."""
    return any(isinstance(job, EntriesJob) and job.whole for job in jobs)


def size_of(job: RecordJob) -> int:
    """Return how many records a job may change."""
    match job:
        case EditJob(wishes=wishes):
            return len(wishes)
        case EntriesJob(entries=entries):
            # A header changes none, and costs as much as an entry that changes one.
            return sum(len(entry.body.changes) or 1 for entry in entries)
        case SnapshotsJob(records=records):
            return len(records)
        case ReleaseJob(row):
            return len(row.records)
        case _:
            return 0


def goes_with(other: Job, first: RecordJob) -> TypeGuard[RecordJob]:
    """Tell whether a job may be in the same batch as the one before it."""
    if isinstance(other, AtOnceJob) or first.alone or other.alone:
        return False
    if isinstance(first, EntriesJob | SnapshotsJob):
        return type(other) is type(first) and came_over(other, first.link)
    return type(other) is type(first)


def came_over(job: Job, link: LinkId) -> bool:
    """Tell whether a job came over a link."""
    return isinstance(job, EntriesJob | SnapshotsJob) and job.link == link


def is_judged(job: Job) -> bool:
    """Tell whether what comes of a job depends on who belongs to the vault."""
    return isinstance(job, EntriesJob | SnapshotsJob | ReleaseJob | LiftJob)


def follows_plain(job: Job) -> bool:
    """Tell whether a job may be worth nothing where a plain job before it was lost."""
    return isinstance(job, PlainJob) or is_judged(job)


def edits_of(jobs: Sequence[RecordJob]) -> list[EditJob]:
    """Return the local edits among jobs."""
    return [job for job in jobs if isinstance(job, EditJob)]


def entries_of(jobs: Sequence[RecordJob]) -> list[Entry]:
    """Return all entries of jobs, in order."""
    return [entry for job in jobs if isinstance(job, EntriesJob) for entry in job.entries]


def snapshots_of(jobs: Sequence[RecordJob]) -> list[SnapshotsJob]:
    """Return the jobs that bring record snapshots."""
    return [job for job in jobs if isinstance(job, SnapshotsJob)]


def restored_by(jobs: Sequence[RecordJob]) -> list[RecordId]:
    """Return the records that come as snapshots."""
    return [record for job in snapshots_of(jobs) for record, _ in job.records]


def named_by(jobs: Sequence[RecordJob]) -> list[RecordId]:
    """Return the records that quarantined entries touch, that snapshots are of, and to fold."""
    named = [record for row in rows_of(jobs) for record in row.records] + restored_by(jobs)
    return named + [r for job in jobs if isinstance(job, FoldJob) for r in job.records]


def repaired_by(jobs: Sequence[RecordJob]) -> int:
    """Return the number of snapshots that a repair asked for; others are of a cut."""
    return sum(len(job.records) for job in snapshots_of(jobs) if job.begins is None)


def fetched_bytes_of(jobs: Sequence[RecordJob]) -> int:
    """Return what was received of a cut."""
    return sum(job.received_bytes for job in snapshots_of(jobs) if job.begins is not None)


def received_bytes_of(jobs: Sequence[RecordJob]) -> int:
    """Return what was received for jobs, as links count it."""
    entries = sum(len(entry.data) for entry in entries_of(jobs))
    return entries + sum(job.received_bytes for job in snapshots_of(jobs))


def link_of(jobs: Sequence[RecordJob]) -> LinkId | None:
    """Return the link that jobs came over."""
    arrived = (job for job in jobs if isinstance(job, EntriesJob | SnapshotsJob))
    return next((job.link for job in arrived), None)


def rows_of(jobs: Sequence[RecordJob]) -> list[QuarantinedRow]:
    """Return the quarantined entries that jobs are about."""
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


def work_of(job: Job) -> int:
    """Return how much work a job is, as far as that is bounded."""
    match job:
        case EntriesJob(work=work) | ReleaseJob(QuarantinedRow(work=work)):
            return work
        case SnapshotsJob():
            return job.work
        case _:
            return 0


def stored_bytes_of(job: Job) -> int:
    """Return how much a job reads out of the quarantine, as far as that is bounded."""
    return job.row.size if isinstance(job, ReleaseJob) else 0


def paced(job: EntriesJob | SnapshotsJob) -> Sequence[EntriesJob | SnapshotsJob]:
    """Cut a job into parts that are little enough work to be done in one go.

    Raises:
        LimitExceeded: Entries that are more work than those of a message may be.
        ChangeRefused: A change does not say how much it is, or has too many operations.
    """
    return [weighed(job)] if isinstance(job, EntriesJob) else paced_snapshots(job)


def weighed(job: EntriesJob) -> EntriesJob:
    """Return the entries of a message with their work; raises as `paced`."""
    work = 0
    for entry in job.entries:
        work += weigh_entry(entry)
        if work > MESSAGE_WORK_MAX:
            raise LimitExceeded(f"entries of more than {MESSAGE_WORK_MAX} units of work")
    return replace(job, work=work)


def weigh_entry(entry: Entry) -> int:
    """Return how much work an entry or a header is, or more than MESSAGE_WORK_MAX.

    Raises:
        ChangeRefused: As for `paced`.
    """
    work = WORK_PER_ENTRY
    for _, change in entry.body.changes:
        work += weigh(change)
        # To be weighed, a change is inflated: no more of them than need be.
        if work > MESSAGE_WORK_MAX:
            break
    return work
