"""The values of discovery: what is advertised, what is sighted, and how.

Nothing here knows what a name means; that is p2pvault/protocol/discovery.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from p2pvault.types import Address


class Kind(StrEnum):
    """The two service types, as they appear on the network (RFC 6763, section 7)."""

    MEMBER = "_p2pvault._tcp.local."
    PAIRING = "_p2pvault-pair._tcp.local."


class Mode(StrEnum):
    """How visible the device is."""

    NORMAL = "normal"
    """Advertise and browse."""
    QUIET = "quiet"
    """Browse only: others are found and dialled, nothing is advertised, pairing included."""
    OFF = "off"
    """No mDNS at all; only given and remembered addresses."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """What the person chose.

    Attributes:
        mode: How visible the device is.
        interfaces: Interface names and literal addresses to use; empty means every usable one.
            Loopback takes part only when it is among them (see `addresses.discovery_interfaces`).
    """

    mode: Mode = Mode.NORMAL
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What this device shows of itself under one kind.

    Attributes:
        instance: Instance name, one label.
        host_label: Host name, one label without `.local.`.
        port: TCP port.
        addresses: Where the port is, without scopes. Must not be empty.
        text: The TXT record: keys of RFC 6763, section 6.4, and their values.
    """

    instance: str
    host_label: str
    port: int
    addresses: tuple[Address, ...]
    text: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What somebody, perhaps the device itself, says about an instance.

    It is a hint from an unauthenticated network: to be verified before it is used, and never a sign
    that the device is there now.

    Attributes:
        kind: Under which service type.
        instance: Instance name in lower case.
        addresses: Sorted; private, link-local, or loopback where discovery runs on loopback. A
            link-local IPv6 address has its scope if it was learnt over IPv6.
        port: TCP port, the same as in the addresses.
        text: The TXT record; keys without a value have an empty one.
    """

    kind: Kind
    instance: str
    addresses: tuple[Address, ...]
    port: int
    text: Mapping[str, bytes]
