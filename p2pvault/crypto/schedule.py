"""The key schedule: every key that comes out of another key, and what each is for.

    epoch secret       -> gate key (first factor of links), discovery key (names on mDNS)
    device master key  -> store key
    vault id           -> fingerprint key

Each derivation is one personalised hash, so knowing one key says nothing about its siblings.
"""

from hashlib import blake2b
from hmac import digest as hmac_digest

from p2pvault.crypto.hashing import digest
from p2pvault.types import VaultId

HASH_BYTES = 64
"""BLAKE2b's full output, Noise revision 34, section 12.8."""


def gate_key(epoch_secret: bytes) -> bytes:
    """Return the 32-byte key that a first message must know to be answered in this epoch."""
    return digest(b"p2pv-gate", epoch_secret)


def discovery_key(epoch_secret: bytes) -> bytes:
    """Return the 32-byte key under which members recognise each other's mDNS names."""
    return digest(b"p2pv-disc", epoch_secret)


def store_key(master_key: bytes) -> bytes:
    """Return the 32-byte key of the encrypted store, from the device master key."""
    return digest(b"p2pv-store", master_key)


def fingerprint_key(vault_id: VaultId) -> bytes:
    """Return the 32-byte key of content fingerprints.

    It keeps the sums of two vaults apart. It is not a secret from members, who know the vault id;
    nobody else ever sees a fingerprint.
    """
    return digest(b"p2pv-fp", vault_id)


def hkdf(chaining_key: bytes, material: bytes, outputs: int) -> tuple[bytes, ...]:
    """Derive keys as Noise revision 34, section 4.3 defines HKDF, over BLAKE2b.

    Args:
        chaining_key: 64 bytes inside Noise; at most 128 (BLAKE2b's block) elsewhere.
        material: Input key material; Noise uses 0, 32 or the length of a DH output.
        outputs: How many keys, 1 to 255; Noise uses 2 or 3.

    Returns:
        `outputs` keys of 64 bytes each.
    """
    temporary = hmac_digest(chaining_key, material, blake2b)
    keys: list[bytes] = []
    previous = b""
    for index in range(1, outputs + 1):
        previous = hmac_digest(temporary, previous + bytes([index]), blake2b)
        keys.append(previous)
    return tuple(keys)
