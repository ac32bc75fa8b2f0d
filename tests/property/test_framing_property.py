from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from p2pvault.crypto.framing import FrameReader, frame
from p2pvault.limits import FRAME_BYTES_MAX

contents = st.lists(st.binary(max_size=40), max_size=8)


def read_all(pieces: list[bytes]) -> list[bytes]:
    reader, frames = FrameReader(), []
    for piece in pieces:
        reader.feed(piece)
        while (content := reader.next_frame(0, FRAME_BYTES_MAX)) is not None:
            frames.append(content)
    return frames


@given(contents)
def test_a_stream_fed_byte_by_byte_gives_the_frames_of_the_whole(frames: list[bytes]) -> None:
    stream = b"".join(map(frame, frames))
    assert read_all([stream]) == frames
    assert read_all([stream[i : i + 1] for i in range(len(stream))]) == frames


@given(contents, st.lists(st.integers(0, 400), max_size=8))
def test_a_stream_cut_anywhere_gives_the_frames_of_the_whole(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(map(frame, frames))
    ends = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(ends)]
    assert read_all(pieces) == frames


@given(contents, st.data())
def test_a_stream_that_stops_early_gives_whole_frames_only(
    frames: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(frame, frames))
    found = read_all([stream[: data.draw(st.integers(0, len(stream)))]])
    assert found == frames[: len(found)]
