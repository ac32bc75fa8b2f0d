"""Searching by ranges: two indexes, any differences, and exactly those are found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.memory_store import MemoryStore
from p2pvault.core.inquiries import LoadRanges
from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from p2pvault.limits import (
    MESSAGE_BYTES_MAX,
    RANGE_ITEMS_MAX,
    RANGES_MESSAGE_BYTES_MAX,
    RANGES_PER_MESSAGE_MAX,
)
from p2pvault.node.inquiring import inquire
from p2pvault.protocol.ranges import (
    FIRST,
    Part,
    RangeList,
    RangeState,
    RangeSum,
    Search,
    decode_ranges,
    encode_ranges,
)
from p2pvault.types import Batch, ChangeHash, LinkId, RecordId, RecordRow, RecordWrite
from p2pvault.wire.codec import pack

KEY = b"k" * 32
WHOLE: tuple[Part, ...] = (RangeSum(FIRST, None, bytes(16)),)


def record(number: int) -> RecordId:
    return RecordId(number.to_bytes(16, "big"))


def store_of(heads: dict[int, int]) -> MemoryStore:
    """Return a store of records whose heads stand for their content."""
    store = MemoryStore()
    writes = tuple(
        RecordWrite(
            RecordRow(record(n), "notes", str(n), False, (ChangeHash(head.to_bytes(32, "big")),)),
            b"x",
            replaces=True,
        )
        for n, head in heads.items()
    )
    store.persist(Batch(records=writes))
    return store


class Side:
    def __init__(self, heads: dict[int, int]) -> None:
        self.store, self.search = store_of(heads), Search()
        self.wanted: set[RecordId] = set()

    def hear(self, parts: tuple[Part, ...]) -> bytes:
        """Answer a message; an empty answer is none where there is nothing to say to it."""
        if not parts:
            return self.search.proceed() if self.search.backlog else b""
        found = inquire(self.store, LoadRanges(LinkId(1), KEY, parts))
        body, wanted = self.search.answer(found.parts, found.states)
        self.wanted |= set(wanted)
        return body


def searched(ours: dict[int, int], theirs: dict[int, int]) -> tuple[Side, Side, int, int]:
    """Search to the end; return both sides, the messages and their bytes."""
    one, other = Side(ours), Side(theirs)
    body, messages, size = one.hear(WHOLE), 0, 0
    sides = [other, one]
    while body:
        assert len(body) <= MESSAGE_BYTES_MAX
        messages, size = messages + 1, size + len(body)
        body = sides[0].hear(decode_ranges(body))
        sides.reverse()
    return one, other, messages, size


def check(ours: dict[int, int], theirs: dict[int, int]) -> tuple[int, int]:
    one, other, messages, size = searched(ours, theirs)
    assert one.wanted == {record(n) for n, head in theirs.items() if ours.get(n) != head}
    assert other.wanted == {record(n) for n, head in ours.items() if theirs.get(n) != head}
    return messages, size


indexes = st.dictionaries(st.integers(0, 400), st.integers(0, 2), max_size=200)


@given(indexes, indexes)
@settings(max_examples=150)
def test_exactly_what_differs_is_found_on_both_sides(ours: dict[int, int], theirs: dict[int, int]):
    check(ours, theirs)


@pytest.mark.heavy
@given(
    st.integers(0, 5_000),
    st.lists(st.tuples(st.integers(0, 6_000), st.integers(0, 3)), max_size=40),
)
@settings(max_examples=40)
def test_few_differences_in_many_records(size: int, edits: list[tuple[int, int]]):
    ours = dict.fromkeys(range(size), 0)
    theirs = ours | dict(edits)
    for n, head in edits:
        if head == 3:
            theirs.pop(n, None)
    check(ours, theirs)


def test_one_side_that_lost_everything_gets_everything():
    full = dict.fromkeys(range(3_000), 1)
    check(full, {})
    check({}, full)
    check({}, {})


@pytest.mark.heavy
def test_the_cost_is_in_the_differences():
    ours = dict.fromkeys(range(20_000), 0)
    messages, size = check(ours, ours | {777: 1})
    assert messages <= 7
    assert size < 4_000
    messages, size = check(ours, ours | dict.fromkeys(range(19_000, 19_100), 1))
    assert size < 20_000
    assert messages <= 8


def part(lower: int, upper: int | None, items: tuple[int, ...] | None = None) -> Part:
    ends = record(lower), None if upper is None else record(upper)
    if items is None:
        return RangeSum(*ends, bytes(16))
    return RangeList(*ends, tuple((record(n), bytes(16)) for n in items), asks=True)


def test_parts_travel():
    parts = (part(0, 3), part(3, 9, (4, 8)), part(9, None, ()))
    assert decode_ranges(encode_ranges(parts)) == parts
    assert decode_ranges(encode_ranges(())) == ()


@pytest.mark.parametrize(
    "parts",
    [
        (part(5, 5),),
        (part(5, 4),),
        (part(0, None), part(5, 6)),
        (part(0, 6), part(5, 9)),
        (part(0, 6, (7,)),),
        (part(3, 6, (2,)),),
        (part(0, 6, (2, 2)),),
        (part(0, 6, (3, 2)),),
    ],
)
def test_ranges_that_make_no_sense_are_refused(parts: tuple[Part, ...]):
    with pytest.raises(MalformedMessage):
        decode_ranges(encode_ranges(parts))


@pytest.mark.parametrize(
    "body",
    [
        pack([]),
        pack([[], [], []]),
        pack([[[bytes(15), None, bytes(16)]], []]),
        pack([[[bytes(16), None, bytes(15)]], []]),
    ],
)
def test_malformed_ranges_are_refused(body: bytes):
    with pytest.raises(RemoteProtocolError):
        decode_ranges(body)


def test_numbers_of_ranges_and_items_are_bounded():
    many = [part(n, n + 1) for n in range(RANGES_PER_MESSAGE_MAX // 2 + 1)]
    lists = [part(n + 5_000, n + 5_001, ()) for n in range(RANGES_PER_MESSAGE_MAX // 2)]
    with pytest.raises(LimitExceeded):
        decode_ranges(encode_ranges([*many, *lists]))
    with pytest.raises(LimitExceeded):
        decode_ranges(encode_ranges([part(0, None, tuple(range(RANGE_ITEMS_MAX + 1)))]))


def test_a_message_carries_as_many_lists_as_fit():
    items = tuple((record(n), bytes(16)) for n in range(RANGE_ITEMS_MAX))
    search = Search(backlog=[RangeList(FIRST, None, items, asks=False)] * 64)
    one = len(encode_ranges(search.backlog[:1]))
    body = search.proceed()
    assert RANGES_MESSAGE_BYTES_MAX < len(body) < RANGES_MESSAGE_BYTES_MAX * 9 / 8 + one


def test_a_peer_that_always_differs_meets_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("p2pvault.protocol.ranges.RANGES_BACKLOG_MAX", 3)
    search = Search()
    parts = tuple(RangeSum(record(n), record(n + 1), bytes(16)) for n in range(4))
    state = RangeState(b"o" * 16, ())
    search.answer(parts[:3], [state] * 3)
    assert not search.backlog, "as many as are allowed are compared"
    with pytest.raises(LimitExceeded):
        search.answer(parts, [state] * 4)
