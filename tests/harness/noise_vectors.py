"""Vectors of Noise handshakes in the format that the snow and cacophony projects share."""

from collections.abc import Iterator
from typing import Any

from p2pvault.crypto.noise import HandshakeState, NoiseKeys
from p2pvault.crypto.patterns import Pattern, pattern

Vector = dict[str, Any]
"""As JSON has it: protocol_name, init_*, resp_*, messages, and for some handshake_hash."""


def of(vector: Vector, key: str) -> bytes | None:
    value = vector.get(key)
    return None if value is None else bytes.fromhex(value)


def side(vector: Vector, prefix: str) -> HandshakeState:
    """Return one side of a vector's handshake, `prefix` being `init` or `resp`."""
    chosen = pattern(vector["protocol_name"])
    ephemeral = of(vector, f"{prefix}_ephemeral") or b""
    return HandshakeState(
        chosen,
        initiator=prefix == "init",
        prologue=of(vector, f"{prefix}_prologue") or b"",
        entropy=lambda size: ephemeral[:size],
        keys=NoiseKeys(
            static=of(vector, f"{prefix}_static"),
            remote_static=of(vector, f"{prefix}_remote_static"),
            psks=dict(zip(psk_numbers(chosen), psks(vector, prefix), strict=True)),
        ),
    )


def psk_numbers(chosen: Pattern) -> list[int]:
    tokens = [token for message in chosen.messages for token in message]
    return [int(token[3:]) for token in tokens if token.startswith("psk")]


def psks(vector: Vector, prefix: str) -> list[bytes]:
    return [bytes.fromhex(psk) for psk in vector.get(f"{prefix}_psks") or []]


def messages(vector: Vector) -> Iterator[tuple[bytes, bytes]]:
    for message in vector["messages"]:
        yield bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"])


def check(vector: Vector) -> None:
    """Run a vector through both sides, handshake and transport, and assert every byte."""
    initiator, responder = side(vector, "init"), side(vector, "resp")
    count = len(pattern(vector["protocol_name"]).messages)
    exchange = list(messages(vector))
    for index, (payload, ciphertext) in enumerate(exchange[:count]):
        writer, reader = (initiator, responder) if index % 2 == 0 else (responder, initiator)
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
    assert initiator.finished
    assert responder.finished
    expected_hash = of(vector, "handshake_hash") or responder.handshake_hash
    assert initiator.handshake_hash == responder.handshake_hash == expected_hash
    ciphers = initiator.split(), responder.split()
    for index, (payload, ciphertext) in enumerate(exchange[count:], start=count):
        # Transport goes on alternating; one-way patterns have nothing to come back.
        from_initiator = count == 1 or index % 2 == 0
        writer_ciphers, reader_ciphers = ciphers if from_initiator else reversed(ciphers)
        assert writer_ciphers[0].encrypt(payload) == ciphertext
        assert reader_ciphers[1].decrypt(ciphertext) == payload
