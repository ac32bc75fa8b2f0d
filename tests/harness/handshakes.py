"""Two sides of a link handshake, and a wire between them that a test may bend."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.entropy import seeded
from p2pvault.crypto.channel import Channel
from p2pvault.crypto.cipher import CipherState
from p2pvault.crypto.hybrid import Established, Progress
from p2pvault.crypto.hybrid import Initiator as AnyInitiator
from p2pvault.crypto.hybrid import Responder as AnyResponder
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.protocol.handshake import Initiator, Responder

ALICE = DeviceKeys.generate(seeded("alice"))
BOB = DeviceKeys.generate(seeded("bob"))
GATE = bytes(range(32))

GREETING, FIRST, SECOND, THIRD = range(4)
"""Positions of the messages, as `Wire` counts them."""

Wire = Callable[[int, bytes], bytes]
"""Gets each message with its position, and returns what arrives instead."""


@dataclass
class Outcome:
    """What became of a handshake: each side's result, and every message as it was sent."""

    initiator: Established
    responder: Established
    sent: tuple[bytes, bytes, bytes, bytes]


def clean(position: int, data: bytes) -> bytes:
    return data


def dial(gate: bytes = GATE, keys: DeviceKeys = ALICE, seed: object = "dial") -> Initiator:
    return Initiator(keys.static, gate, seeded(seed))


def accept(*gates: bytes, keys: DeviceKeys = BOB, seed: object = "accept") -> Responder:
    return Responder(keys.static, gates or (GATE,), seeded(seed))


def finished(progress: Progress) -> Established:
    assert progress.established is not None
    return progress.established


def shake(initiator: AnyInitiator, responder: AnyResponder, wire: Wire = clean) -> Outcome:
    """Run a handshake to its end; errors of either side come out as they are."""
    assert initiator.start() == b""
    greeting = responder.start()
    first = initiator.receive(wire(GREETING, greeting))
    assert first.established is None
    second = responder.receive(wire(FIRST, first.send))
    assert second.established is None
    third = initiator.receive(wire(SECOND, second.send))
    end = responder.receive(wire(THIRD, third.send))
    assert end.send == b""
    sent = (greeting, first.send, second.send, third.send)
    return Outcome(finished(third), finished(end), sent)


def channels(key: bytes = b"k" * 32, other: bytes = b"o" * 32) -> tuple[Channel, Channel]:
    """Return two channels that talk to each other, without a handshake before."""
    return (
        Channel(CipherState(key), CipherState(other)),
        Channel(CipherState(other), CipherState(key)),
    )
