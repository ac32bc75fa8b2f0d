"""The costly cryptography of the fast ring: the same machines over arithmetic that costs nothing.

Diffie-Hellman, key pairs and signatures are hashes here. Whoever has bytes on the way can compute
everything; nobody who only speaks the protocol can tell the difference: who lacks the key of the
gate is turned away, each side learns the other's static key, a bit that is turned ends a handshake,
a signature fits one key and one message. `tests/contract/test_handshake_contract.py` and
`tests/contract/test_signature_contract.py` hold both to that. What seals frames is real, and so are
hashes, the wire, the membership rules and the CRDT engine.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b, shake_256
from hmac import compare_digest

from p2pvault.crypto import hybrid, keys
from p2pvault.crypto.cipher import TAG_BYTES, CipherState
from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.noise import DH_BYTES, NoiseKeys
from p2pvault.crypto.seal import BOX_PUBLIC_BYTES
from p2pvault.errors import HandshakeFailed, SealBroken
from p2pvault.protocol import journal
from p2pvault.protocol.membership import operation, recovery
from p2pvault.protocol.pairing import ceremony, joiner, sponsor
from sim import standins
from sim.replacing import replaced

_TOKENS = ((True, "e"), (False, "es"), (True, "s"))
"""Who writes each message, and which keys it shows."""


def static_public(secret: bytes) -> bytes:
    """In the place of a Diffie-Hellman public key."""
    return blake2b(secret, digest_size=DH_BYTES, person=b"fake-static").digest()


def signing_public(seed: bytes) -> bytes:
    """In the place of an Ed25519 public key."""
    return blake2b(seed, digest_size=keys.KEY_BYTES, person=b"fake-signing").digest()


def box_public(secret: bytes) -> bytes:
    """In the place of the public half of a box key."""
    return shake_256(b"fake-box" + secret).digest(BOX_PUBLIC_BYTES)


def sign(seed: bytes, message: bytes) -> bytes:
    """In the place of an Ed25519 signature."""
    return _signature(signing_public(seed), message)


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Check what `sign` made, as the real one does."""
    if len(public) != keys.KEY_BYTES or len(signature) != keys.SIGNATURE_BYTES:
        raise SealBroken("a signature or its key has the wrong length")
    if not compare_digest(signature, _signature(public, message)):
        raise SealBroken("a signature does not verify")


def _signature(public: bytes, message: bytes) -> bytes:
    return blake2b(message, digest_size=keys.SIGNATURE_BYTES, key=public).digest()


class HandshakeState:
    """In the place of Noise's state, for the one pattern that `hybrid` uses.

    Messages have the sizes of the real ones. Each shows its payload, and a tag over all that both
    sides have seen and share by then.
    """

    def __init__(
        self,
        pattern: object,
        *,
        initiator: bool,
        prologue: bytes,
        entropy: Entropy,
        keys: NoiseKeys,
    ) -> None:
        assert keys.static is not None, "both sides have one"
        self._initiator = initiator
        self._entropy = entropy
        self._static = static_public(keys.static)
        self._psks = dict(keys.psks)
        self._position = 0
        self.remote_static = b""
        self.handshake_hash = self._mix(blake2b(prologue).digest(), self._psks[0])

    def set_psk(self, index: int, psk: bytes) -> None:
        """Set a key that is known by now."""
        self._psks[index] = psk

    def write_message(self, payload: bytes) -> bytes:
        """Return the next message."""
        shown = _TOKENS[self._position][1]
        parts = [draw(self._entropy, DH_BYTES)] if "e" in shown else []
        if "s" in shown:
            parts.append(self._static + bytes(TAG_BYTES))
        return self._sealed(b"".join(parts) + payload)

    def read_message(self, message: bytes) -> bytes:
        """Check a message, and return its payload."""
        shown = _TOKENS[self._position][1]
        body = message[:-TAG_BYTES]
        if not compare_digest(self._sealed(body), message):
            raise HandshakeFailed("a handshake message does not authenticate")
        rest = body[DH_BYTES:] if "e" in shown else body
        if "s" in shown:
            self.remote_static = rest[:DH_BYTES]
            rest = rest[DH_BYTES + TAG_BYTES :]
        return rest

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers to send and to receive with."""
        both = [
            CipherState(blake2b(self.handshake_hash, digest_size=32, salt=way).digest())
            for way in (b"there", b"back")
        ]
        return (both[0], both[1]) if self._initiator else (both[1], both[0])

    def _sealed(self, body: bytes) -> bytes:
        self._position += 1
        late = self._psks[3] if self._position == len(_TOKENS) else b""
        self.handshake_hash = self._mix(self.handshake_hash, late, body)
        return body + self.handshake_hash[:TAG_BYTES]

    @staticmethod
    def _mix(*parts: bytes) -> bytes:
        return blake2b(b"".join(parts)).digest()


_PLACES: Sequence[tuple[object, str, object]] = (
    (hybrid, "HandshakeState", HandshakeState),
    (hybrid, "crypto_scalarmult_base", static_public),
    (keys, "crypto_scalarmult_base", static_public),
    (keys, "signing_public", signing_public),
    (keys, "box_public", box_public),
    (recovery, "signing_public", signing_public),
    (recovery, "box_public", box_public),
    (standins, "box_public", box_public),
    (journal, "sign", sign),
    (journal, "verify", verify),
    (operation, "sign", sign),
    (operation, "verify", verify),
    (sponsor, "sign", sign),
    (joiner, "sign", sign),
    (ceremony, "verify", verify),
)


@contextmanager
def installed() -> Iterator[None]:
    """Use the fakes within the block."""
    with ExitStack() as stack:
        for owner, name, new in _PLACES:
            stack.enter_context(replaced(owner, name, new))
        yield
