"""Document chunks for tests: taken apart into columns and put together by hand."""

import hashlib
import zlib
from dataclasses import dataclass

from p2pvault.crdt.chunk import encode_unsigned, frame, unsigned

DEFLATED = 0x08


def framed(body: bytes) -> bytes:
    """Return a document chunk with this body and a checksum that is right."""
    rest = b"\x00" + encode_unsigned(len(body)) + body
    return b"\x85\x6f\x4a\x83" + hashlib.sha256(rest).digest()[:4] + rest


def deflate(data: bytes) -> bytes:
    """Return raw deflate, as columns have it."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


def run(count: int, value: int) -> bytes:
    """Return one run of small unsigned numbers."""
    return _signed(count) + encode_unsigned(value)


def _signed(value: int) -> bytes:
    groups = bytearray()
    while not -64 <= value < 64:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value & 0x7F)
    return bytes(groups)


@dataclass
class Parts:
    """A document chunk in parts; columns by their plain specification, inflated."""

    actors: list[bytes]
    heads: list[bytes]
    changes: dict[int, bytes]
    operations: dict[int, bytes]
    tail: bytes

    def chunk(self, *, squeezed: frozenset[int] = frozenset()) -> bytes:
        """Put it together; columns of operations named in `squeezed` are deflated."""
        body = encode_unsigned(len(self.actors))
        body += b"".join(encode_unsigned(len(actor)) + actor for actor in self.actors)
        body += encode_unsigned(len(self.heads)) + b"".join(self.heads)
        stored = {
            column | DEFLATED if column in squeezed else column: (
                deflate(data) if column in squeezed else data
            )
            for column, data in self.operations.items()
        }
        for columns in (self.changes, stored):
            body += encode_unsigned(len(columns))
            for column, data in columns.items():
                body += encode_unsigned(column) + encode_unsigned(len(data))
        body += b"".join([*self.changes.values(), *stored.values()]) + self.tail
        return framed(body)


def taken_apart(chunk: bytes) -> Parts:
    """Return the parts of a document chunk."""
    _, start, stop = frame(chunk)
    body = chunk[start:stop]
    count, at = unsigned(body, 0)
    actors = []
    for _ in range(count):
        size, at = unsigned(body, at)
        actors.append(body[at : at + size])
        at += size
    count, at = unsigned(body, at)
    heads = [body[at + 32 * i : at + 32 * (i + 1)] for i in range(count)]
    at += 32 * count
    lists: list[list[tuple[int, int]]] = []
    for _ in range(2):
        count, at = unsigned(body, at)
        columns = []
        for _ in range(count):
            column, at = unsigned(body, at)
            size, at = unsigned(body, at)
            columns.append((column, size))
        lists.append(columns)
    cut: list[dict[int, bytes]] = []
    for columns in lists:
        found = {}
        for column, size in columns:
            data = body[at : at + size]
            at += size
            found[column & ~DEFLATED] = (
                zlib.decompress(data, -zlib.MAX_WBITS) if column & DEFLATED else data
            )
        cut.append(found)
    return Parts(actors, heads, cut[0], cut[1], body[at:])
