"""What a record can hold, and how that looks as JSON.

A value is null, a truth value, a signed 64-bit integer, a finite float, a string, bytes, a
`Timestamp`, a list, or a map with string keys. This module checks and converts such values; it
must not know how the engine stores them.
"""

import base64
import binascii
import math
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from p2pvault.errors import BadValue
from p2pvault.limits import (
    FIELD_CHARACTERS_MAX,
    INTEGER_MAX,
    SCALAR_BYTES_MAX,
    TIMESTAMP_MS_MAX,
    TIMESTAMP_MS_MIN,
    VALUE_DEPTH_MAX,
    VALUE_ITEMS_MAX,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A point in time, in milliseconds since 1970-01-01T00:00Z."""

    ms: int

    def __post_init__(self) -> None:
        if not TIMESTAMP_MS_MIN <= self.ms <= TIMESTAMP_MS_MAX:
            raise BadValue(f"a time of {self.ms} ms, outside the years 1 to 9999")

    def to_datetime(self) -> datetime:
        """Return the same instant as an aware datetime in UTC."""
        return _EPOCH + timedelta(milliseconds=self.ms)

    @classmethod
    def from_datetime(cls, moment: datetime) -> "Timestamp":
        """Return an aware datetime's instant, rounded down to a millisecond."""
        return cls((moment - _EPOCH) // _MILLISECOND)


Value: TypeAlias = (
    "bool | int | float | str | bytes | Timestamp | list[Value] | dict[str, Value] | None"
)
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


_SCALARS: Final = frozenset((type(None), bool, int, float, str, bytes, Timestamp))


def check(value: Value) -> int:
    """Check a value from outside against every bound, without recursion.

    Returns:
        The number of values in it, itself included.

    Raises:
        BadValue: A type, number, string or key that a record cannot hold, too deep a nesting, or
            too many values.
    """
    level: list[Value] = [value]
    depth = items = 0
    while level:
        depth += 1
        items += len(level)
        if depth > VALUE_DEPTH_MAX:
            raise BadValue(f"a value nested deeper than {VALUE_DEPTH_MAX} levels")
        if items > VALUE_ITEMS_MAX:
            raise BadValue(f"a value of more than {VALUE_ITEMS_MAX} items")
        level = [child for node in level for child in _checked_children(node)]
    return items


def _checked_children(node: Value) -> list[Value]:
    if isinstance(node, dict):
        for key in node:
            check_field(key)
        return list(node.values())
    if isinstance(node, list):
        return node
    _check_scalar(node)
    return []


def check_field(field: str) -> None:
    """Check the name of a field.

    Raises:
        BadValue: Empty, too long, or with half a character.
    """
    if not 0 < len(field) <= FIELD_CHARACTERS_MAX:
        raise BadValue(f"a field's name must have 1 to {FIELD_CHARACTERS_MAX} characters")
    _check_unicode(field)


def _check_scalar(node: bool | int | float | str | bytes | Timestamp | None) -> None:
    if isinstance(node, str):
        _check_unicode(node)
    elif isinstance(node, bytes):
        if len(node) > SCALAR_BYTES_MAX:
            raise BadValue(f"{len(node)} bytes in one value, at most {SCALAR_BYTES_MAX} fit")
    elif isinstance(node, float):
        if not math.isfinite(node):
            raise BadValue("a number that is infinite or not a number")
    elif isinstance(node, int) and not -INTEGER_MAX - 1 <= node <= INTEGER_MAX:
        raise BadValue(f"the integer {node} does not fit into 64 bits")
    # By exact type: a subclass would lose what makes it one.
    if type(node) not in _SCALARS:
        raise BadValue(f"a value of type {type(node).__name__}, which a record cannot hold")


def _check_unicode(text: str) -> None:
    # A lone surrogate has no UTF-8 form, and the engine stores UTF-8.
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadValue("a string with half a character (a lone surrogate)") from error


def freeze(value: Value) -> Hashable:
    """Return a key that is equal for two values exactly when they are the same value.

    Python's own equality does not do: it takes 1, 1.0 and True for the same, and 0.0 for -0.0.
    """
    if isinstance(value, dict):
        return dict, frozenset((key, freeze(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(freeze(item) for item in value)
    if isinstance(value, float):
        return float, struct.pack(">d", value)
    return type(value), value


def plain(value: Value) -> Plain:
    """Return a value as JSON has it.

    Bytes become `{"$bytes": BASE64}` and timestamps `{"$time": "2024-05-06T07:08:09.010Z"}`. A
    map with a single key that begins with `$` is wrapped as `{"$map": ...}`, so that every value
    comes back from `from_plain` as it was.
    """
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Timestamp):
        moment = value.to_datetime().replace(tzinfo=None)
        return {"$time": moment.isoformat(timespec="milliseconds") + "Z"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        copy = {key: plain(item) for key, item in value.items()}
        return {"$map": copy} if _is_marked(copy) else copy
    return value


def from_plain(tree: Plain) -> Value:
    """Return the value that JSON stands for; the inverse of `plain`, bounded.

    Raises:
        BadValue: Not such a value, or one that `check` refuses.
    """
    # Wrapping adds one level for each map, and a leaf may be a map of its own.
    value = _from_plain(tree, 2 * VALUE_DEPTH_MAX + 1)
    check(value)
    return value


def _from_plain(tree: Plain, depth: int) -> Value:
    if depth == 0:
        raise BadValue(f"a value nested deeper than {VALUE_DEPTH_MAX} levels")
    if isinstance(tree, list):
        return [_from_plain(item, depth - 1) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if _is_marked(tree):
        return _from_marked(tree, depth)
    return {key: _from_plain(item, depth - 1) for key, item in tree.items()}


def _is_marked(tree: dict[str, Plain]) -> bool:
    return len(tree) == 1 and next(iter(tree)).startswith("$")


def _from_marked(tree: dict[str, Plain], depth: int) -> Value:
    match tree:
        case {"$bytes": str(encoded)}:
            return _from_base64(encoded)
        case {"$time": str(written)}:
            return _from_iso(written)
        case {"$map": dict(inner)}:
            return {key: _from_plain(item, depth - 1) for key, item in inner.items()}
        case _:
            (mark,) = tree
            raise BadValue(
                f"{mark!r} marks no kind of value that is known",
                hint='Marks are {"$bytes": base64}, {"$time": iso} and {"$map": {...}}.',
            )


def _from_base64(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadValue(f"$bytes must be base64: {error}") from error


def _from_iso(written: str) -> Timestamp:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise BadValue(f"$time must be a time as ISO 8601 has it: {error}") from error
    if moment.tzinfo is None:
        raise BadValue("$time needs a time zone", hint="Put a Z behind a time in UTC.")
    return Timestamp.from_datetime(moment)
