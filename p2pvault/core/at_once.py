"""Jobs that need no record to be loaded: they follow from the content alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from p2pvault.core.adoption import staged_plain
from p2pvault.core.content import Content, Tally
from p2pvault.core.interest import Interest
from p2pvault.core.recount import RecountJob, recounted
from p2pvault.core.staging import Staged
from p2pvault.protocol.membership import MembershipLog
from p2pvault.types import Batch, RecordRow, StoredEntry


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A batch that needs no record: membership operations, keys, addresses, dropped entries.

    Attributes:
        name: What the device recognises it by when it is durable.
        batch: What to persist.
        lacks: Collections of which something is missing from then on.
        log: The membership log as the store holds it then; None where nothing was learned.
        joined: Whether somebody becomes a member with it.
    """

    name: int
    batch: Batch
    lacks: frozenset[str] = frozenset()
    log: MembershipLog | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class InterestJob:
    """A change of what this device keeps.

    Attributes:
        change: Makes the new interest of the newest one; must not raise.
        request: The local request that it is for.
        forgets: The collection that is not kept any longer.
    """

    change: Callable[[Interest], Interest]
    request: int | None = None
    forgets: str | None = None


@dataclass(frozen=True, slots=True)
class EraseJob:
    """Some of what is stored of forgotten collections goes.

    Attributes:
        turn: Of the interest when the store was asked; it does nothing once that has changed.
        rows: Records to erase. Nothing changes them since their collection was forgotten.
        headers: Entries of which the header stays.
    """

    turn: int
    rows: tuple[RecordRow, ...] = ()
    headers: tuple[StoredEntry, ...] = ()


AtOnceJob = PlainJob | RecountJob | InterestJob | EraseJob


def staged_at_once(content: Content, job: AtOnceJob, fingerprint_key: bytes) -> Staged:
    """Return the batch of a job, and what it leads to."""
    match job:
        case PlainJob(batch=batch, lacks=lacks, log=log, joined=joined):
            interest = content.interest.lacking_if_room(lacks)
            interest = interest.joined() if joined else interest
            plain = staged_plain(content, batch)
            with_it = _changed(plain.batch, plain.content, interest)
            reached = with_it.content if log is None else replace(with_it.content, log=log)
            return replace(plain, batch=with_it.batch, content=reached)
        case RecountJob():
            return recounted(content, job)
        case InterestJob(change):
            return _changed(Batch(), content, change(content.interest))
        case EraseJob():
            return _erased(content, job, fingerprint_key)
        case _:
            assert_never(job)


def _changed(batch: Batch, content: Content, interest: Interest) -> Staged:
    """Add a change of interest to a batch, if it is one."""
    if interest == content.interest:
        return _staged(batch, content)
    meta = {**batch.meta, **interest.meta(content.interest)}
    return _staged(replace(batch, meta=meta), replace(content, interest=interest))


def _erased(content: Content, job: EraseJob, fingerprint_key: bytes) -> Staged:
    if job.turn != content.interest.turn:
        return _staged(Batch(), content)
    tally = Tally(fingerprint_key, content.fingerprints)
    for row in job.rows:
        tally.drop(row)
    batch = Batch(
        erased=tuple(row.id for row in job.rows),
        headers=job.headers,
        fingerprints=tally.touched(),
    )
    return _staged(batch, replace(content, fingerprints=tally.merged()))


def _staged(batch: Batch, content: Content) -> Staged:
    return Staged(batch, content, (), (), frozenset(), ())
