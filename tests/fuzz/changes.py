"""Fuzzing the pre-filter, and behind it the engine, with changes whose checksum is right.

The first byte chooses: a body that is framed here, plain, deflated, or as a change that follows
another one, or a chunk as it is.
"""

import zlib
from functools import cache
from random import Random

from fuzz.target import Target, chosen
from harness.records import ADA, EVE, RawDocument, assembled, body_of, deflated, random_data, sealed
from p2pvault.crdt.chunk import DEFLATED_CHANGE, encode_unsigned, split
from p2pvault.crdt.engine import MAP, ROOT
from p2pvault.crdt.prefilter import Change, inspect, weigh
from p2pvault.crdt.record import Record
from p2pvault.errors import ChangeRefused, CrdtError
from p2pvault.limits import CHANGE_OPERATIONS_MAX


def run(data: bytes) -> None:
    """Filter a change; what passes is what it says, and at worst an error of ours."""
    way, rest = chosen(4, data)
    chunk = (sealed, deflated, _inflating, lambda raw: raw)[way](rest)
    try:
        change = inspect(chunk)
    except ChangeRefused:
        return
    assert 1 <= change.operations <= CHANGE_OPERATIONS_MAX
    assert change.operations < weigh(chunk)
    assert split(chunk) == [chunk]
    assert change.chunk == chunk
    _apply(change)


def _inflating(data: bytes) -> bytes:
    """Frame bytes as the deflated form of something, whose checksum is right if it inflates."""
    try:
        body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, 1 << 20)
    except zlib.error:
        body = b""
    return sealed(body)[:8] + bytes([DEFLATED_CHANGE]) + encode_unsigned(len(data)) + data


def _apply(change: Change) -> None:
    try:
        record = _follow(change) if change.deps else Record.receive(ADA, [change])
    except CrdtError:
        return
    try:
        record.value()
        record.commit({"body": "another text"})
        record.snapshot()
    except CrdtError:
        return


def _follow(change: Change) -> Record:
    saved, heads, _ = _made()
    record = Record.load(ADA, [saved], heads)
    record.apply([change])
    return record


@cache
def _made() -> tuple[bytes, tuple[bytes, ...], list[bytes]]:
    """Return a record, its heads, and plain changes of every sort, the first of which makes it."""
    random = Random(23)
    record, first = Record.create(ADA, "notes", "one", {**random_data(random), "body": "a text"})
    saved, heads = record.snapshot(), record.heads
    raw = RawDocument(EVE, saved)
    chunks = [first, raw.change(("put_object", raw.child(ROOT, "data"), "made", MAP))]
    other = Record.load(EVE, [saved], heads)
    for number in range(6):
        made = other.commit({**random_data(random), "body": f"text {number}", "n": [number, None]})
        assert made is not None
        chunks.append(made)
    return saved, heads, [chunk for chunk in chunks if chunk[8] == 1]


def seeds() -> list[bytes]:
    """Return bodies of changes, one made by hand, and whole chunks."""
    bodies = [body_of(chunk) for chunk in _made()[2]]
    by_hand = assembled({0x15: b"\x7f\x01a", 0x34: b"\x01", 0x42: b"\x01\x01"})
    return [
        *(b"\x00" + body for body in [*bodies, by_hand]),
        b"\x01" + bodies[0],
        b"\x02" + deflated(bodies[0])[11:],
        b"\x03" + sealed(bodies[0]),
        b"\x03" + deflated(bodies[0]),
    ]


TARGET = Target("prefilter", run, seeds)
