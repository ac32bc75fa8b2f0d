"""Whatever happens to the bytes on the way, a handshake ends closed."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.handshakes import FIRST, GREETING, SECOND, THIRD, accept, dial, shake
from p2pvault.errors import HandshakeFailed

SIZES = {GREETING: 18, FIRST: 1234, SECOND: 1186, THIRD: 66}


def flip(position: int, bit: int) -> None:
    """Run a handshake with one bit of one message flipped; the receiver must refuse it."""

    def wire(at: int, data: bytes) -> bytes:
        if at != position:
            return data
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    with pytest.raises(HandshakeFailed):
        shake(dial(), accept(), wire)


@pytest.mark.parametrize("position", SIZES, ids=["greeting", "first", "second", "third"])
def test_p10_one_bit_flipped_in_any_byte_fails(position: int) -> None:
    for byte in range(SIZES[position]):
        flip(position, byte * 8 + byte % 8)


@given(st.sampled_from(list(SIZES)), st.data())
@settings(max_examples=150)
def test_p10_any_bit_flipped_fails(position: int, data: st.DataObject) -> None:
    flip(position, data.draw(st.integers(0, SIZES[position] * 8 - 1)))


@pytest.mark.parametrize("position", SIZES, ids=["greeting", "first", "second", "third"])
def test_p9_a_message_cut_at_any_byte_gets_no_answer_and_establishes_nothing(position: int) -> None:
    initiator, responder = dial(), accept()
    message, receiver = responder.start(), initiator
    for at in range(position):
        message = receiver.receive(message).send
        receiver = initiator if at % 2 else responder
    assert len(message) == SIZES[position]
    for byte in range(len(message)):
        progress = receiver.receive(message[byte : byte + 1])
        last = byte == len(message) - 1
        assert bool(progress.send or progress.established) is last


@given(st.sampled_from(list(SIZES)), st.data())
@settings(max_examples=50)
def test_p2_random_bytes_of_the_right_size_fail(position: int, data: st.DataObject) -> None:
    size = SIZES[position] - 2
    noise = data.draw(st.binary(min_size=size, max_size=size))

    def wire(at: int, message: bytes) -> bytes:
        return message if at != position else message[:2] + noise

    with pytest.raises(HandshakeFailed):
        shake(dial(), accept(), wire)


@given(st.binary(max_size=3000))
def test_p2_bytes_of_a_stranger_get_no_answer(noise: bytes) -> None:
    responder = accept()
    try:
        progress = responder.receive(noise)
    except HandshakeFailed:
        return
    assert progress.send == b""
    assert progress.established is None
    # Nothing but the beginning of one first message can be waiting.
    assert len(noise) < SIZES[FIRST]


def test_p2_ten_thousand_first_messages_of_strangers_get_no_answer() -> None:
    random = Random(2)
    for number in range(10_000):
        size = SIZES[FIRST] - 2 if number % 2 else random.randrange(1, 65_536)
        responder = accept()
        responder.start()
        with pytest.raises(HandshakeFailed):
            responder.receive(size.to_bytes(2, "big") + random.randbytes(size))
