"""A device's three key pairs, its id, and signatures.

One pair for each job, because a key with two jobs is a key with the weaknesses of both: Ed25519
signs, X25519 authenticates links (Noise revision 34, section 14: static keys are for Noise only),
and a hybrid ML-KEM-768 with X25519 key opens boxes. Signatures come from libsodium, which refuses
low-order and non-canonical keys, so that all devices agree on what verifies.
"""

from dataclasses import dataclass, field
from typing import Self

from nacl.bindings import (
    crypto_scalarmult_base,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import CryptoError as NaclError

from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.seal import BOX_PUBLIC_BYTES, BOX_SECRET_BYTES, box_public
from p2pvault.errors import CryptoError, SealBroken
from p2pvault.types import AuthorId, DeviceId, EntryHash, JournalId

KEY_BYTES = 32
"""An Ed25519 seed or public key, an X25519 secret or public key."""

SIGNATURE_BYTES = 64
"""An Ed25519 signature (RFC 8032)."""

DEVICE_KEYS_BYTES = 2 * KEY_BYTES + BOX_SECRET_BYTES
"""`DeviceKeys.to_bytes`: the Ed25519 seed, the X25519 secret, the box secret."""

PUBLIC_KEYS_BYTES = 2 * KEY_BYTES + BOX_PUBLIC_BYTES
"""`PublicKeys.to_bytes`: the three public keys in the same order."""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What other devices know of a device.

    Attributes:
        signing: Ed25519 public key, 32 bytes.
        static: X25519 public key for links, 32 bytes.
        box: ML-KEM-768 encapsulation key and X25519 public key, 1 216 bytes.
    """

    signing: bytes
    static: bytes
    box: bytes

    def to_bytes(self) -> bytes:
        """Return the three keys one after the other, 1 280 bytes."""
        return self.signing + self.static + self.box

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` made.

        Raises:
            CryptoError: The length is not 1 280 bytes. The keys themselves are not checked here:
                an unusable one fails where it is used.
        """
        if len(data) != PUBLIC_KEYS_BYTES:
            raise CryptoError(f"public keys have {PUBLIC_KEYS_BYTES} bytes, not {len(data)}")
        return cls(*_split(data))


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """The secret halves. Never leave the device; never shown in a representation.

    Attributes:
        signing: Ed25519 seed, 32 bytes.
        static: X25519 secret for links, 32 bytes.
        box: ML-KEM-768 seed and X25519 secret, 96 bytes.
    """

    signing: bytes = field(repr=False)
    static: bytes = field(repr=False)
    box: bytes = field(repr=False)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """Make new keys. All of them are seeds, so the same entropy gives the same keys."""
        return cls(
            signing=draw(entropy, KEY_BYTES),
            static=draw(entropy, KEY_BYTES),
            box=draw(entropy, BOX_SECRET_BYTES),
        )

    @property
    def public(self) -> PublicKeys:
        """The public halves, computed anew on each call (about 0.1 ms)."""
        signing = signing_public(self.signing)
        return PublicKeys(signing, crypto_scalarmult_base(self.static), box_public(self.box))

    def to_bytes(self) -> bytes:
        """Return the three secrets one after the other, 160 bytes, for the store."""
        return self.signing + self.static + self.box

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` made.

        Raises:
            CryptoError: The length is not 160 bytes.
        """
        if len(data) != DEVICE_KEYS_BYTES:
            raise CryptoError(f"device keys have {DEVICE_KEYS_BYTES} bytes, not {len(data)}")
        return cls(*_split(data))


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    return data[:KEY_BYTES], data[KEY_BYTES : 2 * KEY_BYTES], data[2 * KEY_BYTES :]


def device_id(public: PublicKeys) -> DeviceId:
    """Return the id that all three keys make together: change one, and it is another device."""
    return DeviceId(digest(b"p2pv-dev", public.signing, public.static, public.box))


def author_id(device: DeviceId, journal: JournalId) -> AuthorId:
    """Return the 16-byte id of one journal of one device."""
    return AuthorId(digest(b"p2pv-author", device, journal, size=16))


def entry_hash(body: bytes) -> EntryHash:
    """Return the hash of an entry's packed body: what its author signs and the next one names."""
    return EntryHash(digest(b"p2pv-entry", body))


def signing_public(seed: bytes) -> bytes:
    """Return the Ed25519 public key of a seed, 32 bytes each."""
    public, _ = crypto_sign_seed_keypair(seed)
    return public


def sign(seed: bytes, message: bytes) -> bytes:
    """Sign with Ed25519 (RFC 8032); deterministic.

    Args:
        seed: `DeviceKeys.signing`, 32 bytes.
        message: Any bytes. Callers sign a personalised hash, so that no signature serves twice.

    Returns:
        64 bytes.
    """
    _, secret = crypto_sign_seed_keypair(seed)
    return crypto_sign(message, secret)[:SIGNATURE_BYTES]


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature.

    Args:
        public: `PublicKeys.signing`, 32 bytes.
        message: What was signed.
        signature: 64 bytes.

    Raises:
        SealBroken: It is not this key's signature of this message, or the key or the signature is
            malformed.
    """
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise SealBroken("a signature or its key has the wrong length")
    try:
        crypto_sign_open(signature + message, public)
    except NaclError as error:
        raise SealBroken("a signature does not verify") from error
