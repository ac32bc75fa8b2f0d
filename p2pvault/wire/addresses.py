"""Where devices accept links, in the one form in which it travels and is stored.

It says nothing about which addresses may be dialled or believed: that is decided where they are
used.
"""

from typing import Final

from p2pvault.limits import ADDRESSES_PER_PEER_MAX, HOST_CHARACTERS_MAX
from p2pvault.types import Address
from p2pvault.wire.shape import Shape, sequence, structure, text, unsigned

_PORT_MAX: Final = 65_535
"""TCP ports have 16 bits (RFC 9293, section 3.1)."""

addresses_shape: Final[Shape[tuple[Address, ...]]] = sequence(
    structure(Address, text(HOST_CHARACTERS_MAX), unsigned(_PORT_MAX)), ADDRESSES_PER_PEER_MAX
)
"""`[[host, port], ...]`, at most ADDRESSES_PER_PEER_MAX of them."""
