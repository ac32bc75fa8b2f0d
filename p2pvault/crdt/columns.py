"""The operation columns of a change: counted and checked, never expanded.

Each column holds one value per operation as run lengths ("Column Encoding" in the specification):
a count and a value, a negative count and as many values, or zero and a count of nulls. So a
column is read here as runs, whose number its bytes bound, and every column has to come to the
same number of rows. This module must not import the engine.
"""

import math
import re
import struct
from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

from p2pvault.crdt.chunk import signed, unsigned
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
    CHANGE_OPERATIONS_MAX,
    CHANGE_PREDECESSORS_MAX,
    FIELD_CHARACTERS_MAX,
    INTEGER_MAX,
    OPERATION_COUNTER_MAX,
    SCALAR_BYTES_MAX,
    TIMESTAMP_MS_MAX,
    TIMESTAMP_MS_MIN,
    WORK_COLUMN_BYTES,
    WORK_VALUE_BYTES,
)

_SIGNED_BYTES_MAX: Final = 10
"""A number of 64 bits in groups of seven."""

_PREDECESSOR_COUNT: Final = 0x70
_PREDECESSOR_ACTOR: Final = 0x71
_PREDECESSOR_COUNTER: Final = 0x73

_KNOWN: Final = frozenset(
    (
        OBJECT_ACTOR,
        OBJECT_COUNTER,
        KEY_ACTOR,
        KEY_COUNTER,
        KEY_STRING,
        INSERT,
        ACTION,
        VALUE_META,
        VALUE,
        _PREDECESSOR_COUNT,
        _PREDECESSOR_ACTOR,
        _PREDECESSOR_COUNTER,
    )
)
"""Column specifications (id * 16 + type) that our writer makes; marks and deflate are others."""

ACTIONS: Final = 5
"""makeMap, set, makeList, del, makeText; 5 is increment, 6 makeTable, 7 mark."""

_KEY_BYTES_MAX: Final = 4 * FIELD_CHARACTERS_MAX
"""A key in UTF-8. One run of a long key would be copied for each of its rows."""

Runs: TypeAlias = list[tuple[int, int | None]]
"""(how many rows, their value) in order; None stands for null."""

Read: TypeAlias = Callable[[bytes, int], tuple[int, int]]
"""Reads what is at a position, and returns it with the position behind it."""


def check_columns(body: bytes, at: int, *, actors: int, may_write_root: bool) -> int:
    """Check all columns of a change.

    Args:
        body: The whole body of the change.
        at: Where the list of columns begins.
        actors: How many actors the change names.
        may_write_root: Whether this is a change that creates a record.

    Returns:
        The number of operations.

    Raises:
        ChangeRefused: Malformed, above a bound, or with content that no record has.
        IndexError: The body ends too early.
    """
    columns = _cut(body, at)
    rows = _count_actions(columns[ACTION])
    _check_objects(columns, rows, actors, may_write_root=may_write_root)
    _check_keys(columns, rows, actors)
    _check_inserts(columns[INSERT], rows)
    _check_values(columns[VALUE_META], columns[VALUE], rows)
    _check_predecessors(columns, rows, actors)
    return rows


def weigh_columns(body: bytes, at: int) -> int:
    """Return how much work the operations are, without a look at their content.

    The engine pays for each operation, and the pre-filter for each byte; less for those of values,
    of which a text has many and looks at none by itself.

    Raises:
        ChangeRefused: Malformed columns, or more than CHANGE_OPERATIONS_MAX operations.
        IndexError: The body ends too early.
    """
    columns = _cut(body, at)
    values = len(columns[VALUE])
    described = (len(body) - at - values) // WORK_COLUMN_BYTES
    return _count_actions(columns[ACTION]) + described + values // WORK_VALUE_BYTES


