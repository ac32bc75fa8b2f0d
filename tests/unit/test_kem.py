from hashlib import sha3_512, shake_256

import pytest

from harness.entropy import seeded
from p2pvault.crypto.kem import (
    CIPHERTEXT_BYTES,
    ENCAPSULATION_KEY_BYTES,
    DecapsulationKey,
    encapsulate,
)
from p2pvault.errors import CryptoError

KEY = DecapsulationKey.generate(seeded("kem"))
SEED = bytes(range(64))


def test_both_sides_get_the_same_secret() -> None:
    ciphertext, secret = encapsulate(KEY.encapsulation_key)
    assert len(ciphertext) == CIPHERTEXT_BYTES
    assert KEY.decapsulate(ciphertext) == secret
    assert len(secret) == 32


def test_the_same_seed_gives_the_same_key() -> None:
    again = DecapsulationKey.generate(seeded("kem"))
    assert again.encapsulation_key == KEY.encapsulation_key
    assert len(KEY.encapsulation_key) == ENCAPSULATION_KEY_BYTES


def test_an_encapsulation_key_ends_with_the_hash_of_its_seed() -> None:
    # FIPS 203, algorithm 13: (rho, sigma) = G(d || k), and rho stands last in the key.
    rho = sha3_512(SEED[:32] + b"\x03").digest()[:32]
    assert DecapsulationKey(SEED).encapsulation_key[-32:] == rho


def test_a_changed_ciphertext_gives_the_secret_of_implicit_rejection() -> None:
    # FIPS 203, algorithm 18: J(z || c) for a ciphertext that does not come back.
    key = DecapsulationKey(SEED)
    ciphertext, secret = encapsulate(key.encapsulation_key)
    changed = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    rejected = key.decapsulate(changed)
    assert rejected != secret
    assert rejected == shake_256(SEED[32:] + changed).digest(32)


@pytest.mark.parametrize("size", [0, 1, CIPHERTEXT_BYTES - 1, CIPHERTEXT_BYTES + 1])
def test_a_ciphertext_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(CryptoError):
        KEY.decapsulate(bytes(size))


@pytest.mark.parametrize(
    "key",
    [
        b"",
        KEY.encapsulation_key[:-1],
        KEY.encapsulation_key + b"\0",
        b"\xff" * ENCAPSULATION_KEY_BYTES,
        b"\x01\x0d" + KEY.encapsulation_key[2:],  # first coefficient 3 329, the modulus itself
    ],
)
def test_p14_a_malformed_encapsulation_key_is_refused(key: bytes) -> None:
    with pytest.raises(CryptoError):
        encapsulate(key)
