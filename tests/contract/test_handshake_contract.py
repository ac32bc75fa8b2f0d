"""The handshake of the fast ring keeps the contract of the real one."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from harness.entropy import seeded
from p2pvault.crypto import hybrid
from p2pvault.crypto.hybrid import Established, Initiator, Party, Responder
from p2pvault.errors import HandshakeFailed
from sim import fakes

GATE, OTHER_GATE = seeded("gate")(32), seeded("other gate")(32)
SIZES = (
    2 + hybrid.GREETING_BYTES,
    2 + hybrid.FIRST_BYTES,
    2 + hybrid.SECOND_BYTES,
    2 + hybrid.THIRD_BYTES,
)


@pytest.fixture(params=[nullcontext, fakes.installed], ids=["real", "fake"], autouse=True)
def suite(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.param():
        yield


def party(name: str, label: bytes = b"contract/1") -> Party:
    return Party(label, seeded(name)(32), seeded((name, "more")))


def public(name: str) -> bytes:
    return hybrid.crypto_scalarmult_base(seeded(name)(32))


def sides(**options: object) -> tuple[Initiator, Responder]:
    return Initiator(party("ada"), GATE, **options), Responder(party("bob"), [GATE])  # type: ignore[arg-type]


def play(
    initiator: Initiator, responder: Responder, change: Callable[[int, bytes], bytes] | None = None
) -> tuple[Established, Established, list[int]]:
    """Run a handshake; `change` sees each message with its position."""
    alter = change or (lambda _, data: data)
    greeting = responder.start()
    first = initiator.receive(alter(0, greeting)).send
    second = responder.receive(alter(1, first)).send
    last = initiator.receive(alter(2, second))
    end = responder.receive(alter(3, last.send))
    assert last.established is not None
    assert end.established is not None
    sizes = [len(each) for each in (greeting, first, second, last.send)]
    return last.established, end.established, sizes


def test_both_sides_end_with_each_others_key_and_one_binding() -> None:
    ours, theirs, _ = play(*sides())
    assert (ours.remote_static, theirs.remote_static) == (public("bob"), public("ada"))
    assert ours.binding == theirs.binding
    assert len(ours.binding) == 64


def test_messages_have_one_size() -> None:
    assert tuple(play(*sides())[2]) == SIZES


def test_the_channels_fit_and_have_two_directions() -> None:
    ours, theirs, _ = play(*sides())
    sealed, back = ours.channel.seal(7, b"there"), theirs.channel.seal(8, b"back")
    assert sealed != theirs.channel.seal(7, b"there")
    assert [each.body for each in theirs.channel.receive(sealed)] == [b"there"]
    assert [each.body for each in ours.channel.receive(back)] == [b"back"]


def test_bytes_may_come_one_by_one_and_what_follows_is_left_over() -> None:
    initiator, responder = sides()
    for at in responder.start():
        first = initiator.receive(bytes([at])).send
    for at in first:
        second = responder.receive(bytes([at])).send
    last = initiator.receive(second)
    end = responder.receive(last.send + b"more")
    assert end.established is not None
    assert end.established.leftover == b"more"


def test_who_lacks_the_gate_is_turned_away_without_an_answer() -> None:
    responder = Responder(party("bob"), [GATE])
    first = Initiator(party("ada"), OTHER_GATE).receive(responder.start()).send
    with pytest.raises(HandshakeFailed):
        responder.receive(first)


def test_an_older_gate_is_found_among_several() -> None:
    responder = Responder(party("bob"), [OTHER_GATE, GATE])
    ours, theirs, _ = play(Initiator(party("ada"), GATE), responder)
    assert ours.binding == theirs.binding


@pytest.mark.parametrize("message", [1, 2, 3])
@pytest.mark.parametrize("place", [2, 20, 40, 60, -1])
def test_a_turned_bit_fails_on_the_side_that_reads_it(message: int, place: int) -> None:
    def turn(position: int, data: bytes) -> bytes:
        changed = bytearray(data)
        if position == message:
            changed[place] ^= 1
        return bytes(changed)

    with pytest.raises(HandshakeFailed):
        play(*sides(), turn)


def test_a_replayed_first_message_fails() -> None:
    initiator, responder = sides()
    first = initiator.receive(responder.start()).send
    another = Responder(party("cyd"), [GATE])
    another.start()
    with pytest.raises(HandshakeFailed):
        another.receive(first)


def test_another_label_does_not_connect() -> None:
    responder = Responder(party("bob", b"contract/2"), [GATE])
    with pytest.raises(HandshakeFailed):
        play(Initiator(party("ada"), GATE), responder)


def test_whom_the_initiator_does_not_accept_never_learns_its_key() -> None:
    asked: list[bytes] = []
    initiator, responder = sides(accepts=asked.append)
    with pytest.raises(HandshakeFailed):
        play(initiator, responder)
    assert asked == [public("bob")]


def test_a_device_does_not_connect_to_itself() -> None:
    with pytest.raises(HandshakeFailed):
        play(Initiator(party("ada"), GATE), Responder(party("ada"), [GATE]))
