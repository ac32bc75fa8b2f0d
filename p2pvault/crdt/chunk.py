"""Chunks of the engine's binary format: their frame, their numbers, and their hash.

The format is the "Automerge Binary Document Format" (automerge-binary-format-spec, sections
"Chunk Container", "uLEB", "LEB"): magic, 4 bytes of checksum, a type byte, a length and a body.
This module reads frames from anyone, so every number is bounded; it must not look into bodies.
"""

import hashlib
import zlib
from typing import Final, NamedTuple

from p2pvault.errors import ChangeRefused
from p2pvault.limits import CHANGE_BYTES_MAX, CHANGE_INFLATED_BYTES_MAX
from p2pvault.types import ChangeHash

MAGIC: Final = b"\x85\x6f\x4a\x83"
DOCUMENT: Final = 0
CHANGE: Final = 1
DEFLATED_CHANGE: Final = 2

_FRAME_BYTES: Final = 9
"""Magic, checksum and type."""

_UNSIGNED_BYTES_MAX: Final = 10
"""A 64-bit number in groups of seven bits."""


class Frame(NamedTuple):
    """Where a chunk lies in a byte string: its type, and where its body begins and ends."""

    kind: int
    start: int
    stop: int


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number in its shortest form.

    Returns:
        The number, and the position after it.

    Raises:
        IndexError: The data ends inside the number.
        ChangeRefused: Not the shortest form, or above 64 bits.
    """
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    shift = 7
    for position in range(at + 1, at + _UNSIGNED_BYTES_MAX):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 or value >> 64:
                raise ChangeRefused("a number that is not in its shortest form, or too large")
            return value, position + 1
        shift += 7
    raise ChangeRefused("a number of more than 64 bits")


def signed(data: bytes, at: int) -> tuple[int, int]:
    """Read a signed LEB128 number in its shortest form.

    Returns:
        The number, and the position after it.

    Raises:
        IndexError: The data ends inside the number.
        ChangeRefused: Not the shortest form, or outside 64 bits.
    """
    byte = data[at]
    if byte < 0x80:
        return (byte if byte < 0x40 else byte - 0x80), at + 1
    value = byte & 0x7F
    shift = 7
    for position in range(at + 1, at + _UNSIGNED_BYTES_MAX):
        previous, byte = byte, data[position]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return _signed_value(value, shift, previous, byte), position + 1
    raise ChangeRefused("a number of more than 64 bits")


def _signed_value(value: int, shift: int, previous: int, last: int) -> int:
    """Extend the sign, and refuse a last byte that only repeats the sign of the one before."""
    if last == (0x7F if previous & 0x40 else 0x00):
        raise ChangeRefused("a number that is not in its shortest form")
    if last & 0x40:
        value -= 1 << shift
    if not -(1 << 63) <= value < 1 << 63:
        raise ChangeRefused("a number of more than 64 bits")
    return value


def encode_unsigned(value: int) -> bytes:
    """Write an unsigned number as LEB128."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def frame(data: bytes, at: int = 0) -> Frame:
    """Read the frame of the chunk that begins at a position.

    Raises:
        ChangeRefused: No chunk, or one that is longer than the data.
    """
    if data[at : at + 4] != MAGIC:
        raise ChangeRefused("bytes that are no chunk of the CRDT format")
    try:
        kind = data[at + 8]
        length, start = unsigned(data, at + _FRAME_BYTES)
    except IndexError as error:
        raise ChangeRefused("a chunk that ends inside its frame") from error
    if length > len(data) - start:
        raise ChangeRefused("a chunk that is shorter than it says")
    return Frame(kind, start, start + length)


def split(chunks: bytes) -> list[bytes]:
    """Cut concatenated chunks apart, without looking into them.

    Raises:
        ChangeRefused: Something else than whole chunks.
    """
    parts = []
    at = 0
    while at < len(chunks):
        stop = frame(chunks, at).stop
        parts.append(chunks[at:stop])
        at = stop
    return parts


def open_change(chunk: bytes) -> tuple[bytes, ChangeHash]:
    """Check a change chunk's frame and checksum, and inflate it.

    Returns:
        The body of the change, and its hash.

    Raises:
        ChangeRefused: Another kind of chunk, too long, with bytes behind it, not inflatable
            within bounds, or with a wrong checksum.
    """
    if len(chunk) > CHANGE_BYTES_MAX:
        raise ChangeRefused(f"a change of {len(chunk)} bytes, at most {CHANGE_BYTES_MAX} may be")
    kind, start, stop = frame(chunk)
    if stop != len(chunk):
        raise ChangeRefused("bytes behind a change")
    if kind == CHANGE:
        body = chunk[start:]
    elif kind == DEFLATED_CHANGE:
        body = _inflate(chunk[start:])
    else:
        raise ChangeRefused(f"a chunk of type {kind}, which is no change")
    digest = hashlib.sha256(b"\x01" + encode_unsigned(len(body)) + body).digest()
    if digest[:4] != chunk[4:8]:
        raise ChangeRefused("a change whose checksum is wrong")
    return body, ChangeHash(digest)


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(data, CHANGE_INFLATED_BYTES_MAX)
    except zlib.error as error:
        raise ChangeRefused(f"a change that does not inflate: {error}") from error
    if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise ChangeRefused(
            f"a change that inflates above {CHANGE_INFLATED_BYTES_MAX} bytes, or not to its end"
        )
    return body
