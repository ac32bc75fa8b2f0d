"""The sealed transport: messages in, encrypted frames out, and the reverse.

A `Channel` begins where a handshake ends. It does no input or output: its user writes what `seal`
and `close` return, and feeds what the stream brings to `receive`. It fails closed: whatever does
not authenticate, parse or follow ends the channel for good, and a stream that ends without the
peer's close counts as cut off.

It must not know what its messages mean.
"""

from p2pvault.crypto.cipher import TAG_BYTES, Buffer, CipherState
from p2pvault.crypto.envelope import Message, Opener, enclose
from p2pvault.crypto.framing import FrameReader, frame
from p2pvault.errors import (
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
    SealBroken,
    UnexpectedMessage,
)
from p2pvault.limits import REKEY_BYTES, REKEY_RECORDS

CLOSE_KIND = 0
"""The channel's own kind of message: nothing follows."""

KIND_MAX = 255
"""Kinds travel in one byte."""

STREAM_MAX = 65_535
"""Streams travel in two bytes."""


class _Direction:
    """One direction's cipher, with the count that decides when it gets a new key.

    Both sides count the same frames, so they change the key at the same place without a word.
    """

    __slots__ = ("_bytes", "_cipher", "_records")

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher
        self._records = 0
        self._bytes = 0

    def encrypt(self, piece: Buffer) -> bytes:
        sealed = self._cipher.encrypt(piece)
        self._count(len(sealed))
        return sealed

    def decrypt(self, sealed: Buffer) -> bytes:
        piece = self._cipher.decrypt(sealed)
        self._count(len(sealed))
        return piece

    def _count(self, size: int) -> None:
        self._records += 1
        self._bytes += size
        if self._records >= REKEY_RECORDS or self._bytes >= REKEY_BYTES:
            self._cipher.rekey()
            self._records = self._bytes = 0


class Channel:
    """Two directions of sealed messages.

    The directions close one by one: after `close` nothing more can be sent, but what the peer
    still sends is received, until it closes too.

    Args:
        send: The cipher to send with, from the handshake.
        receive: The cipher to receive with.
    """

    def __init__(self, send: CipherState, receive: CipherState) -> None:
        self._outbound = _Direction(send)
        self._inbound = _Direction(receive)
        self._frames = 0
        self._reader = FrameReader()
        self._opener = Opener()
        self._closed = False
        self._peer_closed = False
        self._broken = False

    @property
    def peer_closed(self) -> bool:
        """Whether the peer has said that nothing more comes from it."""
        return self._peer_closed

    @property
    def frames(self) -> int:
        """How many frames of the peer have authenticated."""
        return self._frames

    def seal(self, kind: int, body: bytes, stream: int = 0) -> bytes:
        """Return the frames of one message, to be written in this order.

        Args:
            kind: 1 to 255.
            body: At most MESSAGE_BYTES_MAX bytes.
            stream: 0 to 65 535.

        Raises:
            LocalProtocolError: The channel is closed or broken, or the body is too large.
        """
        assert CLOSE_KIND < kind <= KIND_MAX, "kind 0 is the channel's own, and 255 the last"
        assert 0 <= stream <= STREAM_MAX, "a stream's number has two bytes"
        return self._seal(Message(kind, stream, body))

    def close(self) -> bytes:
        """Return the frame that says that nothing follows; afterwards nothing can be sent.

        Raises:
            LocalProtocolError: The channel is closed already, or broken.
        """
        sealed = self._seal(Message(CLOSE_KIND, 0, b""))
        self._closed = True
        return sealed

    def receive(self, data: bytes) -> list[Message]:
        """Take bytes from the stream and return the messages that they complete.

        Bytes may come in pieces of any size. When this raises, messages that came whole in the
        same call are lost with the channel; a peer that is not acknowledged sends them again.

        Raises:
            MalformedMessage: Changed, repeated, reordered or lost frames; or frames that
                authenticate and are not the one encoding of a message.
            LimitExceeded: A message announces more than MESSAGE_BYTES_MAX bytes.
            UnexpectedMessage: Something after the peer's close.
            LocalProtocolError: The channel was broken before.
        """
        if self._broken:
            raise LocalProtocolError("a broken channel was used again")
        try:
            return self._receive(data)
        except RemoteProtocolError:
            self._broken = True
            raise

    def end_of_stream(self) -> None:
        """Say that the stream has ended.

        Raises:
            RemoteProtocolError: The peer had not closed: the stream was cut off, by an attacker
                or by a fault, and what it lacks is unknown.
        """
        if not self._peer_closed:
            raise RemoteProtocolError("the stream ended without the peer's close")

    def _seal(self, message: Message) -> bytes:
        if self._closed or self._broken:
            raise LocalProtocolError("nothing can be sent on a channel that is closed or broken")
        return b"".join(frame(self._outbound.encrypt(piece)) for piece in enclose(message))

    def _receive(self, data: bytes) -> list[Message]:
        self._reader.feed(data)
        messages: list[Message] = []
        while not self._peer_closed and (sealed := self._next_frame()) is not None:
            message = self._opener.take(self._open(sealed))
            if message is None:
                continue
            if message.kind == CLOSE_KIND:
                self._take_close(message)
            else:
                messages.append(message)
        if self._peer_closed and self._reader.pending:
            raise UnexpectedMessage("bytes after the peer's close")
        return messages

    def _next_frame(self) -> bytes | None:
        smallest, largest = self._opener.piece_bytes
        return self._reader.next_frame(smallest + TAG_BYTES, largest + TAG_BYTES)

    def _open(self, sealed: bytes) -> bytes:
        try:
            piece = self._inbound.decrypt(sealed)
        except SealBroken as error:
            raise MalformedMessage("a frame does not authenticate") from error
        self._frames += 1
        return piece

    def _take_close(self, message: Message) -> None:
        if message.body or message.stream:
            raise MalformedMessage("a close with something in it")
        self._peer_closed = True
