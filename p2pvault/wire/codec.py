"""Canonical msgpack: `pack` and `unpack`, and the check that one undoes the other.

Bounds are the caller's: `unpack` takes the largest number of bytes it may look at. The library
refuses lengths beyond the input by itself; nesting, item counts and the total number of objects
are bounded here, since 16.8 MB of empty maps within all other bounds take 1.1 GB.
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

_INTEGER_MAX: Final = 2**64 - 1
_INTEGER_MIN: Final = -(2**63)


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
    try:
        tree: Tree = msgpack.unpackb(
            data,
            use_list=True,
            raw=False,
            strict_map_key=True,
            max_array_len=WIRE_ARRAY_ITEMS_MAX,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise MalformedMessage(f"bytes that are no message: {error}") from error
    _check(tree)
    if pack(tree) != data:
        raise MalformedMessage("a message in another encoding than the canonical one")
    return tree


def _check(tree: Tree) -> None:
    """Bound depth and number of objects without recursion; refuse foreign types."""
    level: list[Tree] = [tree]
    depth = objects = 0
    while level:
        depth += 1
        objects += len(level)
        if depth > WIRE_DEPTH_MAX:
            raise LimitExceeded(f"a message nested deeper than {WIRE_DEPTH_MAX} levels")
        if objects > WIRE_OBJECTS_MAX:
            raise LimitExceeded(f"a message of more than {WIRE_OBJECTS_MAX} objects")
        level = [item for node in level for item in _children(node)]


def _children(node: object) -> list[Tree]:
    if isinstance(node, list):
        return node
    if node is None or isinstance(node, bool | bytes | str):
        return []
    if isinstance(node, int) and _INTEGER_MIN <= node <= _INTEGER_MAX:
        return []
    raise MalformedMessage(f"a {type(node).__name__} where no such type ever travels")
