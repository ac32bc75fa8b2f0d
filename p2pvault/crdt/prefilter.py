"""Looks at a change from a peer before the engine does, and bounds what it would cost.

A change is columns of run lengths, perhaps deflated. The engine believes them: 69 valid bytes
apply as four million operations, and half a megabyte inflates to 512 MiB before its checksum is
looked at. So the columns are walked here without being expanded, and only what our own writer
could have made goes on: no counters, no marks, no unknown column, no second root.

The format is the "Automerge Binary Document Format" (automerge-binary-format-spec, "Change
Chunk" and "Operations"); the engine's reader is rust/automerge/src/storage/change.rs and
change_op_columns.rs. This module must not import the engine: it stands in front of it.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from p2pvault.crdt.chunk import open_change, signed, unsigned
from p2pvault.crdt.columns import check_columns, weigh_columns
from p2pvault.errors import ChangeRefused
from p2pvault.limits import (
    CHANGE_ACTORS_MAX,
    CHANGE_DEPENDENCIES_MAX,
    CHANGE_SEQUENCE_MAX,
    OPERATION_COUNTER_MAX,
    WORK_PER_CHANGE,
)
from p2pvault.types import AuthorId, ChangeHash

_HASH_BYTES: Final = 32
_ACTOR_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Change:
    """A change that passed `inspect`, and what its head says.

    Attributes:
        hash: Its name, as the engine computes it.
        actor: Who wrote it.
        sequence: Its number among that author's changes to the record, from 1.
        start_op: The number of its first operation in the record's history, from 1.
        operations: How many operations it has.
        work: How much work it is; see `weigh`.
        deps: The changes that it follows, sorted; none for the one that creates a record.
        time: What the writer says, in milliseconds since 1970; ours is always 0.
        chunk: The change as it travels.
    """

    hash: ChangeHash
    actor: AuthorId
    sequence: int
    start_op: int
    operations: int
    work: int
    deps: tuple[ChangeHash, ...]
    time: int
    chunk: bytes = field(repr=False)


def inspect(chunk: bytes) -> Change:
    """Check a change without the engine.

    Args:
        chunk: One change chunk, plain or deflated, exactly.

    Returns:
        What it says of itself.

    Raises:
        ChangeRefused: Malformed, above a bound of `limits`, or with content that no record has.
    """
    body, digest = open_change(chunk)
    try:
        return _inspect(chunk, body, digest)
    except IndexError as error:
        raise ChangeRefused("a change that ends too early") from error


def weigh(chunk: bytes) -> int:
    """Return how much work a change is, for a third of the cost of `inspect`.

    The unit is what one operation of a text costs, about two microseconds of a slow core. So are
    WORK_COLUMN_BYTES of the columns that describe operations, and WORK_VALUE_BYTES of values.

    Raises:
        ChangeRefused: Malformed, or more than CHANGE_OPERATIONS_MAX.
    """
    body, _ = open_change(chunk)
    try:
        _, at = _read_deps(body)
        actor, at = _read_actor(body, at)
        for read in (unsigned, unsigned, signed):
            _, at = read(body, at)
        _, at = _read_other_actors(body, at + 1, actor)
        return WORK_PER_CHANGE + weigh_columns(body, at)
    except IndexError as error:
        raise ChangeRefused("a change that ends too early") from error


def _inspect(chunk: bytes, body: bytes, digest: ChangeHash) -> Change:
    deps, at = _read_deps(body)
    actor, at = _read_actor(body, at)
    sequence, at = unsigned(body, at)
    start_op, at = unsigned(body, at)
    time, at = signed(body, at)
    if not 1 <= sequence <= CHANGE_SEQUENCE_MAX:
        raise ChangeRefused(f"a change with the sequence number {sequence}")
    if body[at]:
        raise ChangeRefused("a change with a message, which ours never have")
    actors, at = _read_other_actors(body, at + 1, actor)
    operations = check_columns(body, at, actors=actors, may_write_root=not deps)
    work = WORK_PER_CHANGE + weigh_columns(body, at)
    if not 1 <= start_op <= OPERATION_COUNTER_MAX - operations:
        raise ChangeRefused(f"a change whose operations begin at {start_op}")
    return Change(digest, actor, sequence, start_op, operations, work, deps, time, chunk)


def _read_deps(body: bytes) -> tuple[tuple[ChangeHash, ...], int]:
    count, at = unsigned(body, 0)
    if count > CHANGE_DEPENDENCIES_MAX:
        raise ChangeRefused(f"a change with {count} dependencies")
    stop = at + count * _HASH_BYTES
    deps = [ChangeHash(body[start : start + _HASH_BYTES]) for start in range(at, stop, _HASH_BYTES)]
    if count > 1 and any(left >= right for left, right in pairwise(deps)):
        raise ChangeRefused("a change whose dependencies are not sorted, or name one twice")
    return tuple(deps), stop


def _read_actor(body: bytes, at: int) -> tuple[AuthorId, int]:
    if body[at] != _ACTOR_BYTES:
        raise ChangeRefused(f"an actor of {body[at]} bytes, ours have {_ACTOR_BYTES}")
    stop = at + 1 + _ACTOR_BYTES
    return AuthorId(body[at + 1 : stop]), stop


def _read_other_actors(body: bytes, at: int, actor: AuthorId) -> tuple[int, int]:
    """Return the number of actors, the author included, and the position behind them."""
    count, at = unsigned(body, at)
    if count >= CHANGE_ACTORS_MAX:
        raise ChangeRefused(f"a change that refers to {count} other actors")
    seen = {actor}
    for _ in range(count):
        other, at = _read_actor(body, at)
        seen.add(other)
    if len(seen) != count + 1:
        raise ChangeRefused("a change that names an actor twice")
    return count + 1, at
