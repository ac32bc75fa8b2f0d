import pytest

from harness.entropy import seeded
from harness.handshakes import (
    ALICE,
    BOB,
    FIRST,
    GATE,
    GREETING,
    SECOND,
    THIRD,
    Outcome,
    accept,
    dial,
    finished,
    shake,
)
from p2pvault.crypto.envelope import Message
from p2pvault.crypto.hybrid import Initiator as AnyInitiator
from p2pvault.crypto.hybrid import Party, Progress
from p2pvault.crypto.hybrid import Responder as AnyResponder
from p2pvault.errors import HandshakeFailed, LocalProtocolError
from p2pvault.limits import GATE_EPOCHS_MAX
from p2pvault.protocol.handshake import Initiator

OLD_GATES = [bytes([epoch]) * 32 for epoch in range(10)]


def assert_talks(outcome: Outcome) -> None:
    alice, bob = outcome.initiator.channel, outcome.responder.channel
    assert bob.receive(alice.seal(1, b"from alice")) == [Message(1, 0, b"from alice")]
    assert alice.receive(bob.seal(2, b"from bob")) == [Message(2, 0, b"from bob")]


def test_two_members_link_and_know_each_others_keys() -> None:
    outcome = shake(dial(), accept())
    assert outcome.initiator.remote_static == BOB.public.static
    assert outcome.responder.remote_static == ALICE.public.static
    assert outcome.initiator.binding == outcome.responder.binding
    assert len(outcome.initiator.binding) == 64
    assert_talks(outcome)


def test_who_dials_shows_its_key_only_to_a_device_that_it_accepts() -> None:
    asked: list[bytes] = []

    def refuse(static: bytes) -> bool:
        asked.append(static)
        return False

    initiator = Initiator(ALICE.static, GATE, seeded("choosy"), refuse)
    responder = accept()
    first = initiator.receive(responder.start())
    second = responder.receive(first.send)
    with pytest.raises(HandshakeFailed, match="not one to talk to"):
        initiator.receive(second.send)
    assert asked == [BOB.public.static]


def test_every_message_has_one_size_whoever_sends_it() -> None:
    sizes = {
        tuple(map(len, shake(dial(keys=a, seed=n), accept(keys=b, seed=n)).sent))
        for n, (a, b) in enumerate([(ALICE, BOB), (BOB, ALICE)])
    }
    assert sizes == {(2 + 16, 2 + 1232, 2 + 1184, 2 + 64)}


def test_two_handshakes_of_the_same_devices_share_no_bytes_and_no_binding() -> None:
    first, second = shake(dial(seed=1), accept(seed=1)), shake(dial(seed=2), accept(seed=2))
    assert first.initiator.binding != second.initiator.binding
    for one, other in zip(first.sent, second.sent, strict=True):
        grams = {one[i : i + 6] for i in range(2, len(one) - 5)}
        assert not any(other[i : i + 6] in grams for i in range(2, len(other) - 5))


def dribble(side: AnyInitiator | AnyResponder, data: bytes) -> Progress:
    """Feed bytes one by one and return what the last one brought about."""
    *before, last = (side.receive(data[at : at + 1]) for at in range(len(data)))
    assert not any(progress.send or progress.established for progress in before)
    return last


def test_bytes_fed_one_by_one_make_the_same_handshake() -> None:
    initiator, responder = dial(), accept()
    first = dribble(initiator, responder.start())
    second = dribble(responder, first.send)
    third = dribble(initiator, second.send)
    end = dribble(responder, third.send)
    assert finished(third).binding == finished(end).binding


def test_what_follows_the_last_message_is_left_for_the_channel() -> None:
    initiator, responder = dial(), accept()
    answer = responder.receive(initiator.receive(responder.start()).send)
    third = initiator.receive(answer.send)
    assert third.established is not None
    sealed = third.established.channel.seal(1, b"at once")
    end = responder.receive(third.send + sealed)
    assert end.established is not None
    assert end.established.leftover == sealed
    assert end.established.channel.receive(sealed) == [Message(1, 0, b"at once")]


