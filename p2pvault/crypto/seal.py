"""Seals: bytes that only a chosen device, or a chosen key, can open.

`seal_to` is for a device (epoch secrets travel that way), `encrypt` for a shared key (the store's
key slots). Everything that does not open raises `SealBroken` and says nothing more: why it did
not open is of use to an attacker only.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError as NaclError

from p2pvault.errors import CryptoError, SealBroken

BOX_SECRET_BYTES = 96
"""The 64-byte ML-KEM-768 seed (FIPS 203, section 7.1: d || z), then the X25519 secret."""

BOX_PUBLIC_BYTES = 1_216
"""The ML-KEM-768 encapsulation key (1 184 bytes, FIPS 203), then the X25519 public key."""

SEAL_OVERHEAD_BYTES = 1_136
"""What `seal_to` adds: KEM ciphertext (1 088), X25519 share (32) and authentication tag (16)."""

NONCE_BYTES = 24
"""XChaCha20's nonce (draft-irtf-cfrg-xchacha-03): long enough to be drawn at random."""

_SEED_BYTES = 64
_ENCAPSULATION_KEY_BYTES = 1_184
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def box_public(box_secret: bytes) -> bytes:
    """Return the 1 216-byte public key of a 96-byte box secret."""
    assert len(box_secret) == BOX_SECRET_BYTES, "a box secret has 96 bytes"
    kem = MLKEM768PrivateKey.from_seed_bytes(box_secret[:_SEED_BYTES])
    dh = X25519PrivateKey.from_private_bytes(box_secret[_SEED_BYTES:])
    return kem.public_key().public_bytes_raw() + dh.public_key().public_bytes_raw()


def seal_to(box_public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal bytes to one device with HPKE (RFC 9180, base mode).

    The KEM is ML-KEM-768 with X25519, so a recorded seal stays closed as long as either of the
    two holds. The randomness is the library's own; it takes none from outside.

    Args:
        box_public: The device's 1 216-byte box key.
        plaintext: Any bytes.
        info: What the seal is for; opening needs the same.

    Returns:
        `len(plaintext) + SEAL_OVERHEAD_BYTES` bytes.

    Raises:
        CryptoError: `box_public` is no usable key: wrong length, not a canonical ML-KEM key, or
            an X25519 point of low order.
    """
    try:
        kem = MLKEM768PublicKey.from_public_bytes(box_public[:_ENCAPSULATION_KEY_BYTES])
        dh = X25519PublicKey.from_public_bytes(box_public[_ENCAPSULATION_KEY_BYTES:])
        return _SUITE.encrypt(plaintext, MLKEM768X25519PublicKey(kem, dh), info)
    except ValueError as error:
        raise CryptoError("cannot seal to a device whose box key is unusable") from error


def open_sealed(box_secret: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open what `seal_to` sealed to the public key of `box_secret`.

    Raises:
        SealBroken: Sealed to another device, for another `info`, or changed since.
    """
    kem = MLKEM768PrivateKey.from_seed_bytes(box_secret[:_SEED_BYTES])
    dh = X25519PrivateKey.from_private_bytes(box_secret[_SEED_BYTES:])
    try:
        return _SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(kem, dh), info)
    except InvalidTag as error:
        raise SealBroken("a sealed box does not open: not for this device, or changed") from error


def encrypt(key: bytes, plaintext: bytes, nonce: bytes, context: bytes) -> bytes:
    """Encrypt under a shared key with XChaCha20-Poly1305.

    Args:
        key: 32 bytes.
        plaintext: Any bytes.
        nonce: 24 random bytes, never used with this key before.
        context: Authenticated with the ciphertext; decrypting needs the same.

    Returns:
        The nonce, then the ciphertext with its 16-byte tag.
    """
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, context, nonce, key)


def decrypt(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Decrypt what `encrypt` made.

    Raises:
        SealBroken: Another key, another context, or changed since.
    """
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    if len(ciphertext) < 16:
        raise SealBroken("a sealed value is shorter than its nonce and tag")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, context, nonce, key)
    except NaclError as error:
        raise SealBroken("a sealed value does not open: other key, or changed") from error
