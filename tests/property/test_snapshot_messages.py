"""Record snapshots on the wire: in pieces and back, and nothing above the bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError, UnexpectedMessage
from p2pvault.limits import (
    CHANGE_DEPENDENCIES_MAX,
    ENTRIES_MESSAGE_BYTES_MAX,
    KIB,
    MESSAGE_BYTES_MAX,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_PIECE_BYTES_MAX,
)
from p2pvault.protocol.snapshot import Assembly, RecordSnapshot, encode_snapshots
from p2pvault.types import ChangeHash, RecordId
from p2pvault.wire.codec import pack

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
    assert len(list(encode_snapshots([snapshot(n, 100) for n in range(3_000)]))) < 6


def test_no_message_carries_more_than_its_size_but_for_one_piece():
    sizes = [40 * KIB] * 50
    bodies = list(encode_snapshots([snapshot(n, size) for n, size in enumerate(sizes)]))
    assert len(bodies) > 1
    assert max(map(len, bodies)) <= ENTRIES_MESSAGE_BYTES_MAX + 4 * KIB


def test_many_heads_fit_a_message():
    heads = tuple(ChangeHash(n.to_bytes(32, "big")) for n in range(CHANGE_DEPENDENCIES_MAX))
    many = [RecordSnapshot(RecordId(bytes(16)), heads, b"x")] * 100
    bodies = list(encode_snapshots(many))
    assert max(map(len, bodies)) < MESSAGE_BYTES_MAX
    assert [s for body in bodies for s in Assembly().take(body)] == many


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
        (pack([[bytes(16), list(HEADS), 1, b"x"]] * 1_001), LimitExceeded),
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
