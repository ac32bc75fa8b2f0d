import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.crypto.seal import SEAL_OVERHEAD_BYTES, decrypt, encrypt, open_sealed, seal_to
from p2pvault.errors import CryptoError, SealBroken

KEYS = DeviceKeys.generate(seeded("box"))
BOX = KEYS.public.box
SEALED = seal_to(BOX, b"epoch secret", b"info")
KEY, NONCE = b"k" * 32, b"n" * 24

# draft-irtf-cfrg-xchacha-03, appendix A.3.1.
XCHACHA_KEY = bytes(range(0x80, 0xA0))
XCHACHA_NONCE = bytes(range(0x40, 0x58))
XCHACHA_CONTEXT = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
XCHACHA_PLAINTEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)
XCHACHA_START = bytes.fromhex("bd6d179d3e83d43b9576579493c0e939")
XCHACHA_TAG = bytes.fromhex("c0875924c1c7987947deafd8780acf49")


@given(st.binary(max_size=200), st.binary(max_size=40))
@settings(max_examples=30)
def test_what_is_sealed_to_a_device_opens_on_it(plaintext: bytes, info: bytes) -> None:
    sealed = seal_to(BOX, plaintext, info)
    assert open_sealed(KEYS.box, sealed, info) == plaintext
    assert len(sealed) == len(plaintext) + SEAL_OVERHEAD_BYTES


def test_sealing_twice_gives_two_different_seals() -> None:
    assert seal_to(BOX, b"x", b"") != seal_to(BOX, b"x", b"")


@pytest.mark.parametrize("position", [*range(0, len(SEALED), 37), *range(1080, len(SEALED))])
def test_a_seal_with_a_changed_byte_does_not_open(position: int) -> None:
    changed = bytearray(SEALED)
    changed[position] ^= 1 << position % 8
    with pytest.raises(SealBroken):
        open_sealed(KEYS.box, bytes(changed), b"info")


@pytest.mark.parametrize("size", [0, 1, 1087, 1088, 1119, 1120, 1135, len(SEALED) - 1])
def test_a_seal_that_was_cut_does_not_open(size: int) -> None:
    with pytest.raises(SealBroken):
        open_sealed(KEYS.box, SEALED[:size], b"info")


def test_a_seal_opens_for_its_device_and_purpose_only() -> None:
    with pytest.raises(SealBroken):
        open_sealed(KEYS.box, SEALED, b"another purpose")
    with pytest.raises(SealBroken):
        open_sealed(DeviceKeys.generate(seeded("other")).box, SEALED, b"info")


@pytest.mark.parametrize(
    "box",
    [
        b"",
        BOX[:-1],
        BOX + b"\0",
        b"\xff" * 1184 + BOX[1184:],  # coefficients above the modulus
        BOX[:1184] + bytes(32),  # a point of low order
    ],
)
def test_an_unusable_box_key_is_refused(box: bytes) -> None:
    with pytest.raises(CryptoError):
        seal_to(box, b"secret", b"info")


def test_encryption_is_xchacha20_poly1305() -> None:
    sealed = encrypt(XCHACHA_KEY, XCHACHA_PLAINTEXT, XCHACHA_NONCE, XCHACHA_CONTEXT)
    assert sealed[:24] == XCHACHA_NONCE
    assert sealed[24:40] == XCHACHA_START
    assert sealed[-16:] == XCHACHA_TAG


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_what_is_encrypted_decrypts(plaintext: bytes, context: bytes) -> None:
    assert decrypt(KEY, encrypt(KEY, plaintext, NONCE, context), context) == plaintext


def test_a_ciphertext_changed_anywhere_or_cut_anywhere_does_not_decrypt() -> None:
    sealed = encrypt(KEY, b"master key", NONCE, b"slot")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 0x40
        with pytest.raises(SealBroken):
            decrypt(KEY, bytes(changed), b"slot")
        with pytest.raises(SealBroken):
            decrypt(KEY, sealed[:position], b"slot")


def test_a_ciphertext_needs_its_key_and_context() -> None:
    sealed = encrypt(KEY, b"master key", NONCE, b"slot")
    with pytest.raises(SealBroken):
        decrypt(b"K" * 32, sealed, b"slot")
    with pytest.raises(SealBroken):
        decrypt(KEY, sealed, b"other")