def _cut(body: bytes, at: int) -> dict[int, bytes]:
    """Return the bytes of every known column; one that is not there is empty."""
    count, at = unsigned(body, at)
    if count > len(_KNOWN):
        raise ChangeRefused(f"a change with {count} columns")
    lengths = []
    previous = -1
    for _ in range(count):
        column, at = unsigned(body, at)
        length, at = unsigned(body, at)
        if column <= previous or column not in _KNOWN:
            raise ChangeRefused(f"a change with the column {column:#x}, unknown or out of order")
        lengths.append((column, length))
        previous = column
    columns = dict.fromkeys(_KNOWN, b"")
    for column, length in lengths:
        columns[column] = body[at : at + length]
        at += length
    if at != len(body):
        raise ChangeRefused("a change whose columns are shorter or longer than it says")
    return columns


def _runs(column: bytes, read: Read = unsigned, most: int = CHANGE_OPERATIONS_MAX) -> Runs:
    """Return the runs of a column; a literal run becomes runs of one.

    They are counted before they are made: a few KB inflate to millions, which take 64 bytes each,
    and none is for no row.
    """
    runs: Runs = []
    at, end = 0, len(column)
    while at < end:
        count, at = signed(column, at)
        if len(runs) + max(-count, 1) > most:
            raise ChangeRefused("a column of more runs than it can have rows")
        if count > 0:
            value, at = read(column, at)
            runs.append((count, value))
        elif count:
            literal, at = _literal(column, at, -count, read)
            runs.extend(literal)
        else:
            count, at = unsigned(column, at)
            runs.append((count, None))
    return runs


def _literal(column: bytes, at: int, rows: int, read: Read) -> tuple[Runs, int]:
    """Return a literal run as runs of one, and the position behind it."""
    stop = at + rows
    if stop <= len(column) and column[at:stop].isascii():
        # Each byte below 0x80 is a whole number, and most columns hold no others.
        sign = 0x40 if read is signed else 0x80
        return [(1, value if value < sign else value - 0x80) for value in column[at:stop]], stop
    runs: Runs = []
    for _ in range(rows):
        value, at = read(column, at)
        runs.append((1, value))
    return runs, at


def _check_rows(runs: Runs, rows: int) -> None:
    """Insist on as many rows as there are operations; an absent column is all nulls."""
    if runs and sum([count for count, _ in runs]) != rows:
        raise ChangeRefused("a change whose columns differ in length")


def _count_actions(column: bytes) -> int:
    runs = _runs(column)
    rows = sum([count for count, _ in runs])
    if not 1 <= rows <= CHANGE_OPERATIONS_MAX:
        raise ChangeRefused(
            f"a change of {rows} operations, 1 to {CHANGE_OPERATIONS_MAX} are allowed"
        )
    for _, action in runs:
        if action is None or action >= ACTIONS:
            raise ChangeRefused(f"an operation of kind {action}, which no record has")
    return rows


def _check_objects(
    columns: dict[int, bytes], rows: int, actors: int, *, may_write_root: bool
) -> None:
    authors = _runs(columns[OBJECT_ACTOR])
    _check_rows(authors, rows)
    _check_actors(authors, actors)
    counters = _runs(columns[OBJECT_COUNTER])
    _check_rows(counters, rows)
    if not may_write_root and (not counters or any(value is None for _, value in counters)):
        raise ChangeRefused("a change that writes to the root of a record that exists")
    for _, counter in counters:
        if counter is not None and counter > OPERATION_COUNTER_MAX:
            raise ChangeRefused(f"an object numbered {counter}")


def _check_actors(runs: Runs, actors: int) -> None:
    for _, actor in runs:
        if actor is not None and actor >= actors:
            raise ChangeRefused(f"actor {actor} of {actors}")


def _check_keys(columns: dict[int, bytes], rows: int, actors: int) -> None:
    authors = _runs(columns[KEY_ACTOR])
    _check_rows(authors, rows)
    _check_actors(authors, actors)
    counters = _runs(columns[KEY_COUNTER], signed)
    _check_rows(counters, rows)
    _check_deltas(counters)
    strings = columns[KEY_STRING]
    if strings and count_keys(strings) != rows:
        raise ChangeRefused("a change whose columns differ in length")


