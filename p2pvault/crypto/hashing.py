"""BLAKE2b with a purpose: the one way in which the project hashes.

Each use has its own personalisation (RFC 7693 parameter block, section 2.5), so a hash made for
one purpose can never pass for another. This module must not grow purposes of its own beyond the
one that is too frequent for a general function.
"""

from hashlib import blake2b

PERSON_BYTES_MAX = blake2b.PERSON_SIZE
"""16: the room for a personalisation in BLAKE2b's parameter block."""


def digest(person: bytes, *parts: bytes, size: int = 32, key: bytes = b"") -> bytes:
    """Hash a list of parts for one purpose.

    Each part is preceded by its length in 8 bytes, big endian. The encoding is injective: two
    different lists of parts never feed the same bytes to the hash.

    Args:
        person: The purpose, `b"p2pv-..."`, at most 16 bytes.
        parts: What is hashed, in order.
        size: Length of the result in bytes, 1 to 64.
        key: Key of BLAKE2b's own keyed mode, at most 64 bytes; empty for none.

    Returns:
        `size` bytes.
    """
    hasher = blake2b(digest_size=size, key=key, person=person)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()


def fingerprint_item(key: bytes, record_id: bytes, heads: tuple[bytes, ...]) -> int:
    """Hash one record's state for the fingerprint of its collection.

    The parts need no length: a record id has 16 bytes and a head 32, so where one ends is known.
    Called once for every record that a batch writes, hence without `digest`'s generality.

    Args:
        key: 32 bytes, `schedule.fingerprint_key` of the vault.
        record_id: 16 bytes.
        heads: Hashes of 32 bytes each, in any order.

    Returns:
        A number below 2**256, to be summed modulo 2**256.
    """
    content = record_id + b"".join(sorted(heads))
    hashed = blake2b(content, digest_size=32, key=key, person=b"p2pv-fp-item").digest()
    return int.from_bytes(hashed, "big")
