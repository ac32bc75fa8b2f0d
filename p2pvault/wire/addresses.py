"""Where devices accept links, in the one form in which it travels and is stored."""

from ipaddress import ip_address, ip_network
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

_SHARED: Final = ip_network("100.64.0.0/10")
"""Addresses of carriers and overlay networks (RFC 6598), which `is_private` leaves out."""


def is_near(address: Address) -> bool:
    """Tell whether an address is a literal one of a local network, or of this machine.

    What a peer says about itself is dialled only if it is: no member can make the others connect
    to hosts elsewhere.
    """
    try:
        host = ip_address(address.host)
    except ValueError:
        return False
    near = host.is_private or host.is_link_local or host in _SHARED
    return near and not host.is_multicast and not host.is_unspecified and address.port > 0
