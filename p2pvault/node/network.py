"""Where this node listens, and under which addresses others can reach it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio

from p2pvault.errors import ConfigError
from p2pvault.net.addresses import advertised, discovery_interfaces, local_addresses, usable
from p2pvault.net.services import DiscoverySettings
from p2pvault.net.stream import open_listeners, port_of
from p2pvault.types import Address

_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Network:
    """The listening side of a node.

    Attributes:
        host: What the listeners are bound to; empty for every address.
        port: The port of links, the same for both families.
        named: Interfaces and addresses that the person chose; empty for every usable one.
        pairing_port: Where pairing windows listen if that port is free; 0 for any.
    """

    host: str
    port: int
    named: tuple[str, ...]
    pairing_port: int = 0

    async def open_for_pairing(self) -> list[trio.SocketListener]:
        """Listen for a pairing window, on another port where its own is taken.

        Raises:
            ConfigError: Nothing can listen where this node does.
        """
        with suppress(ConfigError):
            return await open_listeners(self.host, self.pairing_port)
        return await open_listeners(self.host, 0)

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


async def listen(
    host: str, port: int, named: tuple[str, ...]
) -> tuple[Network, list[trio.SocketListener]]:
    """Listen for links.

    Where the person fixed the port, pairing has the next one, so that a firewall can name both.

    Raises:
        ConfigError: The port is busy, or nothing can listen there.
    """
    listeners = await open_listeners(host, port)
    pairing_port = port + 1 if 0 < port < _PORT_MAX else 0
    return Network(host, port_of(listeners[0]), named, pairing_port), listeners