def count_keys(column: bytes) -> int:
    """Check a column of keys.

    Returns:
        How many rows they are for.

    Raises:
        ChangeRefused: One that is empty, too long, or not UTF-8; or a malformed column.
        IndexError: The column ends too early.
    """
    at = rows = 0
    while at < len(column):
        count, at = signed(column, at)
        if count > 0:
            _, at = skip_key(column, at)
        elif count:
            count = -count
            at = _skip_keys(column, at, count)
        else:
            count, at = unsigned(column, at)
        rows += count
    return rows


def _skip_keys(column: bytes, at: int, count: int) -> int:
    """Read past keys that follow each other, and return the position behind them.

    Their lengths are checked as text with them: one below 0x80 is an ASCII character, and what
    stands between two of those is UTF-8 just where the whole is.
    """
    start = at
    for _ in range(count):
        length = column[at]
        if 0 < length < 0x80:
            at += 1 + length
        else:
            _check_utf8(column[start:at])
            _, at = skip_key(column, at)
            start = at
    if at > len(column):
        raise ChangeRefused("a key that ends too early")
    _check_utf8(column[start:at])
    return at


def _check_deltas(runs: Runs) -> None:
    """Follow a column of differences: within a run it only grows or only shrinks."""
    counter = 0
    for count, delta in runs:
        if delta is not None:
            counter += count * delta
            if not 0 <= counter <= OPERATION_COUNTER_MAX:
                raise ChangeRefused(f"an operation numbered {counter}")


def skip_key(column: bytes, at: int) -> tuple[int, int]:
    """Read past a key: its value does not matter here, its length and encoding do.

    Returns:
        How many bytes it has, and the position behind it.

    Raises:
        ChangeRefused: Longer than a key may be, or not UTF-8.
        IndexError: The column ends too early.
    """
    length, at = unsigned(column, at)
    stop = at + length
    if not 0 < length <= _KEY_BYTES_MAX or stop > len(column):
        raise ChangeRefused(f"a key of {length} bytes")
    _check_utf8(column[at:stop])
    return length, stop


def _check_utf8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise ChangeRefused("a string that is not UTF-8") from error


def _check_strings(raw: bytes, length: int) -> None:
    """Check strings of one length all together: a text has one for each character."""
    _check_utf8(raw)
    if length and any(first & 0xC0 == 0x80 for first in set(raw[::length])):
        raise ChangeRefused("a string that begins inside a character")


def _check_inserts(column: bytes, rows: int) -> None:
    """Check a column of truth values: lengths of alternating runs."""
    at = total = 0
    while at < len(column):
        count, at = unsigned(column, at)
        total += count
    if total != rows:
        raise ChangeRefused("a change whose columns differ in length")


def _check_values(meta: bytes, raw: bytes, rows: int) -> None:
    """Check every value against what a record can hold; `raw` has one after the other."""
    runs = _runs(meta)
    if sum([count for count, _ in runs]) != rows:
        raise ChangeRefused("a change whose columns differ in length")
    at = 0
    alike: dict[int, list[bytes]] = {}
    for count, tag in runs:
        length = 0 if tag is None else tag >> 4
        stop = at + count * length
        if tag is None or length > SCALAR_BYTES_MAX or stop > len(raw):
            raise ChangeRefused(f"a value with the tag {tag}, or fewer bytes than it says")
        alike.setdefault(tag, []).append(raw[at:stop])
        at = stop
    if at != len(raw):
        raise ChangeRefused("a change with bytes behind its values")
    # Maps in a list have two kinds in turn; one look at each kind takes a tenth of the time.
    for tag, parts in alike.items():
        check_values_alike(tag & 15, b"".join(parts), tag >> 4)


