"""Where this node listens, and under which addresses others can reach it."""

from dataclasses import dataclass

from p2pvault.net.addresses import advertised, discovery_interfaces, local_addresses, usable
from p2pvault.net.services import DiscoverySettings
from p2pvault.types import Address


@dataclass(frozen=True, slots=True)
class Network:
    """The listening side of a node.

    Attributes:
        host: What the listeners are bound to; empty for every address.
        port: The port of links, the same for both families.
        named: Interfaces and addresses that the person chose; empty for every usable one.
    """

    host: str
    port: int
    named: tuple[str, ...]

    def reachable_at(self, port: int) -> tuple[Address, ...]:
        """Return the addresses of this machine at which others can dial a port."""
        interfaces = discovery_interfaces(self.host, self.named)
        try:
            found = local_addresses()
        except OSError:
            return ()
        return advertised(usable(found, interfaces), port)

    def discovery(self, settings: DiscoverySettings) -> DiscoverySettings:
        """Return discovery settings that fit where we listen."""
        return DiscoverySettings(settings.mode, discovery_interfaces(self.host, self.named))
