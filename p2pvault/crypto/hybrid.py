"""The handshake that links and pairing share: Noise XXpsk0+psk3 with ML-KEM-768 inside.

    responder -> initiator    greeting  16 random bytes
    initiator -> responder    first     e, {ML-KEM encapsulation key}
    responder -> initiator    second    e, ee, s, es, {ML-KEM ciphertext}
    initiator -> responder    third     s, se, psk3, {}

psk0 is what both sides share beforehand; the payload of the first message does not open without
it, so a stranger is turned away before any Diffie-Hellman and gets no answer at all. psk3 comes of
the ML-KEM secret and psk0, so a recording stays closed to whoever can break X25519 later. The
greeting goes into the prologue: a replayed first message fails. Each message has one size, whatever
the keys, so sizes tell nothing but the position.

Two bytes of length precede each. The machines do no input or output, and they do not know who the
peer should be: that is for the user of `Established.remote_static` to judge, before any other byte
is used.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nacl.bindings import crypto_scalarmult_base

from p2pvault.crypto.channel import Channel
from p2pvault.crypto.cipher import TAG_BYTES
from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.framing import FrameReader, frame
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.kem import (
    CIPHERTEXT_BYTES,
    ENCAPSULATION_KEY_BYTES,
    DecapsulationKey,
    encapsulate,
)
from p2pvault.crypto.noise import DH_BYTES, HandshakeState, NoiseKeys
from p2pvault.crypto.patterns import pattern
from p2pvault.errors import CryptoError, HandshakeFailed, LocalProtocolError, MalformedMessage

NAME = "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b"
"""Noise revision 34, sections 7.5 and 9."""

SUITES = (NAME.encode() + b"+ML-KEM-768",)
"""What this version offers, best first. Both sides bind the list, so nobody can shorten it."""

GREETING_BYTES = 16
"""The responder's nonce: 2**-64 is the chance that two of 2**32 are equal."""

FIRST_BYTES = DH_BYTES + ENCAPSULATION_KEY_BYTES + TAG_BYTES
"""1 232."""

SECOND_BYTES = DH_BYTES + (DH_BYTES + TAG_BYTES) + CIPHERTEXT_BYTES + TAG_BYTES
"""1 184."""

THIRD_BYTES = (DH_BYTES + TAG_BYTES) + TAG_BYTES
"""64."""

_PATTERN = pattern(NAME)


@dataclass(frozen=True, slots=True)
class Established:
    """A handshake that succeeded.

    Attributes:
        channel: What to seal and receive with from now on.
        psk: The key that opened the handshake, which the peer knows too.
        remote_static: The peer's X25519 public key, proved to be its own. Whether it belongs to
            a member is not decided yet.
        binding: 64 bytes, equal on both sides and on no other handshake.
        leftover: Bytes after the last message, to be fed to the channel first.
    """

    channel: Channel
    psk: bytes = field(repr=False)
    remote_static: bytes
    binding: bytes
    leftover: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """What came of some received bytes: what to write, and the end if it was reached."""

    send: bytes
    established: Established | None


@dataclass(frozen=True, slots=True)
class Party:
    """What one side brings to a handshake.

    Attributes:
        label: What the handshake is for, such as `b"p2pvault/1"`; the same on both sides.
        static_secret: This side's X25519 secret, 32 bytes.
        entropy: Where randomness comes from. ML-KEM encapsulation, on the responder's side, is
            the exception: its library takes none from outside.
    """

    label: bytes
    static_secret: bytes = field(repr=False)
    entropy: Entropy

    def begin(self, psk: bytes, nonce: bytes, *, initiator: bool) -> HandshakeState:
        """Return a fresh Noise state with `psk` as psk0 and the greeting in its prologue."""
        return HandshakeState(
            _PATTERN,
            initiator=initiator,
            prologue=prologue(self.label, nonce),
            entropy=self.entropy,
            keys=NoiseKeys(static=self.static_secret, psks={0: psk}),
        )


def prologue(label: bytes, nonce: bytes) -> bytes:
    """Return what both sides bind beforehand: label, offered suites with their length, nonce."""
    return label + frame(b",".join(SUITES)) + nonce


