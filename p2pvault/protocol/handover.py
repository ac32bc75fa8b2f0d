"""What a sponsor hands to a device that it has just admitted: enough to be a member on its own.

    handover = pack([[[operation, ...], ...], [[epoch id, secret], ...], [[host, port], ...]])

The operations come in parts, since a whole log may have more items than one array may hold.

It travels inside the pairing channel only. The records follow on the first link.
"""

from dataclasses import dataclass, field
from typing import Final

from p2pvault.limits import (
    EPOCHS_MAX,
    OPERATION_BYTES_MAX,
    OPERATIONS_MAX,
    OPERATIONS_PER_MESSAGE_MAX,
    PAIRING_PACKAGE_BYTES_MAX,
)
from p2pvault.types import Address
from p2pvault.wire.addresses import addresses_shape
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import (
    binary,
    exactly,
    pair,
    sequence,
    structure,
    to_tree,
)


@dataclass(frozen=True, slots=True)
class Handover:
    """The vault as its membership has it.

    Attributes:
        operations: The whole membership log, causes first.
        secrets: Every epoch secret that the sponsor holds.
        addresses: Where the sponsor accepts links.
    """

    operations: tuple[bytes, ...]
    secrets: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    addresses: tuple[Address, ...]


_PARTS_MAX: Final = -(-OPERATIONS_MAX // OPERATIONS_PER_MESSAGE_MAX)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A handover as it is packed."""

    parts: tuple[tuple[bytes, ...], ...]
    secrets: tuple[tuple[bytes, bytes], ...]
    addresses: tuple[Address, ...]


_read = structure(
    _Packed,
    sequence(sequence(binary(OPERATION_BYTES_MAX), OPERATIONS_PER_MESSAGE_MAX), _PARTS_MAX),
    sequence(pair(exactly(32), exactly(32)), EPOCHS_MAX),
    addresses_shape,
)


def encode_handover(handover: Handover) -> bytes:
    """Return the package for the pairing machine."""
    operations = handover.operations
    parts = tuple(
        operations[start : start + OPERATIONS_PER_MESSAGE_MAX]
        for start in range(0, len(operations), OPERATIONS_PER_MESSAGE_MAX)
    )
    return pack(to_tree(_Packed(parts, handover.secrets, handover.addresses)))


def decode_handover(package: bytes) -> Handover:
    """Read a package; raises `RemoteProtocolError` kinds."""
    packed = _read(unpack(package, PAIRING_PACKAGE_BYTES_MAX))
    operations = tuple(operation for part in packed.parts for operation in part)
    return Handover(operations, packed.secrets, packed.addresses)
