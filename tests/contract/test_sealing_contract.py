"""What stands in for cryptography that cannot be repeated keeps the contract of the real thing."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from harness.entropy import seeded
from p2pvault.crypto import kem, seal
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import CryptoError, SealBroken
from sim import standins


class Suite(NamedTuple):
    key: Any
    encapsulate: Callable[[bytes], kem.Encapsulated]
    seal_to: Callable[[bytes, bytes, bytes], bytes]
    open_sealed: Callable[[bytes, bytes, bytes], bytes]


REAL = Suite(kem.DecapsulationKey, kem.encapsulate, seal.seal_to, seal.open_sealed)
FALSE = standins.StandIns("contract")
STOOD_IN = Suite(standins.DecapsulationKey, FALSE.encapsulate, FALSE.seal_to, standins.open_sealed)

ADA, BOB = (DeviceKeys.generate(seeded(name)) for name in ("ada", "bob"))


@pytest.fixture(params=[REAL, STOOD_IN], ids=["real", "stand-in"])
def suite(request: pytest.FixtureRequest) -> Suite:
    return request.param


def test_both_sides_get_the_secret(suite: Suite) -> None:
    key = suite.key.generate(seeded(1))
    assert len(key.encapsulation_key) == kem.ENCAPSULATION_KEY_BYTES
    ciphertext, secret = suite.encapsulate(key.encapsulation_key)
    assert len(ciphertext) == kem.CIPHERTEXT_BYTES
    assert len(secret) == 32
    assert key.decapsulate(ciphertext) == secret


def test_every_secret_is_another_one(suite: Suite) -> None:
    key = suite.key.generate(seeded(1))
    one, other = (suite.encapsulate(key.encapsulation_key) for _ in range(2))
    assert one.ciphertext != other.ciphertext
    assert one.secret != other.secret


def test_the_same_seed_makes_the_same_pair(suite: Suite) -> None:
    one, other, third = (suite.key.generate(seeded(n)) for n in (1, 1, 2))
    assert one.encapsulation_key == other.encapsulation_key != third.encapsulation_key


def test_a_changed_ciphertext_gives_another_secret(suite: Suite) -> None:
    key = suite.key.generate(seeded(1))
    ciphertext, secret = suite.encapsulate(key.encapsulation_key)
    changed = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    assert key.decapsulate(changed) != secret
    assert suite.key.generate(seeded(2)).decapsulate(ciphertext) != secret


def test_wrong_lengths_are_refused(suite: Suite) -> None:
    key = suite.key.generate(seeded(1))
    with pytest.raises(CryptoError):
        key.decapsulate(b"short")
    with pytest.raises(CryptoError):
        suite.encapsulate(b"short")
    with pytest.raises(CryptoError):
        suite.seal_to(b"short", b"secret", b"epoch")
    with pytest.raises(SealBroken):
        suite.open_sealed(ADA.box, b"short", b"epoch")


def test_a_seal_opens_for_its_device_and_purpose_only(suite: Suite) -> None:
    sealed = suite.seal_to(ADA.public.box, b"secret", b"epoch")
    assert len(sealed) == len(b"secret") + seal.SEAL_OVERHEAD_BYTES
    assert suite.open_sealed(ADA.box, sealed, b"epoch") == b"secret"
    for secret, data, info in (
        (BOB.box, sealed, b"epoch"),
        (ADA.box, sealed, b"challenge"),
        (ADA.box, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"epoch"),
    ):
        with pytest.raises(SealBroken):
            suite.open_sealed(secret, data, info)


def test_a_seal_is_never_the_same_twice(suite: Suite) -> None:
    one, other = (suite.seal_to(ADA.public.box, b"secret", b"epoch") for _ in range(2))
    assert one != other


def test_stand_ins_repeat_themselves() -> None:
    key = standins.DecapsulationKey.generate(seeded(1)).encapsulation_key
    one, other = (standins.StandIns("again").encapsulate(key) for _ in range(2))
    assert one == other
