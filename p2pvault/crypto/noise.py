"""The Noise Protocol Framework, revision 34, for 25519, ChaChaPoly and BLAKE2b.

`SymmetricState` and `HandshakeState` follow sections 5.2 and 5.3 word for word, so that the
published vectors apply. Two things are added that no vector can see: a pre-shared key may be
given as late as the message that needs it, and a Diffie-Hellman result of all zeros, which a
low-order point gives, is refused (section 12.1 permits that).

The machine knows nothing of frames, of ML-KEM, or of who the peer should be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import CryptoError as NaclError

from p2pvault.crypto.cipher import TAG_BYTES, CipherState
from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.patterns import Message, Pattern
from p2pvault.crypto.schedule import HASH_BYTES, hkdf
from p2pvault.errors import HandshakeFailed, SealBroken
from p2pvault.limits import FRAME_BYTES_MAX

DH_BYTES = 32
"""X25519 (RFC 7748): secrets, public keys and results."""


class SymmetricState:
    """The chaining key, the handshake hash and the present cipher, section 5.2."""

    __slots__ = ("_chaining_key", "_cipher", "hash")

    def __init__(self, name: str) -> None:
        encoded = name.encode()
        assert len(encoded) <= HASH_BYTES, "a longer name would be hashed; no pattern has one"
        self.hash = encoded.ljust(HASH_BYTES, b"\0")
        self._chaining_key = self.hash
        self._cipher: CipherState | None = None

    @property
    def tag_bytes(self) -> int:
        """What the next encryption adds: 16, or 0 as long as there is no key."""
        return 0 if self._cipher is None else TAG_BYTES

    def mix_key(self, material: bytes) -> None:
        """Take the result of a Diffie-Hellman, or an ephemeral key, into the keys."""
        self._chaining_key, key = hkdf(self._chaining_key, material, 2)
        self._cipher = CipherState(key[:32])

    def mix_hash(self, data: bytes) -> None:
        """Bind bytes that both sides have seen."""
        self.hash = blake2b(self.hash + data).digest()

    def mix_key_and_hash(self, material: bytes) -> None:
        """Take a pre-shared key into the keys and the hash."""
        self._chaining_key, hashed, key = hkdf(self._chaining_key, material, 3)
        self.mix_hash(hashed)
        self._cipher = CipherState(key[:32])

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Encrypt if there is a key yet, and bind what goes out."""
        data = self._cipher.encrypt(plaintext, self.hash) if self._cipher else plaintext
        self.mix_hash(data)
        return data

    def decrypt_and_hash(self, data: bytes) -> bytes:
        """Decrypt if there is a key yet, and bind what came in.

        Raises:
            SealBroken: It does not authenticate.
        """
        plaintext = self._cipher.decrypt(data, self.hash) if self._cipher else data
        self.mix_hash(data)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers from the initiator and to the initiator."""
        first, second = hkdf(self._chaining_key, b"", 2)
        return CipherState(first[:32]), CipherState(second[:32])


@dataclass(frozen=True, slots=True)
class NoiseKeys:
    """What one side of a handshake holds beforehand; a pattern uses some of it.

    Attributes:
        static: This side's X25519 secret.
        remote_static: The other side's X25519 public key.
        psks: Pre-shared keys of 32 bytes by their modifier's number; one that is not known yet
            comes later through `HandshakeState.set_psk`.
    """

    static: bytes | None = field(default=None, repr=False)
    remote_static: bytes | None = None
    psks: Mapping[int, bytes] = field(default_factory=dict, repr=False)


class HandshakeState:
    """One side of one handshake, section 5.3.

    After an error the state is spent: no method may be called again.

    Args:
        pattern: From `patterns.pattern`.
        initiator: Whether this side sends the first message.
        prologue: Bytes that both sides must agree on without sending them here.
        entropy: Asked for 32 bytes when the pattern makes the ephemeral key.
        keys: What this side holds beforehand.
    """

    def __init__(
        self,
        pattern: Pattern,
        *,
        initiator: bool,
        prologue: bytes,
        entropy: Entropy,
        keys: NoiseKeys,
    ) -> None:
        self._initiator = initiator
        self._entropy = entropy
        self._secrets = {} if keys.static is None else {"s": keys.static}
        self._remote = {} if keys.remote_static is None else {"s": keys.remote_static}
        self._psks = dict(keys.psks)
        self._ephemeral_keys = pattern.uses_psk
        self._messages = list(pattern.messages)
        self._sending = initiator
        self._symmetric = SymmetricState(pattern.name)
        self._symmetric.mix_hash(prologue)
        self._mix_known(pattern)

    @property
    def finished(self) -> bool:
        """Whether all messages of the pattern have passed."""
        return not self._messages

    @property
    def remote_static(self) -> bytes:
        """The other side's static public key, as soon as a message brought it."""
        return self._remote["s"]

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that name this one handshake; secret to nobody, equal on both sides."""
        return self._symmetric.hash

    def set_psk(self, number: int, psk: bytes) -> None:
        """Give the pre-shared key of modifier `number`, at the latest before its message."""
        assert len(psk) == 32, "a pre-shared key has 32 bytes"
        self._psks[number] = psk

    def write_message(self, payload: bytes) -> bytes:
        """Return this side's next message, which carries `payload`."""
        tokens = self._next_message(sending=True)
        written = [self._write_token(token) for token in tokens]
        written.append(self._symmetric.encrypt_and_hash(payload))
        message = b"".join(written)
        assert len(message) <= FRAME_BYTES_MAX, "a Noise message has at most 65 535 bytes"
        return message

    def read_message(self, message: bytes) -> bytes:
        """Take the other side's next message and return its payload.

        Raises:
            HandshakeFailed: Too short, too long, a low-order point, or it does not authenticate.
        """
        if len(message) > FRAME_BYTES_MAX:
            raise HandshakeFailed("a handshake message above the size that Noise allows")
        rest = message
        try:
            for token in self._next_message(sending=False):
                rest = self._read_token(token, rest)
            return self._symmetric.decrypt_and_hash(rest)
        except SealBroken as error:
            raise HandshakeFailed("a handshake message does not authenticate") from error

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers to send with and to receive with, after the last message."""
        assert self.finished, "the handshake is not over"
        first, second = self._symmetric.split()
        return (first, second) if self._initiator else (second, first)

    def _mix_known(self, pattern: Pattern) -> None:
        """Bind the static keys that the pattern presumes, the initiator's first."""
        if pattern.initiator_known:
            self._symmetric.mix_hash(self._static_of(own=self._initiator))
        if pattern.responder_known:
            self._symmetric.mix_hash(self._static_of(own=not self._initiator))

    def _static_of(self, *, own: bool) -> bytes:
        return crypto_scalarmult_base(self._secrets["s"]) if own else self._remote["s"]

    def _next_message(self, *, sending: bool) -> Message:
        assert self._messages, "the handshake is over"
        assert sending is self._sending, "it is the other side's turn"
        self._sending = not self._sending
        return self._messages.pop(0)

    def _write_token(self, token: str) -> bytes:
        if token == "e":  # noqa: S105  # a token of the pattern language, no secret
            self._secrets["e"] = draw(self._entropy, DH_BYTES)
            public = crypto_scalarmult_base(self._secrets["e"])
            self._mix_ephemeral(public)
            return public
        if token == "s":  # noqa: S105  # as above
            return self._symmetric.encrypt_and_hash(crypto_scalarmult_base(self._secrets["s"]))
        self._mix_secret(token)
        return b""

    def _read_token(self, token: str, rest: bytes) -> bytes:
        """Take what `token` sent from the front of `rest` and return what follows it."""
        if token == "e":  # noqa: S105  # as above
            self._remote["e"], rest = _cut(rest, DH_BYTES)
            self._mix_ephemeral(self._remote["e"])
        elif token == "s":  # noqa: S105  # as above
            sealed, rest = _cut(rest, DH_BYTES + self._symmetric.tag_bytes)
            self._remote["s"] = self._symmetric.decrypt_and_hash(sealed)
        else:
            self._mix_secret(token)
        return rest

    def _mix_ephemeral(self, public: bytes) -> None:
        self._symmetric.mix_hash(public)
        if self._ephemeral_keys:
            self._symmetric.mix_key(public)

    def _mix_secret(self, token: str) -> None:
        if token.startswith("psk"):
            self._symmetric.mix_key_and_hash(self._psks[int(token[3:])])
            return
        # The first letter names the initiator's key, the second the responder's.
        own, remote = (token[0], token[1]) if self._initiator else (token[1], token[0])
        self._symmetric.mix_key(_exchange(self._secrets[own], self._remote[remote]))


def _cut(data: bytes, size: int) -> tuple[bytes, bytes]:
    if len(data) < size:
        raise HandshakeFailed("a handshake message is too short")
    return data[:size], data[size:]


def _exchange(secret: bytes, public: bytes) -> bytes:
    """X25519; libsodium refuses the points whose result would be all zeros."""
    try:
        return crypto_scalarmult(secret, public)
    except NaclError as error:
        raise HandshakeFailed("a public key is a point of low order") from error
