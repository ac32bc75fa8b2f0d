"""The real source of nodes: the home of this device, the store in it, and the network."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import trio

from p2pvault.net.addresses import discovery_interfaces
from p2pvault.net.services import DiscoverySettings
from p2pvault.node.create import create_vault, has_vault
from p2pvault.node.joining import open_joining
from p2pvault.node.port import JoinSession
from p2pvault.node.running import NodeSettings, RunningNode, open_node
from p2pvaultd.config import Settings


class VaultSource:
    """Implements `source.NodeSource` for one home directory."""

    def __init__(self, state: Path) -> None:
        self._state = state

    async def has_vault(self) -> bool:
        """Tell whether there is a vault on this device."""
        return await trio.to_thread.run_sync(has_vault, self._state)

    async def create(self, device_name: str, vault_name: str) -> None:
        """Make a vault; it is durable when this returns."""
        await trio.to_thread.run_sync(create_vault, self._state, device_name, vault_name)

    def join(
        self, settings: Settings, code: str, device_name: str
    ) -> AbstractAsyncContextManager[JoinSession]:
        """Begin to join a vault, looking for it where this daemon listens."""
        chosen = settings.discovery.interfaces
        interfaces = discovery_interfaces(settings.listen.host, chosen)
        discovery = DiscoverySettings(settings.discovery.mode, interfaces)
        return open_joining(self._state, device_name, code, discovery)

    def open(self, settings: Settings) -> AbstractAsyncContextManager[RunningNode]:
        """Run the node until the context is left."""
        return open_node(
            NodeSettings(
                self._state, settings.listen.host, settings.listen.port, settings.discovery
            )
        )
