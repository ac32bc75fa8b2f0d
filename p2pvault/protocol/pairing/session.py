"""What the sponsor and the joiner have in common: one stream, three stages, one way to end.

    open       frames in the clear, until CPace has given both sides a key
    handshake  Noise with ML-KEM under that key
    sealed     messages on the channel

A session never reads a clock and never waits. Whatever goes wrong from outside becomes a `Failed`
and a `Hangup`; after that the session takes everything and answers nothing. Using it wrongly from
inside raises `LocalProtocolError`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Final

from p2pvault.crypto.framing import FrameReader, frame
from p2pvault.crypto.hybrid import Established, Initiator, Responder
from p2pvault.errors import (
    AuthenticationError,
    CodeExpired,
    CryptoError,
    MalformedMessage,
    PairingBusy,
    PairingError,
    PairingRefused,
    RemoteProtocolError,
    Unreachable,
    VaultError,
    WrongCode,
)
from p2pvault.protocol.pairing.effects import Effect, Failed, Hangup, Send
from p2pvault.protocol.pairing.messages import (
    OPEN_BYTES_MAX,
    PairingMessage,
    Reason,
    Refusal,
    decode,
    encode,
    kind_of,
)

REFUSED: Final[Mapping[Reason, Callable[[], VaultError]]] = {
    Reason.NO_CODE: lambda: CodeExpired("the other device shows no code any more"),
    Reason.BUSY: lambda: PairingBusy("the other device is pairing with somebody else"),
    Reason.VERSION: lambda: PairingRefused(
        "the two devices pair in different ways", hint="Update P2PVault on both."
    ),
    Reason.WRONG_CODE: lambda: WrongCode("the other device says that this is not its code"),
    Reason.WRONG_WORDS: lambda: WrongCode(
        "other words were typed on the other device than this one shows",
        hint="If they were typed as shown, somebody is between the two devices. Start again with a "
        "new code, on a network that you trust.",
    ),
    Reason.KNOWN_DEVICE: lambda: PairingRefused(
        "this device is or was a member of that vault",
        hint="A device that was removed needs new keys: use another --home.",
    ),
    Reason.DECLINED: lambda: PairingRefused("pairing was stopped on the other device"),
    Reason.TIMEOUT: lambda: PairingRefused("the other device waited too long and gave up"),
}
"""What one side shows when the other side ends the pairing."""


def refusal(reason: Reason) -> bytes:
    """Return the bytes that turn a device away before a session with it has begun."""
    return _open_frame(Refusal(reason))


class Session(ABC):
    """One side of one pairing. Its methods return effects, to be carried out in order."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._stage: Callable[[bytes], None] = self._take_open
        self._reader = FrameReader()
        self._handshake: Initiator | Responder | None = None
        self._established: Established | None = None
        self._over = False

    @property
    def over(self) -> bool:
        """Whether the session has ended; it has asked for `Hangup` then."""
        return self._over

    def receive(self, data: bytes) -> list[Effect]:
        """Take bytes from the stream, in pieces of any size."""
        if not self._over:
            try:
                self._stage(data)
            except (RemoteProtocolError, AuthenticationError, PairingError, CryptoError) as error:
                self._fail(error)
        return self._drain()

    def lost(self) -> list[Effect]:
        """Say that the stream has ended."""
        if not self._over:
            self._stream_ended()
        return self._drain()

    def cancel(self) -> list[Effect]:
        """Stop because the person, or this device, does not want to go on."""
        if not self._over:
            self._refuse(Reason.DECLINED, PairingRefused("pairing was stopped on this device"))
        return self._drain()

    def timeout(self) -> list[Effect]:
        """Say that the last `Deadline` has passed."""
        if not self._over:
            self._timed_out()
        return self._drain()

    @abstractmethod
    def _handle(self, message: PairingMessage) -> None:
        """Take one message that is well-formed, or raise because it has no place here."""

    @abstractmethod
    def _on_established(self) -> None:
        """The handshake is over; the channel is open."""

    def _stream_ended(self) -> None:
        self._fail(Unreachable("the other device hung up before the pairing was done"))

    def _timed_out(self) -> None:
        self._refuse(Reason.TIMEOUT, Unreachable("the other device did not answer in time"))

    @property
    def _link(self) -> Established:
        assert self._established is not None, "the handshake comes first"
        return self._established

    def _take_open(self, data: bytes) -> None:
        self._reader.feed(data)
        while not self._over and self._handshake is None:
            content = self._reader.next_frame(1, OPEN_BYTES_MAX)
            if content is None:
                return
            self._handle(decode(content[0], content[1:]))
        if not self._over:
            self._stage(self._reader.take_rest())

    def _begin_handshake(self, handshake: Initiator | Responder) -> None:
        self._handshake = handshake
        self._stage = self._take_handshake
        if first := handshake.start():
            self._effects.append(Send(first))

    def _take_handshake(self, data: bytes) -> None:
        assert self._handshake is not None, "this stage begins with it"
        progress = self._handshake.receive(data)
        if progress.send:
            self._effects.append(Send(progress.send))
        if progress.established is not None:
            self._established = progress.established
            self._stage = self._take_sealed
            self._on_established()
            self._stage(progress.established.leftover)

    def _take_sealed(self, data: bytes) -> None:
        channel = self._link.channel
        for message in channel.receive(data):
            if message.stream != 0:
                raise MalformedMessage("a pairing message outside stream 0")
            self._handle(decode(message.kind, message.body))
            if self._over:
                return
        if channel.peer_closed:
            self._stream_ended()

    def _send(self, message: PairingMessage) -> None:
        if self._established is None:
            self._effects.append(Send(_open_frame(message)))
        else:
            sealed = self._established.channel.seal(kind_of(message), encode(message))
            self._effects.append(Send(sealed))

    def _send_close(self) -> None:
        self._effects.append(Send(self._link.channel.close()))

    def _refuse(self, reason: Reason, error: VaultError, *, guess: bool = False) -> None:
        """Tell the other side why this is the end, where there is a way to tell it."""
        if self._handshake is None or self._established is not None:
            self._send(Refusal(reason))
        if self._established is not None:
            self._send_close()
        self._fail(error, guess=guess, burn=reason is Reason.WRONG_WORDS)

    def _fail(self, error: VaultError, *, guess: bool = False, burn: bool = False) -> None:
        self._effects.append(Failed(error, counts_as_guess=guess, burns_code=burn))
        self._end()

    def _end(self) -> None:
        self._effects.append(Hangup())
        self._over = True
        self._handshake = self._established = None

    def _drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects


def _open_frame(message: PairingMessage) -> bytes:
    return frame(bytes([kind_of(message)]) + encode(message))
