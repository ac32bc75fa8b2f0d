"""The plaintext of one message: header, body, padding; and its cut into pieces, one for a frame.

    kind u8 | flags u8 = 0 | stream u16 | body length u32 | body | zeros        (big endian)

The whole is padded so that its size tells little about its body. There is exactly one encoding of
a message: sizes follow from the body's length, every piece but the last is full, flags and padding
are zero, and the reader checks all of it. So a peer has no room to hide anything in, and two
implementations cannot come to differ unseen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from p2pvault.crypto.cipher import TAG_BYTES
from p2pvault.errors import LimitExceeded, LocalProtocolError, MalformedMessage
from p2pvault.limits import FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, PADDED_BYTES_MIN

HEADER_BYTES = 8
"""Kind, flags, stream and length of the body."""

PIECE_BYTES_MAX = FRAME_BYTES_MAX - TAG_BYTES
"""Plaintext of a full frame."""

_HEADER = Struct(">BBHI")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a channel.

    Attributes:
        kind: 0 to 255; what the numbers mean is the user's affair, except 0, which is the
            channel's own.
        stream: 0 to 65 535; separates conversations on one link.
        body: At most MESSAGE_BYTES_MAX bytes.
    """

    kind: int
    stream: int
    body: bytes


def padded_bytes(size: int) -> int:
    """Return the padded size of `size` bytes, at least PADDED_BYTES_MIN.

    Padmé (Nikitin et al., Reducing Metadata Leakage from Encrypted Files and Communication with
    PURBs, 2019, section 4): a size keeps its leading bit and as many bits after it as its
    exponent has, and is rounded up. From 256 bytes on that costs at most 6.3 %.
    """
    size = max(size, PADDED_BYTES_MIN)
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def enclose(message: Message) -> Iterator[memoryview]:
    """Yield the pieces of a message, each at most PIECE_BYTES_MAX bytes.

    Raises:
        LocalProtocolError: The body is above MESSAGE_BYTES_MAX.
    """
    size = len(message.body)
    if size > MESSAGE_BYTES_MAX:
        raise LocalProtocolError(f"a message of {size} bytes is above {MESSAGE_BYTES_MAX}")
    padded = padded_bytes(HEADER_BYTES + size)
    header = _HEADER.pack(message.kind, 0, message.stream, size)
    whole = memoryview(b"".join((header, message.body, bytes(padded - HEADER_BYTES - size))))
    for start in range(0, padded, PIECE_BYTES_MAX):
        yield whole[start : start + PIECE_BYTES_MAX]


class Opener:
    """Puts pieces together to messages; holds at most one unfinished message."""

    __slots__ = ("_kind", "_missing", "_pieces", "_size", "_stream")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._missing = 0
        self._kind = self._stream = self._size = 0

    @property
    def piece_bytes(self) -> tuple[int, int]:
        """Smallest and largest next piece that can be right."""
        if not self._missing:
            return PADDED_BYTES_MIN, PIECE_BYTES_MAX
        exact = min(self._missing, PIECE_BYTES_MAX)
        return exact, exact

    def take(self, piece: bytes) -> Message | None:
        """Take the next piece, of a size within `piece_bytes`; return the message it completes.

        Raises:
            LimitExceeded: It announces a body above MESSAGE_BYTES_MAX. Nothing of it was kept.
            MalformedMessage: Not the one encoding of a message.
        """
        if not self._missing:
            self._begin(piece)
        self._pieces.append(piece)
        self._missing -= len(piece)
        return None if self._missing else self._finish()

    def _begin(self, piece: bytes) -> None:
        self._kind, flags, self._stream, self._size = _HEADER.unpack_from(piece)
        if flags:
            raise MalformedMessage(f"flags {flags:#x} where none are defined")
        if self._size > MESSAGE_BYTES_MAX:
            raise LimitExceeded(f"a message of {self._size} bytes is above {MESSAGE_BYTES_MAX}")
        self._missing = padded_bytes(HEADER_BYTES + self._size)
        if len(piece) != min(self._missing, PIECE_BYTES_MAX):
            raise MalformedMessage("a frame whose size does not follow from its message's")

    def _finish(self) -> Message:
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        end = HEADER_BYTES + self._size
        if whole[end:] != bytes(len(whole) - end):
            raise MalformedMessage("padding that is not zero")
        return Message(self._kind, self._stream, whole[HEADER_BYTES:end])
