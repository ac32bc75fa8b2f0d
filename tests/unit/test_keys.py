from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.crypto.keys import (
    DEVICE_KEYS_BYTES,
    PUBLIC_KEYS_BYTES,
    DeviceKeys,
    PublicKeys,
    author_id,
    device_id,
    sign,
    verify,
)
from p2pvault.errors import CryptoError, SealBroken
from p2pvault.types import DeviceId, JournalId

KEYS = DeviceKeys.generate(seeded("keys"))
PUBLIC = KEYS.public

# RFC 8032, section 7.1, test 2.
RFC8032_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
RFC8032_PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
RFC8032_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_same_entropy_makes_the_same_keys_and_other_entropy_others() -> None:
    assert DeviceKeys.generate(seeded("keys")) == KEYS
    assert DeviceKeys.generate(seeded("others")).public != PUBLIC


def test_keys_come_back_from_their_bytes() -> None:
    assert len(KEYS.to_bytes()) == DEVICE_KEYS_BYTES == 160
    assert DeviceKeys.from_bytes(KEYS.to_bytes()) == KEYS
    assert len(PUBLIC.to_bytes()) == PUBLIC_KEYS_BYTES == 1280
    assert PublicKeys.from_bytes(PUBLIC.to_bytes()) == PUBLIC
    assert [len(PUBLIC.signing), len(PUBLIC.static), len(PUBLIC.box)] == [32, 32, 1216]


@pytest.mark.parametrize("size", [0, 159, 161, 1279, 1281])
def test_keys_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(CryptoError):
        DeviceKeys.from_bytes(bytes(size))
    with pytest.raises(CryptoError):
        PublicKeys.from_bytes(bytes(size))


def test_no_secret_shows_in_a_representation() -> None:
    assert repr(KEYS) == "DeviceKeys()"


def test_a_source_of_too_little_entropy_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        DeviceKeys.generate(lambda size: bytes(size - 1))


def test_a_device_id_depends_on_each_of_its_keys() -> None:
    ids = {
        device_id(PUBLIC),
        device_id(replace(PUBLIC, signing=bytes(32))),
        device_id(replace(PUBLIC, static=bytes(32))),
        device_id(replace(PUBLIC, box=bytes(1216))),
    }
    assert len(ids) == 4
    assert {len(identifier) for identifier in ids} == {32}


def test_an_author_id_depends_on_device_and_journal() -> None:
    device, journal = DeviceId(b"d" * 32), JournalId(b"j" * 16)
    ids = {
        author_id(device, journal),
        author_id(DeviceId(b"D" * 32), journal),
        author_id(device, JournalId(b"J" * 16)),
    }
    assert len(ids) == 3
    assert {len(identifier) for identifier in ids} == {16}


def test_signatures_are_those_of_rfc_8032() -> None:
    assert sign(RFC8032_SEED, b"\x72") == RFC8032_SIGNATURE
    verify(RFC8032_PUBLIC, b"\x72", RFC8032_SIGNATURE)


@given(st.binary(max_size=64), st.integers(0, 511))
def test_a_signature_with_any_bit_flipped_does_not_verify(message: bytes, bit: int) -> None:
    signature = bytearray(sign(KEYS.signing, message))
    verify(PUBLIC.signing, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        verify(PUBLIC.signing, message, bytes(signature))


def test_a_signature_of_another_message_or_key_does_not_verify() -> None:
    signature = sign(KEYS.signing, b"message")
    with pytest.raises(SealBroken):
        verify(PUBLIC.signing, b"massage", signature)
    with pytest.raises(SealBroken):
        verify(RFC8032_PUBLIC, b"message", signature)


@pytest.mark.parametrize(
    ("key", "size"), [(bytes(31), 64), (bytes(33), 64), (bytes(32), 63), (bytes(32), 65)]
)
def test_a_key_or_signature_of_another_length_does_not_verify(key: bytes, size: int) -> None:
    with pytest.raises(SealBroken):
        verify(key, b"", bytes(size))


@pytest.mark.parametrize(
    "point", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]
)
def test_p8_a_low_order_key_verifies_nothing(point: bytes) -> None:
    # With the identity or a point of small order as key, s = 0 and R = that point satisfy the
    # bare equation for many messages; a verifier that accepts them disagrees with the others.
    with pytest.raises(SealBroken):
        verify(point, b"anything", b"\x01" + bytes(63))
