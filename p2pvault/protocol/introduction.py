"""What two members tell each other at the start of a link, besides their journals.

Messages, by kind on the channel (bodies are packed arrays):

    GREETING    [wall_ms, [[host, port], ...], run]    the sender's clock, where it accepts links,
                                                  and a random number of its run
    KNOWN       [[operation hash, ...], [epoch id, ...]]    membership heads, epochs held
    OPERATIONS  [operation, ...]                  signed membership operations, causes first
    SECRETS     [[epoch id, secret], ...]         epoch secrets that the peer did not name

A peer whose key no operation admits yet is told nothing but an empty KNOWN: it may be a new
member, so the operations that it sends are looked at before it is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from p2pvault.limits import (
    EPOCHS_MAX,
    MEMBERSHIP_HEADS_MAX,
    OPERATION_BYTES_MAX,
    OPERATIONS_MESSAGE_BYTES_MAX,
    OPERATIONS_PER_MESSAGE_MAX,
)
from p2pvault.types import Address, OperationHash
from p2pvault.wire.addresses import addresses_shape
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import (
    binary,
    exactly,
    pair,
    sequence,
    signed,
    structure,
    to_tree,
)

RUN_BYTES: Final = 16
"""Random, so that no two runs have the same."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The sender's wall clock, for display, its listening addresses, and its run's own number."""

    wall_ms: int
    addresses: tuple[Address, ...]
    run: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """How far the sender knows the membership log, and which epochs it can open."""

    heads: tuple[OperationHash, ...]
    epochs: tuple[bytes, ...]


Secrets = tuple[tuple[bytes, bytes], ...]

_read_greeting = structure(
    Greeting,
    signed,
    addresses_shape,
    exactly(RUN_BYTES),
)
_read_known = structure(
    Known,
    sequence(exactly(32), MEMBERSHIP_HEADS_MAX),
    sequence(exactly(32), EPOCHS_MAX),
)
_read_operations = sequence(binary(OPERATION_BYTES_MAX), OPERATIONS_PER_MESSAGE_MAX)
_read_secrets = sequence(pair(exactly(32), exactly(32)), EPOCHS_MAX)


def encode(message: Greeting | Known) -> bytes:
    """Return the body of a GREETING or KNOWN message."""
    return pack(to_tree(message))


def decode_greeting(body: bytes) -> Greeting:
    """Read the body of a GREETING message; raises `RemoteProtocolError` kinds."""
    return _read_greeting(unpack(body))


def decode_known(body: bytes) -> Known:
    """Read the body of a KNOWN message; raises `RemoteProtocolError` kinds."""
    return _read_known(unpack(body))


def encode_operations(operations: Iterable[bytes]) -> list[bytes]:
    """Return the bodies of as many OPERATIONS messages as their bounds need."""
    bodies: list[bytes] = []
    part: list[bytes] = []
    room_bytes = OPERATIONS_MESSAGE_BYTES_MAX
    for operation in operations:
        if part and (len(operation) > room_bytes or len(part) == OPERATIONS_PER_MESSAGE_MAX):
            bodies.append(pack(list(part)))
            part, room_bytes = [], OPERATIONS_MESSAGE_BYTES_MAX
        part.append(operation)
        room_bytes -= len(operation)
    return [*bodies, pack(list(part))] if part else bodies


def decode_operations(body: bytes) -> tuple[bytes, ...]:
    """Read the body of an OPERATIONS message; raises `RemoteProtocolError` kinds."""
    return _read_operations(unpack(body))


def encode_secrets(secrets: Secrets) -> bytes:
    """Return the body of a SECRETS message."""
    return pack(to_tree(secrets))


def decode_secrets(body: bytes) -> Secrets:
    """Read the body of a SECRETS message; raises `RemoteProtocolError` kinds."""
    return _read_secrets(unpack(body))
