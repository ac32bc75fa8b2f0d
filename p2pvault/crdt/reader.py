"""From the engine's objects to values.

Reading bounds the depth, because objects come from other devices; it does not bound the number
of values, because merging two large edits may rightly go above what one edit may write.
"""

from datetime import datetime

from p2pvault.crdt.engine import LIST, MAP, TEXT, Entry, ObjectId, View
from p2pvault.crdt.values import Timestamp, Value
from p2pvault.errors import CrdtError
from p2pvault.limits import VALUE_DEPTH_MAX


def read(
    view: View, entry: Entry, heads: list[bytes] | None = None, depth: int = VALUE_DEPTH_MAX
) -> Value:
    """Return the value of an entry, now or as it was at some heads.

    Raises:
        CrdtError: Nested deeper than VALUE_DEPTH_MAX, or the engine failed (inside `shield`).
    """
    content, child = entry
    if isinstance(content, tuple):
        return scalar(content[1])
    if content == TEXT:
        return view.text(child, heads)
    if depth <= 1:
        raise CrdtError(f"a value nested deeper than {VALUE_DEPTH_MAX} levels")
    if content == MAP:
        return read_map(view, child, heads, depth)
    assert content == LIST, "the engine has maps, lists and texts"
    return [read(view, item, heads, depth - 1) for item in _values(view, child, heads)]


def read_map(
    view: View, obj: ObjectId, heads: list[bytes] | None = None, depth: int = VALUE_DEPTH_MAX
) -> dict[str, Value]:
    """Return the value of a map object; see `read`."""
    return {
        key: read(view, entry, heads, depth - 1)
        for key, entry in read_entries(view, obj, heads).items()
    }


def read_entries(view: View, obj: ObjectId, heads: list[bytes] | None = None) -> dict[str, Entry]:
    """Return a map object's entries as the engine has them, one level deep."""
    keys = view.keys(obj, heads)
    return dict(zip(keys, _values(view, obj, heads), strict=True))


def _values(view: View, obj: ObjectId, heads: list[bytes] | None) -> list[Entry]:
    return view.values(obj, heads)


def scalar(value: bool | int | float | str | bytes | datetime | None) -> Value:
    """Return the engine's scalar as a value: only its local datetimes look different."""
    if isinstance(value, datetime):
        # The binding makes a naive datetime in local time, with `fold` set where a clock was
        # put back, so that timestamp() finds the instant again.
        return Timestamp(round(value.timestamp() * 1000))
    return value
