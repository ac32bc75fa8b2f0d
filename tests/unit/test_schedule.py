from hashlib import blake2b
from hmac import new as hmac_new

from hypothesis import given
from hypothesis import strategies as st

from p2pvault.crypto.schedule import discovery_key, fingerprint_key, gate_key, hkdf, store_key
from p2pvault.types import VaultId

SECRET = b"s" * 32


def test_every_purpose_gets_its_own_key() -> None:
    keys = {
        gate_key(SECRET),
        discovery_key(SECRET),
        store_key(SECRET),
        fingerprint_key(VaultId(SECRET)),
        SECRET,
    }
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


def test_another_secret_gives_other_keys() -> None:
    other = b"S" * 32
    assert gate_key(other) != gate_key(SECRET)
    assert discovery_key(other) != discovery_key(SECRET)
    assert store_key(other) != store_key(SECRET)
    assert fingerprint_key(VaultId(other)) != fingerprint_key(VaultId(SECRET))


@given(st.binary(min_size=1, max_size=128), st.binary(max_size=100))
def test_hkdf_is_that_of_the_noise_specification(chaining_key: bytes, material: bytes) -> None:
    def hmac(key: bytes, data: bytes) -> bytes:
        return hmac_new(key, data, blake2b).digest()

    temporary = hmac(chaining_key, material)
    first = hmac(temporary, b"\x01")
    second = hmac(temporary, first + b"\x02")
    third = hmac(temporary, second + b"\x03")
    assert hkdf(chaining_key, material, 3) == (first, second, third)
    assert hkdf(chaining_key, material, 2) == (first, second)
