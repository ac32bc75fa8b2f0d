"""The signatures and key pairs of the fast ring keep the contract of the real ones."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from nacl.bindings import crypto_scalarmult_base

from harness.entropy import seeded
from p2pvault.crypto import keys, seal
from p2pvault.errors import SealBroken
from sim import fakes


class Suite(NamedTuple):
    static_public: Callable[[bytes], bytes]
    signing_public: Callable[[bytes], bytes]
    box_public: Callable[[bytes], bytes]
    sign: Callable[[bytes, bytes], bytes]
    verify: Callable[[bytes, bytes, bytes], None]


REAL = Suite(crypto_scalarmult_base, keys.signing_public, seal.box_public, keys.sign, keys.verify)
FAKE = Suite(fakes.static_public, fakes.signing_public, fakes.box_public, fakes.sign, fakes.verify)

ONE, OTHER = seeded("one")(32), seeded("other")(32)


@pytest.fixture(params=[REAL, FAKE], ids=["real", "fake"])
def suite(request: pytest.FixtureRequest) -> Suite:
    return request.param


def test_a_signature_fits_its_key_and_message(suite: Suite) -> None:
    signature = suite.sign(ONE, b"message")
    assert len(signature) == keys.SIGNATURE_BYTES
    suite.verify(suite.signing_public(ONE), b"message", signature)


def test_a_signature_is_the_same_each_time(suite: Suite) -> None:
    assert suite.sign(ONE, b"message") == suite.sign(ONE, b"message")


@pytest.mark.parametrize("turned", [0, 255, 511])
def test_a_changed_signature_is_refused(suite: Suite, turned: int) -> None:
    signature = bytearray(suite.sign(ONE, b"message"))
    signature[turned // 8] ^= 1 << turned % 8
    with pytest.raises(SealBroken):
        suite.verify(suite.signing_public(ONE), b"message", bytes(signature))


def test_a_signature_of_another_key_or_message_is_refused(suite: Suite) -> None:
    public = suite.signing_public(ONE)
    for signature in (suite.sign(OTHER, b"message"), suite.sign(ONE, b"massage")):
        with pytest.raises(SealBroken):
            suite.verify(public, b"message", signature)


@pytest.mark.parametrize(("public", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths_are_refused(suite: Suite, public: int, signature: int) -> None:
    with pytest.raises(SealBroken):
        suite.verify(bytes(public), b"message", bytes(signature))


def test_public_keys_follow_from_their_secrets(suite: Suite) -> None:
    for make, size in (
        (suite.static_public, keys.KEY_BYTES),
        (suite.signing_public, keys.KEY_BYTES),
    ):
        assert make(ONE) == make(ONE) != make(OTHER)
        assert len(make(ONE)) == size
    assert suite.box_public(ONE * 3) == suite.box_public(ONE * 3) != suite.box_public(OTHER * 3)
    assert len(suite.box_public(ONE * 3)) == seal.BOX_PUBLIC_BYTES
