"""Looks at a document chunk from a peer before the engine does, and bounds what it would cost.

A document chunk holds a record's whole history as columns of run lengths, each perhaps deflated.
As with changes, a few bytes can stand for any number of rows, so every column is inflated within
one budget and walked run by run, without being expanded, and all must come to the same numbers.
Only what our own writer could have made goes on: no counters, no marks, no messages.

The format is the "Automerge Binary Document Format" (automerge-binary-format-spec, "Document
Chunk"); the engine's reader is rust/automerge/src/storage/document.rs. This module must not
import the engine: it stands in front of it.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from p2pvault.crdt.chunk import DOCUMENT, encode_unsigned, frame, signed, unsigned
from p2pvault.crdt.columns import ACTIONS, Read, check_values_alike, skip_key
from p2pvault.crdt.specification import (
    ACTION,
    INSERT,
    KEY_ACTOR,
    KEY_COUNTER,
    KEY_STRING,
    OBJECT_ACTOR,
    OBJECT_COUNTER,
    VALUE,
    VALUE_META,
)
from p2pvault.errors import ChangeRefused
from p2pvault.limits import (
    CHANGE_DEPENDENCIES_MAX,
    JOURNALS_MAX,
    OPERATION_COUNTER_MAX,
    SCALAR_BYTES_MAX,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_DEPENDENCIES_MAX,
    SNAPSHOT_INFLATED_BYTES_MAX,
    SNAPSHOT_OPERATIONS_MAX,
    WORK_COLUMN_BYTES,
    WORK_VALUE_BYTES,
)
from p2pvault.types import AuthorId, ChangeHash, Heads

_HASH_BYTES: Final = 32
_ACTOR_BYTES: Final = 16
_DEFLATED: Final = 0x08

# Columns of changes: specification (id * 16 + type).
_ACTOR: Final = 0x01
_SEQUENCE: Final = 0x03
_LAST_OPERATION: Final = 0x13
_TIME: Final = 0x23
_DEPENDENCY_COUNT: Final = 0x40
_DEPENDENCY: Final = 0x43
_CHANGE_COLUMNS: Final = frozenset(
    (_ACTOR, _SEQUENCE, _LAST_OPERATION, _TIME, _DEPENDENCY_COUNT, _DEPENDENCY, VALUE_META)
)

# Columns of operations.
_ID_ACTOR: Final = 0x21
_ID_COUNTER: Final = 0x23
_SUCCESSOR_COUNT: Final = 0x80
_SUCCESSOR_ACTOR: Final = 0x81
_SUCCESSOR_COUNTER: Final = 0x83
_OPERATION_COLUMNS: Final = frozenset(
    (
        OBJECT_ACTOR,
        OBJECT_COUNTER,
        KEY_ACTOR,
        KEY_COUNTER,
        KEY_STRING,
        _ID_ACTOR,
        _ID_COUNTER,
        INSERT,
        ACTION,
        VALUE_META,
        VALUE,
        _SUCCESSOR_COUNT,
        _SUCCESSOR_ACTOR,
        _SUCCESSOR_COUNTER,
    )
)

_NULL_BYTES: Final = 0x07
"""What the engine writes where a change has no extra bytes: a byte string of length zero."""

Columns: TypeAlias = dict[int, bytes]


@dataclass(frozen=True, slots=True)
class DocumentHead:
    """What a checked document chunk says of itself.

    Attributes:
        heads: The changes that nothing in it follows, sorted.
        changes: How many changes it holds.
        operations: Their operations, and what each of these overwrote.
        work: How much work they are, in the unit of `prefilter.weigh`.
        authors: Everybody whom it names.
    """

    heads: Heads
    changes: int
    operations: int
    work: int
    authors: tuple[AuthorId, ...]


def inspect_document(chunk: bytes) -> DocumentHead:
    """Check a document chunk without the engine.

    Args:
        chunk: Exactly one document chunk.

    Raises:
        ChangeRefused: Malformed, above a bound of `limits`, or with content that no record has.
    """
    body = _open(chunk)
    try:
        return _inspect(body)
    except IndexError as error:
        raise ChangeRefused("a document that ends too early") from error


def _open(chunk: bytes) -> bytes:
    if len(chunk) > SNAPSHOT_BYTES_MAX:
        raise ChangeRefused(f"a document of {len(chunk)} bytes")
    kind, start, stop = frame(chunk)
    if kind != DOCUMENT or stop != len(chunk):
        raise ChangeRefused("a chunk that is no document, or has bytes behind it")
    body = chunk[start:]
    digest = hashlib.sha256(b"\x00" + encode_unsigned(len(body)) + body).digest()
    if digest[:4] != chunk[4:8]:
        raise ChangeRefused("a document whose checksum is wrong")
    return body


def weigh_document(chunk: bytes) -> int:
    """Return how much work a document is, without a look at most of it.

    Raises:
        ChangeRefused: Malformed, or above a bound.
    """
    body = _open(chunk)
    try:
        cut = _cut(body)
        return _check_actions(cut.operations.get(ACTION, b"")) + _weigh(cut.operations)
    except IndexError as error:
        raise ChangeRefused("a document that ends too early") from error


class _Cut(NamedTuple):
    """A document in parts, its columns inflated within a budget, and where they end."""

    authors: tuple[AuthorId, ...]
    heads: Heads
    changes: Columns
    operations: Columns
    budget: "_Budget"
    stop: int


def _cut(body: bytes) -> _Cut:
    authors, at = _read_actors(body)
    heads, at = _read_heads(body, at)
    of_changes, at = _read_columns(body, at, _CHANGE_COLUMNS)
    of_operations, at = _read_columns(body, at, _OPERATION_COLUMNS)
    budget = _Budget(SNAPSHOT_INFLATED_BYTES_MAX)
    changes, at = budget.cut(body, at, of_changes)
    operations, at = budget.cut(body, at, of_operations)
    return _Cut(authors, heads, changes, operations, budget, at)


def _inspect(body: bytes) -> DocumentHead:
    cut = _cut(body)
    changes = _check_changes(cut.changes, len(cut.authors))
    operations = _check_operations(cut.operations, len(cut.authors), cut.budget)
    at = cut.stop
    for _ in cut.heads:
        index, at = unsigned(body, at)
        if index >= changes:
            raise ChangeRefused(f"a head at change {index} of {changes}")
    if at != len(body):
        raise ChangeRefused("bytes behind the columns of a document")
    work = operations + _weigh(cut.changes) + _weigh(cut.operations)
    return DocumentHead(cut.heads, changes, operations, work, cut.authors)


def _weigh(columns: Columns) -> int:
    """Return how much work columns are beside the operations in them."""
    values = len(columns.get(VALUE, b""))
    described = sum(map(len, columns.values())) - values
    return described // WORK_COLUMN_BYTES + values // WORK_VALUE_BYTES


def _read_actors(body: bytes) -> tuple[tuple[AuthorId, ...], int]:
    count, at = unsigned(body, 0)
    if not 1 <= count <= JOURNALS_MAX:
        raise ChangeRefused(f"a document with {count} actors")
    actors = []
    for _ in range(count):
        if body[at] != _ACTOR_BYTES:
            raise ChangeRefused(f"an actor of {body[at]} bytes, ours have {_ACTOR_BYTES}")
        actors.append(AuthorId(body[at + 1 : at + 1 + _ACTOR_BYTES]))
        at += 1 + _ACTOR_BYTES
    if any(left >= right for left, right in pairwise(actors)):
        raise ChangeRefused("a document whose actors are not sorted, or that names one twice")
    return tuple(actors), at


def _read_heads(body: bytes, at: int) -> tuple[Heads, int]:
    count, at = unsigned(body, at)
    if not 1 <= count <= CHANGE_DEPENDENCIES_MAX:
        raise ChangeRefused(f"a document with {count} heads")
    stop = at + count * _HASH_BYTES
    heads = [
        ChangeHash(body[start : start + _HASH_BYTES]) for start in range(at, stop, _HASH_BYTES)
    ]
    if any(left >= right for left, right in pairwise(heads)):
        raise ChangeRefused("a document whose heads are not sorted, or that names one twice")
    return tuple(heads), stop


def _read_columns(body: bytes, at: int, known: frozenset[int]) -> tuple[list[tuple[int, int]], int]:
    """Return (specification, length) of every column, and the position behind the list."""
    count, at = unsigned(body, at)
    if count > len(known):
        raise ChangeRefused(f"a document with {count} columns of one kind")
    columns = []
    previous = -1
    for _ in range(count):
        column, at = unsigned(body, at)
        length, at = unsigned(body, at)
        plain = column & ~_DEFLATED
        if plain <= previous or plain not in known:
            raise ChangeRefused(f"a document with the column {column:#x}, unknown or out of order")
        columns.append((column, length))
        previous = plain
    return columns, at


class _Budget:
    """Bytes that may still come out of a document's columns."""

    def __init__(self, left_bytes: int) -> None:
        self._left_bytes = left_bytes

    def spend(self, size: int) -> None:
        """Count bytes.

        Raises:
            ChangeRefused: There were more than the budget.
        """
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise ChangeRefused(f"a document of more than {SNAPSHOT_INFLATED_BYTES_MAX} bytes")

    def cut(self, body: bytes, at: int, columns: list[tuple[int, int]]) -> tuple[Columns, int]:
        """Cut columns out of the body and inflate them; return where they end."""
        found: Columns = {}
        for column, length in columns:
            data = body[at : at + length]
            if len(data) < length:
                raise ChangeRefused("a document whose columns are shorter than it says")
            if column & _DEFLATED:
                data = self._inflate(data)
            self.spend(len(data))
            found[column & ~_DEFLATED] = data
            at += length
        return found, at

    def _inflate(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            column = inflater.decompress(data, self._left_bytes + 1)
        except zlib.error as error:
            raise ChangeRefused(f"a column that does not inflate: {error}") from error
        if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
            raise ChangeRefused("a column that inflates above its bound, or not to its end")
        return column


def _runs(
    column: bytes, read: Read = unsigned, rows: int = SNAPSHOT_DEPENDENCIES_MAX
) -> Iterator[tuple[int, int | None]]:
    """Walk the runs of a column, no further than it may have rows; nothing is expanded.

    Raises:
        ChangeRefused: More rows, or a run of none, of which there could be any number.
    """
    at, end, left = 0, len(column), rows
    while at < end:
        count, at = signed(column, at)
        is_null = not count
        if is_null:
            count, at = unsigned(column, at)
        left -= abs(count)
        if left < 0 or not count:
            raise ChangeRefused("a document whose columns differ in length")
        if is_null:
            yield count, None
        elif count > 0:
            value, at = read(column, at)
            yield count, value
        else:
            for _ in range(-count):
                value, at = read(column, at)
                yield 1, value


def _rows(column: bytes, read: Read = unsigned, rows: int = SNAPSHOT_DEPENDENCIES_MAX) -> int:
    return sum(count for count, _ in _runs(column, read, rows))


def _check_rows(column: bytes, rows: int, read: Read = unsigned) -> None:
    """Insist on as many rows as there are; a column that is not there is all nulls."""
    _check_total(column, _rows(column, read, rows), rows)


def _check_total(column: bytes, total: int, rows: int) -> None:
    if column and total != rows:
        raise ChangeRefused("a document whose columns differ in length")


def _check_actors(column: bytes, rows: int, actors: int) -> None:
    total = 0
    for count, actor in _runs(column, rows=rows):
        total += count
        if actor is not None and actor >= actors:
            raise ChangeRefused(f"actor {actor} of {actors}")
    _check_total(column, total, rows)


def _check_deltas(column: bytes, rows: int, maximum: int = OPERATION_COUNTER_MAX) -> None:
    """Follow a column of differences: within a run it only grows or only shrinks."""
    total = counter = 0
    for count, delta in _runs(column, signed, rows):
        total += count
        counter += count * (delta or 0)
        if not 0 <= counter <= maximum:
            raise ChangeRefused(f"a number {counter} in a document, at most {maximum}")
    _check_total(column, total, rows)


def _check_changes(columns: Columns, actors: int) -> int:
    """Check the columns of changes; return how many there are."""
    rows = _rows(columns.get(_ACTOR, b""))
    if not 1 <= rows <= SNAPSHOT_OPERATIONS_MAX:
        raise ChangeRefused(f"a document of {rows} changes")
    _check_actors(columns[_ACTOR], rows, actors)
    for column in (_SEQUENCE, _LAST_OPERATION):
        _check_deltas(columns.get(column, b""), rows)
    _check_rows(columns.get(_TIME, b""), rows, signed)
    for _, meta in _runs(columns.get(VALUE_META, b"")):
        if meta != _NULL_BYTES:
            raise ChangeRefused("a change with bytes of its own, which ours never have")
    _check_rows(columns.get(VALUE_META, b""), rows)
    references = _check_group(columns, _DEPENDENCY_COUNT, rows, SNAPSHOT_DEPENDENCIES_MAX)
    _check_deltas(columns.get(_DEPENDENCY, b""), references, rows)
    if not columns.get(_DEPENDENCY) and references:
        raise ChangeRefused("a document whose columns differ in length")
    return rows


def _check_group(columns: Columns, group: int, rows: int, maximum: int) -> int:
    """Check a column that says how many references each row has; return their sum."""
    column = columns.get(group, b"")
    _check_rows(column, rows)
    total = sum(count * (number or 0) for count, number in _runs(column))
    if total > maximum:
        raise ChangeRefused(f"a document of {total} references, at most {maximum} may be")
    return total


def _check_operations(columns: Columns, actors: int, budget: _Budget) -> int:
    """Check the columns of operations; return how many there are."""
    rows = _check_actions(columns.get(ACTION, b""))
    for column in (OBJECT_ACTOR, KEY_ACTOR, _ID_ACTOR):
        _check_actors(columns.get(column, b""), rows, actors)
    _check_rows(columns.get(OBJECT_COUNTER, b""), rows)
    for column in (KEY_COUNTER, _ID_COUNTER):
        _check_deltas(columns.get(column, b""), rows)
    _check_keys(columns.get(KEY_STRING, b""), rows, budget)
    _check_inserts(columns.get(INSERT, b""), rows)
    _check_values(columns.get(VALUE_META, b""), columns.get(VALUE, b""), rows)
    successors = _check_group(columns, _SUCCESSOR_COUNT, rows, SNAPSHOT_OPERATIONS_MAX)
    _check_actors(columns.get(_SUCCESSOR_ACTOR, b""), successors, actors)
    _check_deltas(columns.get(_SUCCESSOR_COUNTER, b""), successors)
    if rows + successors > SNAPSHOT_OPERATIONS_MAX:
        raise ChangeRefused(f"a document of {rows + successors} operations")
    return rows + successors


def _check_actions(column: bytes) -> int:
    rows = 0
    for count, action in _runs(column, rows=SNAPSHOT_OPERATIONS_MAX):
        rows += count
        if action is None or action >= ACTIONS:
            raise ChangeRefused(f"an operation of kind {action}, which no record has")
    if not 1 <= rows <= SNAPSHOT_OPERATIONS_MAX:
        raise ChangeRefused(f"a document of {rows} operations")
    return rows


def _check_keys(column: bytes, rows: int, budget: _Budget) -> None:
    """Check keys; one that stands for many rows may be copied as often, so it counts as often."""
    total = 0
    for count, length in _runs(column, skip_key, rows):
        total += count
        budget.spend(count * (length or 0))
    if column and total != rows:
        raise ChangeRefused("a document whose columns differ in length")


def _check_inserts(column: bytes, rows: int) -> None:
    at = total = 0
    while at < len(column):
        count, at = unsigned(column, at)
        if not count and at > 1:
            raise ChangeRefused("a document whose columns differ in length")
        total += count
    _check_total(column, total, rows)


def _check_values(meta: bytes, raw: bytes, rows: int) -> None:
    """Check every value against what a record can hold; `raw` has one after the other."""
    _check_rows(meta, rows)
    at = 0
    for count, tag in _runs(meta):
        length = 0 if tag is None else tag >> 4
        stop = at + count * length
        if tag is None or length > SCALAR_BYTES_MAX or stop > len(raw):
            raise ChangeRefused(f"a value with the tag {tag}, or fewer bytes than it says")
        check_values_alike(tag & 15, raw[at:stop], length)
        at = stop
    if at != len(raw):
        raise ChangeRefused("a document with bytes behind its values")
