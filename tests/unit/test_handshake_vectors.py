"""A recorded link: what an implementation must send, byte for byte, given the same randomness.

The responder's ML-KEM encapsulation takes no randomness from outside, so its second message is
recorded and only read here; `test_hybrid` runs the responder against an independent initiator.
"""

import json
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_scalarmult_base

from harness.handshakes import finished
from p2pvault.crypto.channel import Channel
from p2pvault.crypto.envelope import Message
from p2pvault.protocol.handshake import Initiator

LINK = Path(__file__).resolve().parents[1] / "vectors" / "link.json"


def recorded() -> Any:
    return json.loads(LINK.read_text())


def seal(channel: Channel, message: dict[str, Any]) -> str:
    if message.get("close"):
        return channel.close().hex()
    return channel.seal(message["kind"], bytes.fromhex(message["body"]), message["stream"]).hex()


def test_the_initiator_of_the_recorded_link_sends_the_recorded_bytes() -> None:
    link = recorded()
    own, peer = link["initiator"], link["responder"]
    drawn = iter([bytes.fromhex(own["kem_seed"]), bytes.fromhex(own["ephemeral"])])
    initiator = Initiator(
        bytes.fromhex(own["static"]), bytes.fromhex(link["gate"]), lambda _: next(drawn)
    )
    assert initiator.receive(bytes.fromhex(link["greeting"])).send.hex() == link["first"]
    third = initiator.receive(bytes.fromhex(link["second"]))
    assert third.send.hex() == link["third"]
    end = finished(third)
    assert end.binding.hex() == link["binding"]
    assert end.remote_static == crypto_scalarmult_base(bytes.fromhex(peer["static"]))
    for message in own["messages"]:
        assert seal(end.channel, message) == message["frames"]
    *expected, close = peer["messages"]
    for message in expected:
        (received,) = end.channel.receive(bytes.fromhex(message["frames"]))
        assert received == Message(
            message["kind"], message["stream"], bytes.fromhex(message["body"])
        )
    assert end.channel.receive(bytes.fromhex(close["frames"])) == []
    end.channel.end_of_stream()