class _Side:
    """What both sides do: take frames of known sizes one by one, and fail for good."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._reader = FrameReader()
        self._steps: deque[tuple[int, Callable[[bytes], bytes]]] = deque()
        self._state: HandshakeState | None = None
        self._psk = b""
        self._over = False

    def receive(self, data: bytes) -> Progress:
        """Take bytes from the stream, in pieces of any size.

        Returns:
            What to write, and the result once the handshake is over. It is not to be called
            after that.

        Raises:
            HandshakeFailed: The peer does not know psk0, is this very device, or bytes were
                changed. Hang up without a word.
            LocalProtocolError: The handshake was over before.
        """
        if self._over:
            raise LocalProtocolError("a handshake that is over was used again")
        try:
            return self._advance(data)
        except HandshakeFailed:
            self._over = True
            raise
        except (CryptoError, MalformedMessage) as error:
            self._over = True
            raise HandshakeFailed(f"the handshake failed: {error}") from error

    def _advance(self, data: bytes) -> Progress:
        self._reader.feed(data)
        send = b""
        while self._steps:
            size, step = self._steps[0]
            message = self._reader.next_frame(size, size)
            if message is None:
                return Progress(send, None)
            self._steps.popleft()
            send += step(message)
        return Progress(send, self._establish())

    def _establish(self) -> Established:
        state = self._state
        assert state is not None, "the first step makes the state"
        self._over = True
        return Established(
            channel=Channel(*state.split()),
            psk=self._psk,
            remote_static=state.remote_static,
            binding=state.handshake_hash,
            leftover=self._reader.take_rest(),
        )

    def _refuse_self(self, state: HandshakeState) -> None:
        """A stream to this very device, by a stale address or by an attacker's bending."""
        if state.remote_static == crypto_scalarmult_base(self._party.static_secret):
            raise HandshakeFailed("the device at the other end is this one")


class Initiator(_Side):
    """The side that dials.

    Args:
        party: This side.
        psk: 32 bytes that the responder must know too.
        accepts: Tells of the responder's static key whether to go on. It is asked before this
            side shows its own key, so that whoever is refused here does not learn it.
    """

    def __init__(
        self, party: Party, psk: bytes, accepts: Callable[[bytes], bool] = lambda _: True
    ) -> None:
        super().__init__(party)
        self._psk = psk
        self._accepts = accepts
        self._kem = DecapsulationKey.generate(party.entropy)
        self._steps.append((GREETING_BYTES, self._greeted))

    def start(self) -> bytes:
        """Return what to write first: nothing, the responder greets."""
        return b""

    def _greeted(self, nonce: bytes) -> bytes:
        self._state = state = self._party.begin(self._psk, nonce, initiator=True)
        self._steps.append((SECOND_BYTES, lambda message: self._answered(state, message)))
        return frame(state.write_message(self._kem.encapsulation_key))

    def _answered(self, state: HandshakeState, message: bytes) -> bytes:
        ciphertext = state.read_message(message)
        self._refuse_self(state)
        if not self._accepts(state.remote_static):
            raise HandshakeFailed("the device at the other end is not one to talk to")
        state.set_psk(3, _late_psk(self._kem.decapsulate(ciphertext), self._psk))
        return frame(state.write_message(b""))


class Responder(_Side):
    """The side that accepts.

    Args:
        party: This side.
        psks: Keys of 32 bytes, one of which the initiator must know; tried in this order. The
            caller bounds their number.
    """

    def __init__(self, party: Party, psks: Sequence[bytes]) -> None:
        super().__init__(party)
        self._psks = tuple(psks)
        self._nonce = draw(party.entropy, GREETING_BYTES)
        self._steps.append((FIRST_BYTES, self._called))

    def start(self) -> bytes:
        """Return what to write first: the greeting."""
        return frame(self._nonce)

    def _called(self, message: bytes) -> bytes:
        state, psk, encapsulation_key = self._open_first(message)
        ciphertext, secret = encapsulate(encapsulation_key)
        answer = state.write_message(ciphertext)
        state.set_psk(3, _late_psk(secret, psk))
        self._state, self._psk = state, psk
        self._steps.append((THIRD_BYTES, lambda third: self._confirmed(state, third)))
        return frame(answer)

    def _open_first(self, message: bytes) -> tuple[HandshakeState, bytes, bytes]:
        """Find the key that opens the first message: hashes and one AEAD for each, no DH."""
        for psk in self._psks:
            state = self._party.begin(psk, self._nonce, initiator=False)
            try:
                return state, psk, state.read_message(message)
            except HandshakeFailed:
                continue
        raise HandshakeFailed("the first message opens with none of the keys")

    def _confirmed(self, state: HandshakeState, message: bytes) -> bytes:
        payload = state.read_message(message)
        assert not payload, "64 bytes leave no room for a payload"
        self._refuse_self(state)
        return b""


def _late_psk(secret: bytes, psk: bytes) -> bytes:
    """psk3: the ML-KEM secret under psk0, so neither alone is enough."""
    return digest(b"p2pv-psk3", secret, key=psk)
