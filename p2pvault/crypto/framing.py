"""Frames on a byte stream: two bytes of length, big endian, then that many bytes.

The reader takes bytes as they come, in pieces of any size, and hands out whole frames. A length
outside what the caller expects is refused as soon as it is read, so nothing is buffered on the
word of a stranger beyond one frame of a size that the caller named.
"""

from p2pvault.errors import MalformedMessage
from p2pvault.limits import FRAME_BYTES_MAX

LENGTH_BYTES = 2
"""The length in front of every frame."""


def frame(content: bytes) -> bytes:
    """Return `content`, 0 to 65 535 bytes, as a frame."""
    assert len(content) <= FRAME_BYTES_MAX, "a frame holds at most 65 535 bytes"
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


class FrameReader:
    """Cuts a byte stream into frames."""

    __slots__ = ("_buffer", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0

    @property
    def pending(self) -> int:
        """Bytes that were fed and not handed out yet."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream.

        What the frames before have used is dropped here, once, and not frame by frame: a bytearray
        forgets its front without moving the rest.
        """
        del self._buffer[: self._start]
        self._start = 0
        self._buffer += data

    def next_frame(self, bytes_min: int, bytes_max: int) -> bytes | None:
        """Return the next frame's content, or None until all of it is there.

        Args:
            bytes_min: Smallest content that has a meaning now.
            bytes_max: Largest one.

        Raises:
            MalformedMessage: The stream announces another size.
        """
        body = self._start + LENGTH_BYTES
        if len(self._buffer) < body:
            return None
        size = int.from_bytes(self._buffer[self._start : body], "big")
        if not bytes_min <= size <= bytes_max:
            raise MalformedMessage(f"a frame of {size} bytes where none of that size belongs")
        if len(self._buffer) < body + size:
            return None
        self._start = body + size
        with memoryview(self._buffer) as view:
            return bytes(view[body : self._start])

    def take_rest(self) -> bytes:
        """Return everything that is pending, and be empty."""
        rest = bytes(self._buffer[self._start :])
        self._buffer.clear()
        self._start = 0
        return rest
