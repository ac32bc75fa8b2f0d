from math import floor, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.crypto.envelope import (
    HEADER_BYTES,
    PIECE_BYTES_MAX,
    Message,
    Opener,
    enclose,
    padded_bytes,
)
from p2pvault.errors import LimitExceeded, LocalProtocolError, MalformedMessage
from p2pvault.limits import MESSAGE_BYTES_MAX, PADDED_BYTES_MIN

LARGEST = HEADER_BYTES + MESSAGE_BYTES_MAX


def header(size: int, kind: int = 1, flags: int = 0, stream: int = 0) -> bytes:
    return bytes([kind, flags]) + stream.to_bytes(2, "big") + size.to_bytes(4, "big")


def reassemble(pieces: list[bytes]) -> list[Message]:
    opener = Opener()
    taken = [opener.take(piece) for piece in pieces]
    return [message for message in taken if message is not None]


@given(st.integers(0, LARGEST))
def test_padding_follows_the_published_formula_and_costs_little(size: int) -> None:
    length = max(size, PADDED_BYTES_MIN)
    exponent = floor(log2(length))
    zeros = exponent - (floor(log2(exponent)) + 1)
    expected = -(-length // 2**zeros) * 2**zeros
    assert padded_bytes(size) == expected
    assert length <= expected <= length * 1.063


def test_there_are_few_sizes_up_to_a_mebibyte() -> None:
    assert len({padded_bytes(size) for size in range(2**20 + 1)}) == 257


@given(st.integers(0, 255), st.integers(0, 65_535), st.binary(max_size=1000))
def test_a_message_comes_back_and_looks_like_its_size_class(
    kind: int, stream: int, body: bytes
) -> None:
    message = Message(kind, stream, body)
    pieces = [bytes(piece) for piece in enclose(message)]
    assert reassemble(pieces) == [message]
    assert sum(map(len, pieces)) == padded_bytes(HEADER_BYTES + len(body))


@pytest.mark.parametrize(
    "size",
    [0, PIECE_BYTES_MAX - HEADER_BYTES, PIECE_BYTES_MAX - 7, 65_528, 131_072, MESSAGE_BYTES_MAX],
)
def test_large_messages_are_cut_into_full_pieces_and_a_rest(size: int) -> None:
    message = Message(7, 3, bytes([size % 251]) * size)
    pieces = [bytes(piece) for piece in enclose(message)]
    assert {len(piece) for piece in pieces[:-1]} <= {PIECE_BYTES_MAX}
    assert reassemble(pieces) == [message]


def test_a_body_above_the_bound_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError):
        list(enclose(Message(1, 0, bytes(MESSAGE_BYTES_MAX + 1))))


@pytest.mark.parametrize("size", [MESSAGE_BYTES_MAX + 1, 2**31, 2**32 - 1])
def test_a_body_announced_above_the_bound_is_refused_at_once_and_nothing_kept(size: int) -> None:
    opener = Opener()
    with pytest.raises(LimitExceeded):
        opener.take(header(size).ljust(PIECE_BYTES_MAX, b"\0"))
    assert opener.piece_bytes == (PADDED_BYTES_MIN, PIECE_BYTES_MAX)


@pytest.mark.parametrize("flags", [1, 2, 128, 255])
def test_flags_are_refused(flags: int) -> None:
    with pytest.raises(MalformedMessage, match="flags"):
        Opener().take(header(0, flags=flags).ljust(PADDED_BYTES_MIN, b"\0"))


@pytest.mark.parametrize("position", [HEADER_BYTES + 3, 100, PADDED_BYTES_MIN - 1])
def test_padding_that_is_not_zero_is_refused(position: int) -> None:
    piece = bytearray((header(3) + b"abc").ljust(PADDED_BYTES_MIN, b"\0"))
    piece[position] = 1
    expected = "padding" if position >= HEADER_BYTES + 3 else None
    with pytest.raises(MalformedMessage, match=expected):
        Opener().take(bytes(piece))


@pytest.mark.parametrize(("size", "piece"), [(0, 272), (249, 256), (2000, 1984), (70_000, 65_000)])
def test_a_piece_whose_size_does_not_follow_from_the_body_is_refused(size: int, piece: int) -> None:
    with pytest.raises(MalformedMessage, match="size"):
        Opener().take(header(size).ljust(piece, b"\0"))


def test_the_next_piece_of_an_unfinished_message_has_one_size() -> None:
    message = Message(1, 0, bytes(100_000))
    first, second = (bytes(piece) for piece in enclose(message))
    opener = Opener()
    assert opener.take(first) is None
    assert opener.piece_bytes == (len(second), len(second))
    assert opener.take(second) == message
    assert opener.piece_bytes == (PADDED_BYTES_MIN, PIECE_BYTES_MAX)
