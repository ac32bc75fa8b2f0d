"""Canonical msgpack: `pack` and `unpack`, and the check that one undoes the other.

Bounds are the caller's: `unpack` takes the largest number of bytes it may look at. Types, nesting,
item counts and the total number of objects are checked on the encoded bytes, before anything is
made of them: 1.1 MB of empty arrays would take 80 MB, and 16.8 MB of empty maps 1.1 GB.
"""

from typing import Final

import msgpack

from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.limits import (
    MESSAGE_BYTES_MAX,
    WIRE_ARRAY_ITEMS_MAX,
    WIRE_DEPTH_MAX,
    WIRE_OBJECTS_MAX,
)

Tree = None | bool | int | bytes | str | list["Tree"]
"""What travels. No maps, no floats, no extension types: arrays by position are enough."""

# First bytes by the msgpack specification, "Formats".
_FIXED_BYTES: Final = (
    dict.fromkeys([*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3], 1)
    | {0xA0 + size: 1 + size for size in range(32)}  # short strings
    | {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}  # unsigned
    | {0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}  # signed
)
_LENGTH_BYTES: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # bytes, strings
_COUNT_BYTES: Final = dict.fromkeys(range(0x90, 0xA0), 0) | {0xDC: 2, 0xDD: 4}  # arrays


def pack(tree: Tree) -> bytes:
    """Encode a tree in its only encoding.

    Args:
        tree: Nested lists of None, bool, int (64 bits), bytes and str.

    Returns:
        The msgpack bytes.
    """
    packed: bytes = msgpack.packb(tree, use_bin_type=True, strict_types=True)
    return packed


def unpack(data: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> Tree:
    """Decode one tree and insist on its only encoding.

    Args:
        data: Exactly one encoded tree.
        bytes_max: Longest input to look at.

    Returns:
        The tree.

    Raises:
        LimitExceeded: Too long, too deep, or too many items.
        MalformedMessage: Not msgpack, a type that never travels, or not canonical.
    """
    if len(data) > bytes_max:
        raise LimitExceeded(f"a message of {len(data)} bytes, at most {bytes_max} are allowed")
    _check(data)
    try:
        tree: Tree = msgpack.unpackb(data, use_list=True, raw=False)
    except ValueError as error:
        raise MalformedMessage(f"bytes that are no message: {error}") from error
    if pack(tree) != data:
        raise MalformedMessage("a message in another encoding than the canonical one")
    return tree


def _check(data: bytes) -> None:
    """Walk over the headers, without making anything of what is between them."""
    at = objects = 0
    missing = [1]
    while missing:
        if not missing[-1]:
            missing.pop()
            continue
        missing[-1] -= 1
        objects += 1
        if len(missing) > WIRE_DEPTH_MAX:
            raise LimitExceeded(f"a message nested deeper than {WIRE_DEPTH_MAX} levels")
        if objects > WIRE_OBJECTS_MAX:
            raise LimitExceeded(f"a message of more than {WIRE_OBJECTS_MAX} objects")
        size, items = _header(data, at)
        at += size
        if items:
            missing.append(items)
    if at != len(data):
        raise MalformedMessage("bytes that are no message: cut off, or more than one")


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Return the size of what begins at `at`, and how many items follow that belong to it."""
    first = data[at] if at < len(data) else -1
    if first in _FIXED_BYTES:
        return _FIXED_BYTES[first], 0
    if first in _LENGTH_BYTES:
        width = _LENGTH_BYTES[first]
        return 1 + width + _number(data, at + 1, width), 0
    if first in _COUNT_BYTES:
        width = _COUNT_BYTES[first]
        items = _number(data, at + 1, width) if width else first & 0x0F
        if items > WIRE_ARRAY_ITEMS_MAX:
            raise LimitExceeded(f"an array of more than {WIRE_ARRAY_ITEMS_MAX} items")
        return 1 + width, items
    raise MalformedMessage("a message that is cut off, or a type that never travels")


def _number(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "big")