def check_values_alike(kind: int, raw: bytes, length: int) -> None:
    """Check values of one kind and length against what a record can hold.

    Args:
        kind: The lower four bits of a value's tag.
        raw: The values, one after the other.
        length: Bytes of each; nothing is repeated where they have none.

    Raises:
        ChangeRefused: One that no record holds.
        IndexError: A number that ends too early.
    """
    if kind not in _VALUE_CHECKS:
        raise ChangeRefused(f"a value of kind {kind}, which no record holds")
    check = _VALUE_CHECKS[kind]
    if check is None:
        return
    if check is _check_utf8:
        _check_strings(raw, length)
        return
    if check is _check_signed and 0 < length <= _SIGNED_BYTES_MAX:
        if _numbers(length).fullmatch(raw) is None:
            raise ChangeRefused(f"integers of {length} bytes, not each in its shortest form")
        return
    for start in range(0, len(raw), length) if length else (0,):
        check(raw[start : start + length])


def _check_empty(data: bytes) -> None:
    if data:
        raise ChangeRefused("a null or truth value with bytes of its own")


def _check_unsigned(data: bytes) -> None:
    value, stop = unsigned(data, 0)
    if stop != len(data) or value > INTEGER_MAX:
        raise ChangeRefused("an integer that does not fit into 64 bits with a sign")


def _check_signed(data: bytes) -> None:
    if signed(data, 0)[1] != len(data):
        raise ChangeRefused("bytes behind an integer")


@cache
def _numbers(length: int) -> re.Pattern[bytes]:
    """Return what integers of 1 to 10 bytes match, one after the other.

    They are those that `chunk.signed` reads; a list of numbers has thousands.
    """
    if length == 1:
        return re.compile(rb"[\x00-\x7f]*")
    # A last byte that only repeats the sign of the one before is not the shortest form.
    last = rb"[\x80-\xbf][\x01-\x7f]|[\xc0-\xff][\x00-\x7e]"
    if length == _SIGNED_BYTES_MAX:
        last = rb"[\x80-\xbf]\x7f|[\xc0-\xff]\x00"  # one bit is left, and it is the sign
    return re.compile(rb"(?:[\x80-\xff]{%d}(?:%s))*" % (length - 2, last))


def _check_float(data: bytes) -> None:
    if len(data) != 8 or not math.isfinite(struct.unpack("<d", data)[0]):
        raise ChangeRefused("a float that is not a finite number")


def _check_timestamp(data: bytes) -> None:
    value, stop = signed(data, 0)
    if stop != len(data) or not TIMESTAMP_MS_MIN <= value <= TIMESTAMP_MS_MAX:
        raise ChangeRefused("a time outside the years 1 to 9999")


_VALUE_CHECKS: Final[dict[int, Callable[[bytes], None] | None]] = {
    0: _check_empty,
    1: _check_empty,
    2: _check_empty,
    3: _check_unsigned,
    4: _check_signed,
    5: _check_float,
    6: _check_utf8,
    7: None,
    9: _check_timestamp,
}
"""Null, false, true, uint, int, float, string, bytes, timestamp; 8 is a counter."""


def _check_predecessors(columns: dict[int, bytes], rows: int, actors: int) -> None:
    """Check which operations are overwritten: a number for each row, and as many references."""
    counts = _runs(columns[_PREDECESSOR_COUNT])
    _check_rows(counts, rows)
    total = sum([count * (number or 0) for count, number in counts])
    if total > CHANGE_PREDECESSORS_MAX:
        raise ChangeRefused(f"a change that overwrites {total} operations")
    authors = _runs(columns[_PREDECESSOR_ACTOR], most=CHANGE_PREDECESSORS_MAX)
    counters = _runs(columns[_PREDECESSOR_COUNTER], signed, CHANGE_PREDECESSORS_MAX)
    for runs in (authors, counters):
        if sum([count for count, _ in runs]) != total:
            raise ChangeRefused("a change whose columns differ in length")
    _check_actors(authors, actors)
    _check_deltas(counters)
