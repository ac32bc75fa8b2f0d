"""Two ends of one link, past a real handshake, without devices around them."""

from harness.entropy import seeded
from harness.pipelines import ADA, BOB
from p2pvault.core.io import Effect, Write
from p2pvault.core.link import Link, Origin
from p2pvault.crypto.envelope import Message
from p2pvault.crypto.keys import device_id
from p2pvault.protocol.handshake import Initiator, Responder
from p2pvault.types import Address, Instant, LinkId

START = Instant(100.0, 1_790_000_000_000)
ADA_ID, BOB_ID = device_id(ADA.public), device_id(BOB.public)
GATE = b"g" * 32


def links(started: float = 100.0, number: int = 1) -> tuple[Link, Link]:
    """Return ada's end, which dialled, and bob's, both in their introduction."""
    where = Address("10.0.0.2", 4_000)
    dialling = Link(
        LinkId(number), Origin(where, BOB_ID), started, Initiator(ADA.static, GATE, seeded("ada"))
    )
    accepting = Link(
        LinkId(number),
        Origin(where, None),
        started,
        Responder(BOB.static, [GATE], seeded(("bob", number))),
    )
    to_ada, to_bob = accepting.begin(), dialling.begin()
    while to_ada or to_bob:
        to_bob += dialling.receive(START, to_ada)[0] if to_ada else b""
        to_ada = accepting.receive(START, to_bob)[0] if to_bob else b""
        to_bob = b""
    return dialling, accepting


def up(now: Instant = START, number: int = 1) -> tuple[Link, Link]:
    """Return both ends of a link between members."""
    ada, bob = links(now.monotonic, number)
    ada.come_up(now, BOB_ID, seeded("ada's beats"))
    bob.come_up(now, ADA_ID, seeded("bob's beats"))
    return ada, bob


def heard(effects: list[Effect], by: Link, now: Instant = START) -> list[Message]:
    """Return the messages that the writes among effects make at the other end."""
    data = b"".join(effect.data for effect in effects if isinstance(effect, Write))
    return by.receive(now, data)[1]
