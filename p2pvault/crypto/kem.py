"""ML-KEM-768 (FIPS 203): a shared secret that a quantum computer does not open.

Thin over `cryptography`. Decapsulation never fails on a ciphertext of the right length: a changed
one gives another secret (implicit rejection, FIPS 203 section 6.3), and the keys that come of it
do not match.
"""

from typing import NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.errors import CryptoError

SEED_BYTES = 64
"""d || z, FIPS 203 section 7.1."""

ENCAPSULATION_KEY_BYTES = 1_184
"""FIPS 203, table 3."""

CIPHERTEXT_BYTES = 1_088
"""FIPS 203, table 3."""


class Encapsulated(NamedTuple):
    """What `encapsulate` makes: the ciphertext to send and the 32-byte secret in it."""

    ciphertext: bytes
    secret: bytes


class DecapsulationKey:
    """One ML-KEM-768 key pair, made for one handshake."""

    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        self._key = MLKEM768PrivateKey.from_seed_bytes(seed)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """Make a new pair; the same entropy gives the same pair."""
        return cls(draw(entropy, SEED_BYTES))

    @property
    def encapsulation_key(self) -> bytes:
        """The public half, 1 184 bytes."""
        return self._key.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """Return the 32-byte secret in a ciphertext of 1 088 bytes.

        Raises:
            CryptoError: The ciphertext has another length.
        """
        try:
            return self._key.decapsulate(ciphertext)
        except ValueError as error:
            raise CryptoError("an ML-KEM ciphertext has the wrong length") from error


def encapsulate(encapsulation_key: bytes) -> Encapsulated:
    """Make a secret for the holder of an encapsulation key.

    The randomness is the library's own: it takes none from outside.

    Raises:
        CryptoError: The key has another length than 1 184 bytes, or is not canonical (the
            modulus check of FIPS 203, section 7.2).
    """
    try:
        secret, ciphertext = MLKEM768PublicKey.from_public_bytes(encapsulation_key).encapsulate()
    except ValueError as error:
        raise CryptoError("an ML-KEM encapsulation key is malformed") from error
    return Encapsulated(ciphertext, secret)
