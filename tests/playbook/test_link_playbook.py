"""One link: its phases and deadlines, what it holds back, and which of two survives."""

import pytest

from harness.entropy import seeded
from harness.linkpairs import ADA_ID, BOB_ID, START, heard, links, up
from p2pvault.core.io import Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link, Origin, Phase, jittered, survivor
from p2pvault.crypto.envelope import Message
from p2pvault.errors import (
    AuthenticationError,
    LimitExceeded,
    RemoteProtocolError,
    UnexpectedMessage,
)
from p2pvault.limits import (
    HANDSHAKE_FIRST_S,
    HANDSHAKE_S,
    HEARTBEAT_S,
    HELD_BYTES_MAX,
    HELD_MESSAGES_MAX,
    IDLE_S,
    INBOUND_BYTES_MAX,
    INTRODUCTIONS_MAX,
    LINK_AGE_MAX_S,
    RENEWAL_RETRY_S,
)
from p2pvault.protocol.handshake import Responder
from p2pvault.types import Address, Instant, LinkId


def at(monotonic: float) -> Instant:
    return Instant(monotonic, START.wall_ms)


def fresh() -> Link:
    origin = Origin(Address("10.0.0.2", 1), None)
    return Link(LinkId(1), origin, 100.0, Responder(bytes(32), [b"g" * 32], seeded(0)))


def test_a_handshake_proves_both_sides_and_names_itself():
    ada, bob = links()
    assert (ada.phase, bob.phase) == (Phase.INTRODUCING, Phase.INTRODUCING)
    assert ada.binding == bob.binding
    assert len(ada.binding) == 64


def test_p4_a_handshake_has_its_deadlines():
    link = fresh()
    assert link.deadline == 100.0 + HANDSHAKE_FIRST_S
    link.receive(at(101.0), b"\x00")
    assert link.deadline == 100.0 + HANDSHAKE_S
    assert not link.is_dead(at(109.9))
    assert link.is_dead(at(110.0))


def test_garbage_ends_a_handshake():
    with pytest.raises((AuthenticationError, RemoteProtocolError)):
        fresh().receive(at(101.0), bytes(5_000))


def test_an_introduction_has_a_deadline_that_words_do_not_move():
    ada, bob = links()
    data = bob.seal(Kind.KNOWN, b"x")
    ada.receive(at(119.0), data)
    assert ada.deadline == 100.0 + 2 * HANDSHAKE_S
    assert ada.is_dead(at(120.0))


def test_a_link_that_is_up_beats_and_dies_of_silence():
    ada, bob = up()
    assert 100 + 0.8 * HEARTBEAT_S <= bob.deadline <= 100 + 1.2 * HEARTBEAT_S
    bob.schedule_beat(at(150.0), seeded(1))
    assert bob.deadline > 169
    assert not bob.is_dead(at(100.0 + IDLE_S - 0.1))
    assert bob.is_dead(at(100.0 + IDLE_S))
    assert heard([Write(LinkId(1), bob.seal(Kind.HAVE, b"x"))], ada, at(180.0))
    assert ada.last_heard == 180.0


def test_bytes_that_are_no_message_are_no_sign_of_life():
    ada, bob = up()
    data = bob.seal(Kind.HAVE, b"x")
    longer = bytes([data[0] | 0x80]) + data[1:]
    assert ada.receive(at(180.0), longer) == (b"", []), "it waits for the rest of a frame"
    assert ada.is_dead(at(100.0 + IDLE_S))


def test_only_the_side_that_dialled_renews():
    ada, bob = up()
    assert 0.8 * LINK_AGE_MAX_S <= ada.renew_at - 100 <= 1.2 * LINK_AGE_MAX_S
    assert bob.renew_at == float("inf")
    ada.schedule_renewal(at(2_000.0), seeded(1))
    assert 0.8 * RENEWAL_RETRY_S <= ada.renew_at - 2_000 <= 1.2 * RENEWAL_RETRY_S


def test_a_closed_link_has_no_deadline_and_says_nothing_more():
    ada, bob = up()
    assert heard([Write(LinkId(1), ada.close())], bob) == []
    assert bob.peer_closed
    assert ada.deadline == float("inf")
    assert ada.close() == b""
    assert fresh().close() == b"", "before the handshake there is no way to say it"


def test_what_a_stranger_says_waits_within_bounds():
    ada, _ = links()
    messages = [Message(Kind.HAVE, 0, bytes([n])) for n in range(HELD_MESSAGES_MAX)]
    for message in messages:
        ada.hold(message)
    with pytest.raises(LimitExceeded):
        ada.hold(messages[0])
    assert ada.come_up(START, BOB_ID, seeded(0)) == messages
    assert ada.held == []
    large, _ = links()
    with pytest.raises(LimitExceeded):
        large.hold(Message(Kind.HAVE, 0, bytes(HELD_BYTES_MAX + 1)))


def test_a_peer_introduces_itself_no_more_than_it_has_to():
    ada, _ = up()
    for _ in range(INTRODUCTIONS_MAX):
        ada.count_introduction(Kind.GREETING)
        ada.count_introduction(Kind.KNOWN)
    with pytest.raises(UnexpectedMessage):
        ada.count_introduction(Kind.KNOWN)


def test_received_entries_are_bounded():
    ada, _ = up()
    ada.inbound.add(INBOUND_BYTES_MAX)
    with pytest.raises(LimitExceeded):
        ada.inbound.add(1)


def test_jitter_is_a_fifth_either_way():
    draws = [jittered(100.0, lambda _, value=value: bytes([value])) for value in range(256)]
    assert (min(draws), max(draws)) == pytest.approx((80.0, 120.0))


def views(dials: list[tuple[str, float, float]]) -> tuple[list[Link], list[Link]]:
    """Return ada's and bob's ends of links, each dialled by one and begun then and then."""
    ada_ends, bob_ends = [], []
    for number, (dialler, seen_by_ada, seen_by_bob) in enumerate(dials, start=1):
        ada, bob = up(number=number)
        if dialler == "bob":
            ada.origin, bob.origin = bob.origin, Origin(ada.origin.remote, ADA_ID)
        ada.started, bob.started = seen_by_ada, seen_by_bob
        ada_ends.append(ada)
        bob_ends.append(bob)
    return ada_ends, bob_ends


@pytest.mark.parametrize(
    "dials",
    [
        [("ada", 1.0, 1.1), ("bob", 1.1, 1.0)],
        [("bob", 1.0, 1.1), ("ada", 1.1, 1.0)],
        [("ada", 1.0, 1.1), ("ada", 1.1, 1.0)],
        [("bob", 1.0, 1.0), ("bob", 1.0, 1.0)],
        [("ada", 1.0, 1.1), ("bob", 31.1, 31.0)],
        [("ada", 1.0, 1.1), ("ada", 31.1, 31.0)],
    ],
)
def test_both_sides_keep_the_same_of_two_links(dials):
    ada_ends, bob_ends = views(dials)
    for order in (1, -1):
        kept_by_ada = survivor(ADA_ID, ada_ends[::order])
        kept_by_bob = survivor(BOB_ID, bob_ends[::order])
        assert kept_by_ada.id == kept_by_bob.id


def test_a_link_that_comes_much_later_replaces_the_older_one():
    ada_ends, _ = views([("ada", 1.0, 1.0), ("bob", 1.0 + HANDSHAKE_S, 20.0)])
    assert survivor(ADA_ID, ada_ends) is ada_ends[1]
