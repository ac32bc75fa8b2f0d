"""Answers what repair asks the store. Everything here runs in the reader's thread."""

from collections.abc import Iterator, Sequence, Set
from typing import Final, assert_never

from p2pvault.core.inquiries import (
    CountsLoaded,
    Finding,
    Inquiry,
    LoadCounts,
    LoadRanges,
    LoadWhole,
    RangesLoaded,
    WholeLoaded,
)
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import weigh_stored
from p2pvault.crypto.hashing import fingerprint_item
from p2pvault.errors import CrdtError, StoreCorrupt, StoreUnwritable
from p2pvault.limits import ENTRY_WORK_MAX, INDEX_PAGE_ROWS, RANGE_PARTS, SNAPSHOT_BYTES_MAX
from p2pvault.protocol.ranges import Adder, Part, RangeState, RangeSum, items_wanted, state_of
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.store.port import Reader
from p2pvault.types import AuthorId, Fingerprint, RecordId, RecordRow, StoredRecord

_NOBODY = AuthorId(bytes(16))
"""The actor of records that are only loaded to be looked at."""

_MODULUS = 2**256

UNREADABLE: Final = (StoreCorrupt, StoreUnwritable)
"""What reading raises where a page does not check out, and where the disk does not give it."""


def inquire(reader: Reader, inquiry: Inquiry) -> Finding:
    """Answer one question.

    Raises:
        StoreError: What the store raises.
    """
    match inquiry:
        case LoadCounts(link, key, corrections):
            return CountsLoaded(link, wrong_fingerprints(reader, key), corrections)
        case LoadRanges(link, key, parts, without):
            states = tuple(range_state(reader, key, part, without) for part in parts)
            return RangesLoaded(link, parts, states)
        case LoadWhole():
            return _load_whole(reader, inquiry)
        case _:
            assert_never(inquiry)


def wrong_fingerprints(reader: Reader, key: bytes) -> tuple[tuple[Fingerprint, Fingerprint], ...]:
    """Return (stored, counted) for every collection whose stored fingerprint is wrong."""
    totals: dict[str, tuple[int, int]] = {}
    with reader.standstill():
        for row in index_rows(reader):
            total, count = totals.get(row.collection, (0, 0))
            item = fingerprint_item(key, row.id, row.heads)
            totals[row.collection] = (total + item) % _MODULUS, count + (not row.deleted)
        stored = {each.collection: each for each in reader.collections()}
    wrong = []
    for name in sorted(totals.keys() | stored.keys()):
        counted = Fingerprint(name, *totals.get(name, (0, 0)))
        held = stored.get(name, Fingerprint(name, 0, 0))
        if held != counted:
            wrong.append((held, counted))
    return tuple(wrong)


def index_rows(
    reader: Reader,
    lower: bytes = b"",
    upper: bytes | None = None,
    without: Set[str] = frozenset(),
) -> Iterator[RecordRow]:
    """Walk over the index by record id, in pages, deleted records included."""
    while True:
        page = reader.index(lower, upper, INDEX_PAGE_ROWS)
        yield from (row for row in page if row.collection not in without)
        if len(page) < INDEX_PAGE_ROWS:
            return
        lower = page[-1].id + b"\x00"


def range_state(
    reader: Reader, key: bytes, part: Part, without: Set[str] = frozenset()
) -> RangeState:
    """Work out what the index holds in one range, but for some collections."""
    with reader.standstill():
        count = _count(reader, part, without)
        rows = index_rows(reader, part.lower, part.upper, without)
        hashed = ((row.id, fingerprint_item(key, row.id, row.heads)) for row in rows)
        if count <= items_wanted(part):
            return _listed(list(hashed))
        return _divided(part, hashed, -(-count // RANGE_PARTS))


def _count(reader: Reader, part: Part, without: Set[str]) -> int:
    if not without:
        return reader.index_count(part.lower, part.upper)
    return sum(1 for _ in index_rows(reader, part.lower, part.upper, without))


def _listed(hashed: list[tuple[RecordId, int]]) -> RangeState:
    whole = Adder()
    for _, item in hashed:
        whole.add(item)
    items = tuple((record, state_of(item)) for record, item in hashed)
    return RangeState(whole.fingerprint, items)


def _divided(part: Part, hashed: Iterator[tuple[RecordId, int]], rows_each: int) -> RangeState:
    """Cut a range into parts of equal numbers of records, which lie without a gap."""
    whole, adders, bounds = Adder(), [Adder()], [part.lower]
    for record, item in hashed:
        if adders[-1].count == rows_each:
            adders.append(Adder())
            bounds.append(record)
        adders[-1].add(item)
        whole.add(item)
    uppers = [*bounds[1:], part.upper]
    parts = zip(bounds, uppers, adders, strict=True)
    return RangeState(
        whole.fingerprint,
        parts=tuple(RangeSum(lower, upper, adder.fingerprint) for lower, upper, adder in parts),
    )


def _load_whole(reader: Reader, load: LoadWhole) -> WholeLoaded:
    found: list[RecordSnapshot] = []
    damaged: list[RecordId] = []
    size = work = 0
    for record in load.ids:
        for stored in read_one(reader, record):
            if stored is not None:
                size += sum(map(len, stored.chunks))
                work += weigh_stored(stored.chunks)
            # To see whether it is sound, it is loaded.
            if found and (size > load.bytes_max or work > ENTRY_WORK_MAX):
                return WholeLoaded(load.link, tuple(found), tuple(damaged))
            if stored is None or not is_sound(stored):
                damaged.append(record)
                continue
            found.append(RecordSnapshot(record, stored.row.heads, b"".join(stored.chunks)))
    return WholeLoaded(load.link, tuple(found), tuple(damaged))


def read_one(reader: Reader, record: RecordId) -> Sequence[StoredRecord | None]:
    """Return a record, None where it cannot be read, or nothing where it is not there."""
    try:
        return reader.records([record])
    except UNREADABLE:
        return [None]


def is_sound(stored: StoredRecord) -> bool:
    """Tell whether a record's chunks lead to what the index says of it, and may travel."""
    try:
        record = Record.load(_NOBODY, stored.chunks, stored.row.heads)
    except CrdtError:
        return False
    row = stored.row
    said = (row.collection, row.name, row.deleted)
    fits = record.size <= SNAPSHOT_BYTES_MAX
    return fits and (record.collection, record.name, record.deleted) == said
