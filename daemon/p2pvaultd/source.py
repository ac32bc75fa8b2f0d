"""What the daemon needs of a node beyond what callers ask of it: to make, open and mind one."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from p2pvault.core.takeover import Takeover
from p2pvault.net.services import DiscoverySettings
from p2pvault.node.port import JoinSession, Node, TakeoverEvent
from p2pvaultd.config import Settings


class MindedNode(Node, Protocol):
    """A running node as the daemon sees it."""

    async def check(self) -> None:
        """Return once the store has answered a question; the watchdog asks."""

    async def rediscover(self, discovery: DiscoverySettings) -> None:
        """Go on with other discovery settings."""


class NodeSource(Protocol):
    """Where the node of this home comes from."""

    async def has_vault(self) -> bool:
        """Tell whether there is a vault on this device.

        Raises:
            VaultError: There is something that cannot be looked into.
        """
        ...

    async def create(self, device_name: str, vault_name: str) -> None:
        """Make a vault; it is durable when this returns.

        Raises:
            VaultError: A name that cannot be used, or a disk that cannot be written.
        """
        ...

    def join(
        self, settings: Settings, code: str, device_name: str
    ) -> AbstractAsyncContextManager[JoinSession]:
        """Begin to join a vault. Once its session says `VaultJoined`, the vault can be opened."""
        ...

    def take_over(
        self, backup: Path, wanted: Takeover
    ) -> AbstractAsyncContextManager[AsyncGenerator[TakeoverEvent, None]]:
        """Take a vault over from a backup. Once `VaultTakenOver` came, the vault can be opened."""
        ...

    def open(self, settings: Settings) -> AbstractAsyncContextManager[MindedNode]:
        """Run the node until the context is left; leaving closes links and store in order.

        Entering returns when the node reads and writes, and does not wait for the network.

        Raises:
            VaultError: The store cannot be opened, or the port cannot be listened on.
        """
        ...
