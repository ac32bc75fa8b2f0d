"""The real source of nodes: the home of this device, the store in it, and the network."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import trio

from p2pvault.core.takeover import Takeover
from p2pvault.net.addresses import discovery_interfaces
from p2pvault.net.services import DiscoverySettings
from p2pvault.node.create import create_vault, has_vault
from p2pvault.node.joining import open_joining
from p2pvault.node.port import JoinSession, TakeoverEvent
from p2pvault.node.running import NodeSettings, RunningNode, open_node
from p2pvault.node.takeover import take_over
from p2pvault.store.worker import StoreWorker, open_worker
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

    @asynccontextmanager
    async def take_over(
        self, backup: Path, wanted: Takeover
    ) -> AsyncIterator[AsyncGenerator[TakeoverEvent, None]]:
        """Take a vault over from a backup; leaving the context gives up."""
        # The stores that it opens belong to one thread, and closing it removes what it has made.
        async with (
            open_worker(lambda: take_over(self._state, backup, wanted), name="takeover") as worker,
            aclosing(_steps(worker)) as steps,
        ):
            yield steps

    def open(self, settings: Settings) -> AbstractAsyncContextManager[RunningNode]:
        """Run the node until the context is left."""
        return open_node(
            NodeSettings(
                self._state, settings.listen.host, settings.listen.port, settings.discovery
            )
        )


async def _steps(
    worker: StoreWorker[Generator[TakeoverEvent, None, None]],
) -> AsyncGenerator[TakeoverEvent, None]:
    while (event := await worker.run(lambda events: next(events, None))) is not None:
        yield event
