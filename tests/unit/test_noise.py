import pytest

from harness.entropy import seeded
from p2pvault.crypto.noise import HandshakeState, NoiseKeys
from p2pvault.crypto.patterns import SUITE, pattern
from p2pvault.errors import HandshakeFailed
from p2pvault.limits import FRAME_BYTES_MAX

XX = pattern(f"Noise_XX_{SUITE}")
XX_PSK = pattern(f"Noise_XXpsk0+psk3_{SUITE}")

# Curve25519's points of low order as u-coordinates, and their encodings that are not canonical:
# RFC 7748, section 6.1 with https://cr.yp.to/ecdh.html#validate.
LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
    bytes(31) + b"\x80",
    b"\x01" + bytes(30) + b"\x80",
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7"),
    b"\xec" + b"\xff" * 31,
]


def state(initiator: bool, *, psk: bool = False, prologue: bytes = b"") -> HandshakeState:
    return HandshakeState(
        XX_PSK if psk else XX,
        initiator=initiator,
        prologue=prologue,
        entropy=seeded(("noise", initiator)),
        keys=NoiseKeys(static=bytes([1 + initiator]) * 32, psks={0: bytes(32)} if psk else {}),
    )


def test_a_psk_may_come_as_late_as_its_message() -> None:
    initiator, responder = state(True, psk=True), state(False, psk=True)
    responder.read_message(initiator.write_message(b""))
    initiator.read_message(responder.write_message(b""))
    initiator.set_psk(3, b"\x07" * 32)
    responder.set_psk(3, b"\x07" * 32)
    responder.read_message(initiator.write_message(b""))
    assert initiator.handshake_hash == responder.handshake_hash


def test_another_late_psk_fails() -> None:
    initiator, responder = state(True, psk=True), state(False, psk=True)
    responder.read_message(initiator.write_message(b""))
    initiator.read_message(responder.write_message(b""))
    initiator.set_psk(3, b"\x07" * 32)
    responder.set_psk(3, b"\x08" * 32)
    with pytest.raises(HandshakeFailed):
        responder.read_message(initiator.write_message(b""))


def test_another_prologue_fails() -> None:
    initiator, responder = state(True, prologue=b"one"), state(False, prologue=b"two")
    responder.read_message(initiator.write_message(b""))
    with pytest.raises(HandshakeFailed):
        initiator.read_message(responder.write_message(b""))


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8] + point.hex()[-2:])
def test_p8_an_ephemeral_key_of_low_order_is_refused(point: bytes) -> None:
    responder = state(False)
    responder.read_message(point)
    with pytest.raises(HandshakeFailed, match="low order"):
        responder.write_message(b"")


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8] + point.hex()[-2:])
def test_p8_an_answer_with_an_ephemeral_key_of_low_order_is_refused(point: bytes) -> None:
    initiator = state(True)
    initiator.write_message(b"")
    with pytest.raises(HandshakeFailed, match="low order"):
        initiator.read_message(point + bytes(64))


@pytest.mark.parametrize("size", [0, 31, 32, 79, 80, 95])
def test_a_message_that_was_cut_is_refused(size: int) -> None:
    initiator, responder = state(True), state(False)
    responder.read_message(initiator.write_message(b""))
    answer = responder.write_message(b"")
    assert len(answer) == 96
    with pytest.raises(HandshakeFailed):
        initiator.read_message(answer[:size])


def test_a_message_above_the_size_that_noise_allows_is_refused() -> None:
    with pytest.raises(HandshakeFailed, match="size"):
        state(False).read_message(bytes(FRAME_BYTES_MAX + 1))


def test_speaking_out_of_turn_or_after_the_end_is_a_bug() -> None:
    initiator, responder = state(True), state(False)
    with pytest.raises(AssertionError, match="turn"):
        responder.write_message(b"")
    with pytest.raises(AssertionError, match="not over"):
        initiator.split()
    responder.read_message(initiator.write_message(b""))
    initiator.read_message(responder.write_message(b""))
    responder.read_message(initiator.write_message(b""))
    with pytest.raises(AssertionError, match="over"):
        responder.write_message(b"")
    with pytest.raises(AssertionError, match="32 bytes"):
        responder.set_psk(0, b"short")
