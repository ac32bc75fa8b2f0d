"""What the handlers see of the daemon around the node, which comes and stays once it is there."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from p2pvault.core.takeover import Takeover
from p2pvault.errors import VaultError
from p2pvault.net.services import Mode
from p2pvault.node.port import JoinSession, Node, TakeoverEvent


class Host(Protocol):
    """A daemon with or without a vault."""

    @property
    def uptime_s(self) -> float:
        """Seconds since the daemon started."""
        ...

    @property
    def mode(self) -> Mode:
        """How devices are to be discovered."""
        ...

    @property
    def running(self) -> Node | None:
        """The node, once there is a vault."""
        ...

    @property
    def fault(self) -> VaultError | None:
        """Why the node of an existing vault does not run."""
        ...

    def node(self) -> Node:
        """Return the node.

        Raises:
            NoVault: There is no vault yet.
            VaultError: There is one, and this is why its node does not run.
        """
        ...

    async def wait_node(self) -> Node:
        """Wait until there is a vault, and return its node."""
        ...

    async def make_vault(self, device_name: str, vault_name: str) -> Node:
        """Make a vault with this device as its first member, and run its node.

        Raises:
            VaultExists: There is one already.
        """
        ...

    def join(self, code: str, device_name: str) -> AbstractAsyncContextManager[JoinSession]:
        """Begin to join another device's vault; leaving the context gives up.

        Raises:
            VaultExists: There is a vault already.
        """
        ...

    def take_over(
        self, backup: Path, wanted: Takeover
    ) -> AbstractAsyncContextManager[AsyncGenerator[TakeoverEvent, None]]:
        """Take a vault over from a backup; leaving the context gives up.

        Raises:
            VaultExists: There is a vault already.
        """
        ...

    async def run_existing(self) -> None:
        """Run the node of a vault that has come into being, for example by `join`.

        Raises:
            VaultError: The node cannot run.
        """
        ...
