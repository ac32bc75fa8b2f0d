"""Show the value of a record, or of one field of it, to a person. Pure; prints nothing."""

import base64
import binascii
import json
from collections.abc import Iterator

from p2pvault.cli.wording import columns, count, one_line
from p2pvault.control.messages import Json, JsonObject


def raw_bytes(value: Json) -> bytes | None:
    """Return the bytes that a value marks as such, or None where it marks none."""
    encoded = _marked(value, "$bytes")
    if not isinstance(encoded, str):
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None


def plain_text(value: Json) -> str:
    """Return one field as a script wants it: text without quotes, everything else as JSON."""
    if isinstance(value, str):
        return value
    moment = _marked(value, "$time")
    if isinstance(moment, str):
        return moment
    return json.dumps(_unwrapped(value), ensure_ascii=False, indent=2)


def record_lines(value: JsonObject) -> list[str]:
    """Return a whole record as aligned `field  value` lines, longer texts indented below."""
    rows = list(_fields(value, ""))
    if not rows:
        return []
    aligned = columns([(name, "") for name, _ in rows], gap="")
    room = max(map(len, columns([(name, "|") for name, _ in rows]))) - 1
    return [
        line
        for name, (_, text) in zip(aligned, rows, strict=True)
        for line in _indented(name, text, room)
    ]


def _fields(value: JsonObject, prefix: str) -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        way = prefix + one_line(name)
        inner = _unwrapped(item)
        if isinstance(inner, dict) and inner and not _is_marked(item):
            yield from _fields(inner, way + ".")
        else:
            yield way, _cell(item)


def _cell(value: Json) -> str:
    data = raw_bytes(value)
    if data is not None:
        return f"({count(len(data), 'byte')})"
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return plain_text(value)


def _indented(name: str, text: str, room: int) -> list[str]:
    # A text file ends with a line feed, which is no empty line.
    first, *rest = text.removesuffix("\n").split("\n")
    return [f"{name:<{room}}{first}".rstrip(), *((" " * room + line).rstrip() for line in rest)]


def _is_marked(value: Json) -> bool:
    return any(_marked(value, mark) is not None for mark in ("$bytes", "$time"))


def _unwrapped(value: Json) -> Json:
    """Take a map out of the mark that keeps it apart from bytes and times."""
    inner = _marked(value, "$map")
    return value if inner is None else inner


def _marked(value: Json, mark: str) -> Json:
    return value[mark] if isinstance(value, dict) and value.keys() == {mark} else None
