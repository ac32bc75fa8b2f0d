"""What a sponsor hands to a device that it has just admitted: enough to be a member on its own.

    handover = pack([[operation, ...], [[epoch id, secret], ...], [[host, port], ...]])

It travels inside the pairing channel only. The records follow on the first link.
"""

from dataclasses import dataclass, field

from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    EPOCHS_MAX,
    OPERATION_BYTES_MAX,
    PAIRING_PACKAGE_BYTES_MAX,
    WIRE_ARRAY_ITEMS_MAX,
)
from p2pvault.types import Address
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import (
    binary,
    exactly,
    pair,
    sequence,
    structure,
    text,
    to_tree,
    unsigned,
)

_HOST_CHARACTERS_MAX = 64
_PORT_MAX = 65_535


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


_read = structure(
    Handover,
    sequence(binary(OPERATION_BYTES_MAX), WIRE_ARRAY_ITEMS_MAX),
    sequence(pair(exactly(32), exactly(32)), EPOCHS_MAX),
    sequence(
        structure(Address, text(_HOST_CHARACTERS_MAX), unsigned(_PORT_MAX)), ADDRESSES_PER_PEER_MAX
    ),
)


def encode_handover(handover: Handover) -> bytes:
    """Return the package for the pairing machine."""
    return pack(to_tree(handover))


def decode_handover(package: bytes) -> Handover:
    """Read a package; raises `RemoteProtocolError` kinds."""
    return _read(unpack(package, PAIRING_PACKAGE_BYTES_MAX))
