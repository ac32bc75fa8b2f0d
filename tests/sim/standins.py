"""Stand-ins for the two pieces of cryptography that cannot be repeated.

The libraries draw the randomness of ML-KEM's encapsulation and of HPKE themselves and take none
from outside, so a run with them has other bytes each time: other hashes, and other ends of races
that hashes decide. These have the same sizes and pass the same contract suite; they are no secret
to anybody who can do arithmetic. All else is real.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import shake_256
from typing import Self

from harness.entropy import seeded
from p2pvault.crypto import hybrid
from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.kem import (
    CIPHERTEXT_BYTES,
    ENCAPSULATION_KEY_BYTES,
    SEED_BYTES,
    Encapsulated,
)
from p2pvault.crypto.seal import (
    BOX_PUBLIC_BYTES,
    NONCE_BYTES,
    SEAL_OVERHEAD_BYTES,
    box_public,
    decrypt,
    encrypt,
)
from p2pvault.errors import CryptoError, SealBroken
from p2pvault.protocol.membership import epoch
from p2pvault.protocol.pairing import joiner, sponsor
from sim.replacing import replaced

_KEY_BYTES = 32
_TAG_BYTES = 16
_SHARE_BYTES = SEAL_OVERHEAD_BYTES - NONCE_BYTES - _TAG_BYTES


def _expand(size: int, *parts: bytes) -> bytes:
    whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return shake_256(whole).digest(size)


class DecapsulationKey:
    """In the place of a key pair of ML-KEM-768."""

    def __init__(self, seed: bytes) -> None:
        self.encapsulation_key = _expand(ENCAPSULATION_KEY_BYTES, b"key", seed)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        return cls(draw(entropy, SEED_BYTES))

    def decapsulate(self, ciphertext: bytes) -> bytes:
        if len(ciphertext) != CIPHERTEXT_BYTES:
            raise CryptoError("an ML-KEM ciphertext has the wrong length")
        return _expand(_KEY_BYTES, b"secret", self.encapsulation_key, ciphertext)


class StandIns:
    """The functions that need randomness, with a source of it."""

    def __init__(self, seed: object) -> None:
        self._entropy = seeded(("stand-ins", seed))

    def encapsulate(self, encapsulation_key: bytes) -> Encapsulated:
        if len(encapsulation_key) != ENCAPSULATION_KEY_BYTES:
            raise CryptoError("an ML-KEM encapsulation key is malformed")
        ciphertext = draw(self._entropy, CIPHERTEXT_BYTES)
        secret = _expand(_KEY_BYTES, b"secret", encapsulation_key, ciphertext)
        return Encapsulated(ciphertext, secret)

    def seal_to(self, public: bytes, plaintext: bytes, info: bytes) -> bytes:
        if len(public) != BOX_PUBLIC_BYTES:
            raise CryptoError("cannot seal to a device whose box key is unusable")
        share = draw(self._entropy, _SHARE_BYTES)
        key = _expand(_KEY_BYTES, b"seal", public, share)
        return share + encrypt(key, plaintext, draw(self._entropy, NONCE_BYTES), info)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Use the stand-ins within the block."""
        with ExitStack() as stack:
            for owner, name, new in (
                (hybrid, "DecapsulationKey", DecapsulationKey),
                (hybrid, "encapsulate", self.encapsulate),
                (epoch, "seal_to", self.seal_to),
                (epoch, "open_sealed", open_sealed),
                (sponsor, "seal_to", self.seal_to),
                (joiner, "open_sealed", open_sealed),
            ):
                stack.enter_context(replaced(owner, name, new))
            yield


def open_sealed(box_secret: bytes, sealed: bytes, info: bytes) -> bytes:
    if len(sealed) < SEAL_OVERHEAD_BYTES:
        raise SealBroken("a sealed box does not open: not for this device, or changed")
    share, rest = sealed[:_SHARE_BYTES], sealed[_SHARE_BYTES:]
    key = _expand(_KEY_BYTES, b"seal", box_public(box_secret), share)
    return decrypt(key, rest, info)
