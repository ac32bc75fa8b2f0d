import pytest

from p2pvault.crypto.framing import FrameReader, frame
from p2pvault.errors import MalformedMessage
from p2pvault.limits import FRAME_BYTES_MAX


def test_a_frame_is_its_length_in_two_bytes_and_its_content() -> None:
    assert frame(b"abc") == b"\x00\x03abc"
    assert frame(b"") == b"\x00\x00"
    assert frame(bytes(FRAME_BYTES_MAX))[:2] == b"\xff\xff"


def test_a_frame_above_the_bound_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        frame(bytes(FRAME_BYTES_MAX + 1))


@pytest.mark.parametrize("size", [0, 9, 21, 65_535])
def test_p3_a_size_out_of_place_is_refused_before_its_content_arrives(size: int) -> None:
    reader = FrameReader()
    reader.feed(size.to_bytes(2, "big"))
    with pytest.raises(MalformedMessage):
        reader.next_frame(10, 20)


@pytest.mark.parametrize("size", [10, 20])
def test_sizes_at_the_bounds_are_taken(size: int) -> None:
    reader = FrameReader()
    reader.feed(frame(bytes(size)))
    assert reader.next_frame(10, 20) == bytes(size)


def test_the_rest_comes_back_whole_and_leaves_the_reader_empty() -> None:
    reader = FrameReader()
    reader.feed(frame(b"one") + b"rest")
    assert reader.next_frame(0, 10) == b"one"
    assert reader.pending == 4
    assert reader.take_rest() == b"rest"
    assert reader.pending == 0
    assert reader.take_rest() == b""
