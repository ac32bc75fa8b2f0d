"""Fuzzing records that travel whole: the filter for documents, and behind it the engine.

The first byte chooses: the body of a document, which is framed here with a checksum that is right,
one column of a good document, plain or deflated, or chunks as they are.
"""

from functools import cache
from random import Random

from fuzz.target import Target, chosen
from harness.documents import Parts, framed, taken_apart
from harness.records import ADA, BOB, deflated, devices, random_data
from p2pvault.crdt.chunk import frame, split
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import Snapshot, inspect_snapshot, merge, restore
from p2pvault.errors import ChangeRefused, CrdtError
from p2pvault.limits import KIB, SNAPSHOT_OPERATIONS_MAX
from p2pvault.types import Heads


def run(data: bytes) -> None:
    """Filter a snapshot; what passes is what it says, and at worst an error of ours."""
    way, rest = chosen(4, data)
    whole = (framed, _column, _squeezed_column, lambda raw: raw)[way](rest)
    try:
        snapshot = inspect_snapshot(whole, _heads_of(whole))
    except ChangeRefused:
        return
    assert snapshot.data == whole
    assert snapshot.operations <= SNAPSHOT_OPERATIONS_MAX
    assert {change.actor for change in snapshot.changes} <= snapshot.authors
    _restore(snapshot)
    _merge(snapshot)


def _heads_of(whole: bytes) -> Heads:
    """Return what chunks lead to if they are what they say; a peer may say anything."""
    try:
        said = inspect_snapshot(whole, ())
    except ChangeRefused:
        return ()
    followed = {dep for change in said.changes for dep in change.deps}
    return tuple(sorted({*said.base, *(change.hash for change in said.changes)} - followed))


def _restore(snapshot: Snapshot) -> None:
    """A record that is taken in has the heads that were said, and is sent on as it is."""
    try:
        record = restore(ADA, snapshot)
        value, saved = record.value(), record.snapshot()
    except CrdtError:
        return
    assert record.heads == snapshot.heads
    again = restore(BOB, inspect_snapshot(saved, record.heads))
    assert (again.heads, again.deleted) == (record.heads, record.deleted)
    assert repr(again.value()) == repr(value)  # a NaN is not equal to itself
    assert again.holds(snapshot.heads)


def _merge(snapshot: Snapshot) -> None:
    """A record that is here has all of it afterwards, or is as it was before."""
    record = _record().copy()
    before = record.heads
    try:
        fresh = merge(BOB, record, snapshot)
    except CrdtError:
        assert record.heads == before
        return
    assert record.holds(snapshot.heads)
    assert {change.actor for change in fresh} <= snapshot.authors


def _column(data: bytes) -> bytes:
    return _replaced(data).chunk()


def _squeezed_column(data: bytes) -> bytes:
    parts = _replaced(data)
    return parts.chunk(squeezed=frozenset(parts.operations))


def _replaced(data: bytes) -> Parts:
    """Return the good document with one of its columns replaced."""
    parts = taken_apart(_saved())
    which, column = chosen(len(parts.changes) + len(parts.operations), data)
    columns = parts.changes if which < len(parts.changes) else parts.operations
    columns[[*parts.changes, *parts.operations][which]] = column
    return parts


@cache
def _record() -> Record:
    """Return a record that three devices wrote in at the same time."""
    random = Random(7)
    replicas = devices({**random_data(random, 2), "body": "a text", "n": [1, None]})
    for number, replica in enumerate(replicas):
        replica.edit({**replica.record.value(), "body": f"text {number}", "by": number})
    first = replicas[0]
    for other in replicas[1:]:
        first.meet(other)
    return first.record


@cache
def _saved() -> bytes:
    return _record().snapshot()


def seeds() -> list[bytes]:
    """Return the good document whole, column by column and deflated, and as changes."""
    saved, parts = _saved(), taken_apart(_saved())
    edited = _record().copy()
    behind = edited.commit({"body": "later"})
    assert behind is not None
    _, changes = _record().history_without(())
    first, start, stop = split(changes)[0], *frame(split(changes)[0])[1:]
    columns = [*parts.changes.values(), *parts.operations.values()]
    return [
        b"\x00" + saved[frame(saved).start :],
        *(b"\x01" + bytes([which]) + column for which, column in enumerate(columns)),
        *(b"\x02" + bytes([which]) + column for which, column in enumerate(columns)),
        *(b"\x03" + each for each in (saved, saved + behind, changes, changes + behind)),
        b"\x03" + deflated(first[start:stop]),
    ]


TARGET = Target("snapshots", run, seeds, 2 * KIB)
"""The good document has about a kilobyte."""