@pytest.mark.parametrize("age", range(GATE_EPOCHS_MAX))
def test_p11_a_gate_among_the_newest_opens(age: int) -> None:
    assert_talks(shake(dial(gate=OLD_GATES[age]), accept(*OLD_GATES)))


@pytest.mark.parametrize("age", [GATE_EPOCHS_MAX, GATE_EPOCHS_MAX + 3])
def test_p11_an_older_gate_gets_no_answer(age: int) -> None:
    with pytest.raises(HandshakeFailed, match="none of the keys"):
        shake(dial(gate=OLD_GATES[age]), accept(*OLD_GATES))


def test_p11_a_stranger_gets_no_answer() -> None:
    with pytest.raises(HandshakeFailed, match="none of the keys"):
        shake(dial(gate=b"?" * 32), accept())


def test_p13_a_device_that_dials_itself_stops_before_it_says_who_it_is() -> None:
    initiator, responder = dial(keys=ALICE), accept(keys=ALICE)
    second = responder.receive(initiator.receive(responder.start()).send)
    with pytest.raises(HandshakeFailed, match="this one"):
        initiator.receive(second.send)


def test_p13_a_side_that_gets_its_own_message_back_fails() -> None:
    initiator = dial()
    first = initiator.receive(accept().start()).send
    with pytest.raises(HandshakeFailed):
        initiator.receive(first)
    responder = accept()
    with pytest.raises(HandshakeFailed):
        responder.receive(responder.start())


def test_p7_a_replayed_first_message_gets_no_answer() -> None:
    first = shake(dial(), accept(seed=1)).sent[FIRST]
    again = accept(seed=2)
    with pytest.raises(HandshakeFailed):
        again.receive(first)


def test_p7_a_replayed_third_message_ends_the_handshake() -> None:
    old = shake(dial(seed=1), accept(seed=1)).sent[THIRD]

    def replay(position: int, data: bytes) -> bytes:
        return old if position == THIRD else data

    with pytest.raises(HandshakeFailed):
        shake(dial(seed=2), accept(seed=2), replay)


def test_p7_a_replayed_answer_ends_the_handshake() -> None:
    old = shake(dial(seed=1), accept(seed=1)).sent[SECOND]
    with pytest.raises(HandshakeFailed):
        shake(dial(seed=2), accept(seed=2), lambda at, data: old if at == SECOND else data)


def test_p12_a_changed_greeting_ends_the_handshake() -> None:
    other = accept(seed="other").start()
    with pytest.raises(HandshakeFailed):
        shake(dial(), accept(), lambda at, data: other if at == GREETING else data)


@pytest.mark.parametrize("label", [b"p2pvault/0", b"p2pvault/2", b"p2pvault-pair/1", b""])
def test_p12_another_version_or_purpose_in_the_prologue_does_not_connect(label: bytes) -> None:
    initiator = AnyInitiator(Party(label, ALICE.static, seeded("dial")), GATE)
    with pytest.raises(HandshakeFailed):
        shake(initiator, accept())


@pytest.mark.parametrize("size", [0, 1, 15, 17, 1231, 1233, 65_535])
def test_p3_a_length_that_no_message_has_is_refused_before_its_bytes_come(size: int) -> None:
    for side in (dial(), accept()):
        with pytest.raises(HandshakeFailed):
            side.receive(size.to_bytes(2, "big"))


def test_a_handshake_that_failed_or_ended_cannot_be_used_again() -> None:
    for noise in (b"GET / HTTP/1.1\r\n\r\n", (1232).to_bytes(2, "big") + bytes(1232)):
        failed = accept()
        with pytest.raises(HandshakeFailed):
            failed.receive(noise)
        with pytest.raises(LocalProtocolError):
            failed.receive(b"")
    initiator, responder = dial(), accept()
    shake(initiator, responder)
    for side in (initiator, responder):
        with pytest.raises(LocalProtocolError):
            side.receive(b"")


def test_no_secret_shows_in_a_representation() -> None:
    assert ALICE.static.hex() not in repr(Party(b"x", ALICE.static, seeded(0)))
    assert "static" not in repr(Party(b"x", ALICE.static, seeded(0)))
