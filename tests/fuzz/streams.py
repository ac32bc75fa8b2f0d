"""Fuzzing what stands first on a stream: frames, the envelope, the handshake, the channel.

The first byte chooses the way, the second one the size of the pieces in which the rest comes.
"""

from collections.abc import Callable

from fuzz.target import Target, chosen, pieces
from harness.entropy import seeded
from harness.handshakes import ALICE, BOB, accept, channels, dial, shake
from p2pvault.crypto.cipher import CipherState
from p2pvault.crypto.envelope import Message, enclose
from p2pvault.crypto.framing import FrameReader, frame
from p2pvault.crypto.hybrid import Initiator, Responder
from p2pvault.errors import (
    AuthenticationError,
    LimitExceeded,
    MalformedMessage,
    RemoteProtocolError,
    UnexpectedMessage,
)
from p2pvault.limits import KIB

RECORDED = shake(dial(), accept())
SPOKEN = [
    Message(1, 0, b"hello"),
    Message(6, 0, bytes(2_000)),
    Message(5, 7, b""),
    Message(255, 65_535, bytes(70_000)),
]


def run(data: bytes) -> None:
    """Try one of the five readers."""
    way, rest = chosen(len(WAYS), data)
    size, rest = (rest[0], rest[1:]) if rest else (1, b"")
    WAYS[way](rest, size + 1)


def _frames(data: bytes, size: int) -> None:
    """However a stream is cut, the same frames come out of it, and they are its bytes again."""
    whole, refused = _read([data], size)
    assert (whole, refused) == _read(list(pieces(data, size)), size)
    again = b"".join(map(frame, whole))
    assert data.startswith(again)
    assert refused or len(data) - len(again) < 2 + 256 * size


def _read(parts: list[bytes], size: int) -> tuple[list[bytes], bool]:
    reader, found = FrameReader(), list[bytes]()
    for part in parts:
        reader.feed(part)
        try:
            while (content := reader.next_frame(size % 5, 255 * size)) is not None:
                found.append(content)
        except MalformedMessage:
            return found, True
    return found, False


def _member(data: bytes, size: int) -> None:
    """A member may put anything into its frames; what comes out of them has one encoding."""
    sender, (receiver, _) = CipherState(b"o" * 32), channels()
    taken = b""
    for plain in pieces(data, 16 * size):
        try:
            messages = receiver.receive(frame(sender.encrypt(plain)))
        except (MalformedMessage, LimitExceeded, UnexpectedMessage):
            return
        taken += plain
        for message in messages:
            assert b"".join(enclose(message)) == taken
        if messages or receiver.peer_closed:
            taken = b""


def _stranger(data: bytes, size: int) -> None:
    """Without the keys nothing is delivered but what was recorded, in its order."""
    _, receiver = channels()
    heard: list[Message] = []
    try:
        for part in pieces(data, size):
            heard += receiver.receive(part)
    except RemoteProtocolError:
        pass
    assert heard == SPOKEN[: len(heard)]


def _answering(data: bytes, size: int) -> None:
    responder = accept()
    responder.start()
    _shake(responder, ALICE.public.static, RECORDED.sent[1] + RECORDED.sent[3], data, size)


def _dialling(data: bytes, size: int) -> None:
    initiator = dial()
    initiator.start()
    _shake(initiator, BOB.public.static, RECORDED.sent[0] + RECORDED.sent[2], data, size)


def _shake(side: Initiator | Responder, peer: bytes, good: bytes, data: bytes, size: int) -> None:
    """Only who holds the key it shows gets through, and with nothing but its own bytes."""
    for part in pieces(data, 8 * size):
        try:
            progress = side.receive(part)
        except (AuthenticationError, RemoteProtocolError):
            return
        if progress.established is not None:
            assert progress.established.remote_static == peer
            assert data.startswith(good)
            return


WAYS: tuple[Callable[[bytes, int], None], ...] = (
    _frames,
    _member,
    _stranger,
    _answering,
    _dialling,
)


def seeds() -> list[bytes]:
    """Return streams that each of the readers takes to its end."""
    sent = RECORDED.sent
    spoken = channels()[0]
    sealed = b"".join(spoken.seal(m.kind, m.body, m.stream) for m in SPOKEN[:3])
    draw = seeded("streams")
    contents = [b"", b"one", draw(200), draw(300)]
    plain = b"".join(piece for message in SPOKEN[:3] for piece in enclose(message))
    largest = b"".join(enclose(SPOKEN[3]))[: 32 * KIB]
    return [
        b"\x00\x13" + b"".join(map(frame, contents)),
        b"\x00\x00" + frame(b""),
        *(b"\x01" + bytes([size]) + plain for size in (15, 31)),
        b"\x01\xff" + largest,
        b"\x01\x0f" + b"".join(enclose(Message(0, 0, b""))),
        b"\x02\xff" + sealed + spoken.close(),
        b"\x02\x10" + sealed[:400],
        b"\x03\xff" + sent[1] + sent[3],
        b"\x04\xff" + sent[0] + sent[2],
    ]


TARGET = Target("framing", run, seeds, 8 * KIB)
