"""Finding out which records differ, by fingerprints of ranges of record ids.

Two devices with equal journals and different content compare one fingerprint over all records,
then over sixteenths of what differs, and so on; a range of few records is listed, id by id. It
takes few round trips, and bytes in the number of differences (range-based set reconciliation,
Meyer, arXiv 2212.13567).

    RANGES = [[[lower, upper, fingerprint], ...],
              [[lower, upper, [[record, state], ...], asks], ...]]

A range goes from `lower` on and ends before `upper` (nil: at the end). A fingerprint is 16 bytes
over count and sum of the same keyed items that the content digest is made of; `state` is the first
half of such an item. Every RANGES but an empty one is answered by exactly one; an empty one says
that the sender has nothing to compare at the moment.

Nothing here looks at records or remembers anything but what is still to be sent.
docs/protocol/journal.md is the specification.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from p2pvault.crypto.hashing import digest
from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.limits import (
    RANGE_ITEMS_MAX,
    RANGE_LISTED_MAX,
    RANGES_BACKLOG_MAX,
    RANGES_MESSAGE_BYTES_MAX,
    RANGES_PER_MESSAGE_MAX,
)
from p2pvault.types import RecordId
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import boolean, exactly, optional, pair, sequence, structure, to_tree

STATE_BYTES = 16
"""Of a record's item and of a range's fingerprint on the wire: equal by chance once in 2**64 tries,
and only members see them."""

FIRST = RecordId(bytes(16))
"""Where the range of all records begins."""

_MODULUS = 2**256

Item = tuple[RecordId, bytes]
"""A record, and the first STATE_BYTES of the keyed item of its heads."""


@dataclass(frozen=True, slots=True)
class RangeSum:
    """What one side holds in a range, in one fingerprint."""

    lower: RecordId
    upper: RecordId | None
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class RangeList:
    """What one side holds in a range, record by record.

    Attributes:
        lower: The range begins here.
        upper: It ends before this.
        items: Sorted by id.
        asks: Whether the other side shall list what it holds otherwise.
    """

    lower: RecordId
    upper: RecordId | None
    items: tuple[Item, ...]
    asks: bool


Part = RangeSum | RangeList


@dataclass(frozen=True, slots=True)
class RangeState:
    """What a store holds in a range.

    Attributes:
        fingerprint: Over all of it.
        items: Every record, where they are few enough; else None.
        parts: The range in sixteenths, where they are not.
    """

    fingerprint: bytes
    items: tuple[Item, ...] | None = None
    parts: tuple[RangeSum, ...] = ()


@dataclass(frozen=True, slots=True)
class _Message:
    sums: tuple[RangeSum, ...]
    lists: tuple[RangeList, ...]


_id = exactly(16)
_read = structure(
    _Message,
    sequence(structure(RangeSum, _id, optional(_id), exactly(STATE_BYTES)), RANGES_PER_MESSAGE_MAX),
    sequence(
        structure(
            RangeList,
            _id,
            optional(_id),
            sequence(pair(_id, exactly(STATE_BYTES)), RANGE_ITEMS_MAX),
            boolean,
        ),
        RANGES_PER_MESSAGE_MAX,
    ),
)


def encode_ranges(parts: Sequence[Part]) -> bytes:
    """Return the body of a RANGES message; the parts are sorted by where they begin."""
    ordered = sorted(parts, key=lambda part: part.lower)
    sums = tuple(part for part in ordered if isinstance(part, RangeSum))
    lists = tuple(part for part in ordered if isinstance(part, RangeList))
    return pack(to_tree(_Message(sums, lists)))


def decode_ranges(body: bytes) -> tuple[Part, ...]:
    """Read the body of a RANGES message.

    No two ranges of a message overlap, so that one message costs one walk over the index.

    Raises:
        MalformedMessage: Ranges that are empty, out of order or overlap, or items outside theirs.
        LimitExceeded: Too many.
    """
    message = _read(unpack(body))
    parts: list[Part] = sorted([*message.sums, *message.lists], key=lambda part: part.lower)
    if len(parts) > RANGES_PER_MESSAGE_MAX:
        raise LimitExceeded(f"a message of {len(parts)} ranges")
    for part in parts:
        if part.upper is not None and part.upper <= part.lower:
            raise MalformedMessage("a range that ends before it begins")
        if isinstance(part, RangeList):
            _check_items(part)
    for before, after in pairwise(parts):
        if before.upper is None or after.lower < before.upper:
            raise MalformedMessage("ranges that overlap")
    return tuple(parts)


def _check_items(part: RangeList) -> None:
    ids = [record for record, _ in part.items]
    if any(left >= right for left, right in pairwise(ids)):
        raise MalformedMessage("a list of records that is not sorted, or names one twice")
    if ids and (ids[0] < part.lower or (part.upper is not None and ids[-1] >= part.upper)):
        raise MalformedMessage("a record outside the range that lists it")


def state_of(item: int) -> bytes:
    """Return the state of a record as it is listed, from its keyed item."""
    return item.to_bytes(32, "big")[:STATE_BYTES]


@dataclass(slots=True)
class Adder:
    """Adds up the items of a range."""

    count: int = 0
    total: int = 0

    def add(self, item: int) -> None:
        """Count one record by its keyed item."""
        self.count += 1
        self.total = (self.total + item) % _MODULUS

    @property
    def fingerprint(self) -> bytes:
        """What travels of it."""
        numbers = self.count.to_bytes(8, "big"), self.total.to_bytes(32, "big")
        return digest(b"p2pv-range", *numbers, size=STATE_BYTES)


def items_wanted(part: Part) -> int:
    """Return up to how many records of a range an answer lists rather than divides it."""
    return RANGE_ITEMS_MAX if isinstance(part, RangeList) else RANGE_LISTED_MAX


@dataclass(slots=True)
class Search:
    """One side of a search on one link: what to compare next, deepest first.

    Attributes:
        running: Whether the peer owes us an answer, or we owe it one.
        backlog: Parts that did not fit a message yet; bounded by RANGES_BACKLOG_MAX.
    """

    running: bool = False
    backlog: list[Part] = field(default_factory=list)

    def answer(
        self, theirs: Iterable[Part], ours: Iterable[RangeState]
    ) -> tuple[bytes, list[RecordId]]:
        """Compare what the peer sent with what the store holds in the same ranges.

        Args:
            theirs: The parts of its message.
            ours: One for each of them.

        Returns:
            The body of the answer, and the records that the peer holds otherwise than we do.

        Raises:
            LimitExceeded: More to compare than any two vaults make.
        """
        wanted: list[RecordId] = []
        for part, state in zip(theirs, ours, strict=True):
            if isinstance(part, RangeList):
                wanted += self._compare_list(part, state)
            elif part.fingerprint != state.fingerprint:
                self._divide(part, state)
        if len(self.backlog) > RANGES_BACKLOG_MAX:
            raise LimitExceeded(f"more than {RANGES_BACKLOG_MAX} ranges to compare")
        return self.proceed(), wanted

    def proceed(self) -> bytes:
        """Return the body of the next message; an empty one ends the search on this side."""
        parts: list[Part] = []
        room_bytes = RANGES_MESSAGE_BYTES_MAX
        while self.backlog and len(parts) < RANGES_PER_MESSAGE_MAX and room_bytes > 0:
            parts.append(self.backlog.pop())
            room_bytes -= _size(parts[-1])
        self.running = bool(parts)
        return encode_ranges(parts)

    def _divide(self, part: Part, state: RangeState) -> None:
        if state.items is None:
            self.backlog += state.parts
        else:
            self.backlog.append(RangeList(part.lower, part.upper, state.items, asks=True))

    def _compare_list(self, part: RangeList, state: RangeState) -> list[RecordId]:
        if state.items is None:
            self.backlog += state.parts
            return []
        theirs, ours = dict(part.items), dict(state.items)
        if part.asks:
            differing = tuple(item for item in state.items if theirs.get(item[0]) != item[1])
            if differing:
                self.backlog.append(RangeList(part.lower, part.upper, differing, asks=False))
        return [record for record, its in part.items if ours.get(record) != its]


def _size(part: Part) -> int:
    return 64 + (2 * STATE_BYTES * len(part.items) if isinstance(part, RangeList) else 0)
