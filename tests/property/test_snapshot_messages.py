"""Record snapshots on the wire: in pieces and back, and nothing above the bounds."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError, UnexpectedMessage
from p2pvault.limits import (
    CHANGE_DEPENDENCIES_MAX,
    KIB,
    MESSAGE_BYTES_MAX,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_PIECE_BYTES_MAX,
    SNAPSHOTS_PER_MESSAGE_MAX,
    SNAPSHOTS_TOGETHER_BYTES_MAX,
)
from p2pvault.protocol.snapshot import Assembly, RecordSnapshot, encode_snapshots
from p2pvault.types import ChangeHash, RecordId
from p2pvault.wire.codec import Tree, pack

HEADS = (ChangeHash(bytes(32)),)
snapshots = st.builds(
    RecordSnapshot,
    st.binary(min_size=16, max_size=16).map(RecordId),
    st.sets(st.binary(min_size=32, max_size=32).map(ChangeHash), min_size=1, max_size=3).map(
        lambda heads: tuple(sorted(heads))
    ),
    st.one_of(
        st.binary(min_size=1, max_size=200),
        st.sampled_from([0, 1, SNAPSHOT_PIECE_BYTES_MAX]).map(
            lambda more: bytes(SNAPSHOT_PIECE_BYTES_MAX + more)
        ),
    ),
)


def snapshot(number: int, size: int) -> RecordSnapshot:
    return RecordSnapshot(RecordId(number.to_bytes(16, "big")), HEADS, bytes([number % 251]) * size)


@given(st.lists(snapshots, max_size=8))
def test_what_is_sent_arrives(sent: list[RecordSnapshot]):
    assembly = Assembly()
    bodies = list(encode_snapshots(sent))
    assert all(len(body) <= MESSAGE_BYTES_MAX for body in bodies)
    assert [whole for body in bodies for whole in assembly.take(body)] == sent
    assert assembly == Assembly()


def test_the_largest_snapshot_travels_and_small_ones_share_messages():
    whole = snapshot(1, SNAPSHOT_BYTES_MAX)
    assembly = Assembly()
    assert [s for body in encode_snapshots([whole]) for s in assembly.take(body)] == [whole]
    assert len(list(encode_snapshots([snapshot(n, 100) for n in range(1_000)]))) < 24


@given(st.lists(st.integers(1, 9 * KIB), max_size=20), st.integers(1, 3))
def test_no_message_carries_more_than_its_size_but_for_one_piece(sizes: list[int], heads: int):
    named = tuple(ChangeHash(bytes([n]) * 32) for n in range(heads))
    sent = [replace(snapshot(n, size), heads=named) for n, size in enumerate(sizes)]
    bodies = list(encode_snapshots(sent))
    for body in bodies:
        assert len(body) <= SNAPSHOTS_TOGETHER_BYTES_MAX or len(Assembly().take(body)) == 1
    for first, second in pairwise(bodies):
        assert len(first) + len(second) > SNAPSHOTS_TOGETHER_BYTES_MAX // 2, "none is for little"


def test_snapshots_that_together_could_inflate_to_any_size_are_refused():
    half = SNAPSHOTS_TOGETHER_BYTES_MAX // 2
    together = [piece_of(snapshot(n, half - 64)) for n in range(2)]
    assert len(pack(together)) <= SNAPSHOTS_TOGETHER_BYTES_MAX
    assert len(Assembly().take(pack(together))) == 2
    together.append(piece_of(snapshot(3, 1)))
    with pytest.raises(LimitExceeded, match="room for one"):
        Assembly().take(pack(together))
    assert len(Assembly().take(pack([piece_of(snapshot(1, 3 * half))]))) == 1


def test_many_heads_fit_a_message():
    heads = tuple(ChangeHash(n.to_bytes(32, "big")) for n in range(CHANGE_DEPENDENCIES_MAX))
    many = [RecordSnapshot(RecordId(bytes(16)), heads, b"x")] * 100
    bodies = list(encode_snapshots(many))
    assert max(map(len, bodies)) < MESSAGE_BYTES_MAX
    assert [s for body in bodies for s in Assembly().take(body)] == many


def piece_of(whole: RecordSnapshot) -> Tree:
    return [whole.record, list(whole.heads), len(whole.data), whole.data]


def piece(
    record: int = 1, heads: tuple[bytes, ...] = HEADS, size: int = 4, data: bytes = b"data"
) -> bytes:
    return pack([[record.to_bytes(16, "big"), list(heads), size, data]])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (pack([]), MalformedMessage),
        (pack(5), MalformedMessage),
        (piece(data=b""), MalformedMessage),
        (piece(heads=()), MalformedMessage),
        (piece(heads=(b"b" * 32, b"a" * 32)), MalformedMessage),
        (piece(heads=(b"a" * 32, b"a" * 32)), MalformedMessage),
        (piece(heads=(b"a",)), MalformedMessage),
        (piece(size=3), LimitExceeded),
        (piece(size=SNAPSHOT_BYTES_MAX + 1), LimitExceeded),
        (piece(data=bytes(SNAPSHOT_PIECE_BYTES_MAX + 1), size=1 << 20), LimitExceeded),
        (piece(size=5), MalformedMessage),
        (piece(data=bytes(SNAPSHOT_PIECE_BYTES_MAX - 1), size=1 << 20), MalformedMessage),
        (piece(heads=HEADS * (CHANGE_DEPENDENCIES_MAX + 1)), LimitExceeded),
        (
            pack([[bytes(16), list(HEADS), 1, b"x"]] * (SNAPSHOTS_PER_MESSAGE_MAX + 1)),
            LimitExceeded,
        ),
    ],
)
def test_what_breaks_a_bound_is_refused(body: bytes, error: type[RemoteProtocolError]):
    with pytest.raises(error):
        Assembly().take(body)


FULL = bytes(SNAPSHOT_PIECE_BYTES_MAX)


@pytest.mark.parametrize(
    "second",
    [
        piece(record=2, size=1 << 20, data=FULL),
        piece(size=1 << 21, data=FULL),
        piece(heads=(b"z" * 32,), size=1 << 20, data=FULL),
    ],
)
def test_a_snapshot_cannot_begin_inside_another(second: bytes):
    assembly = Assembly()
    assert assembly.take(piece(size=1 << 20, data=FULL)) == []
    with pytest.raises(UnexpectedMessage):
        assembly.take(second)


def test_a_piece_in_the_middle_is_a_whole_one():
    """Many small ones would cost more and more for each message."""
    assembly = Assembly()
    size = 2 * SNAPSHOT_PIECE_BYTES_MAX + 1
    assert assembly.take(piece(size=size, data=FULL)) == []
    with pytest.raises(MalformedMessage):
        assembly.take(piece(size=size, data=FULL[1:]))


def test_more_than_a_snapshot_says_to_have_is_refused():
    assembly = Assembly()
    size = SNAPSHOT_PIECE_BYTES_MAX + 1
    assert assembly.take(piece(size=size, data=FULL)) == []
    with pytest.raises(LimitExceeded):
        assembly.take(piece(size=size, data=b"xy"))
