"""Keeps the one node of this home: from the start where there is a vault, else once there is one.

A daemon without a vault runs and waits, so that `init` and `join` need no restart.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import trio

from p2pvault.core.takeover import Takeover
from p2pvault.errors import NoVault, Refused, StoreInUse, VaultError, VaultExists
from p2pvault.limits import STOP_ORDERLY_S
from p2pvault.net.services import Mode
from p2pvault.node.port import JoinSession, TakeoverEvent
from p2pvaultd.config import Settings
from p2pvaultd.source import MindedNode, NodeSource


class Keeper:
    """Implements `host.Host` for the handlers. Use `open_keeper` to make one."""

    def __init__(self, source: NodeSource, settings: Settings, nursery: trio.Nursery) -> None:
        self._source = source
        self._settings = settings
        self._nursery = nursery
        self._started = monotonic()
        self._node: MindedNode | None = None
        self._running = trio.Event()
        self._leaving = trio.Event()
        self._beginning = False
        self._opening = trio.Lock()
        self._fault: VaultError | None = None

    @property
    def uptime_s(self) -> float:
        """Seconds since the daemon started."""
        return monotonic() - self._started

    @property
    def mode(self) -> Mode:
        """How devices are to be discovered."""
        return self._settings.discovery.mode

    @property
    def running(self) -> MindedNode | None:
        """The node, once there is a vault."""
        return self._node

    @property
    def fault(self) -> VaultError | None:
        """Why the node of an existing vault does not run."""
        return self._fault

    def node(self) -> MindedNode:
        """Return the node.

        Raises:
            NoVault: There is no vault yet.
            VaultError: There is one, and this is why its node does not run.
        """
        if self._node is None:
            raise self._fault or NoVault("this device has no vault yet")
        return self._node

    async def wait_node(self) -> MindedNode:
        """Wait until there is a vault, and return its node."""
        await self._running.wait()
        return self.node()

    async def make_vault(self, device_name: str, vault_name: str) -> MindedNode:
        """Make a vault with this device as its first member, and run its node.

        Raises:
            VaultExists: There is one already.
            VaultError: It cannot be made, or its node cannot run.
        """
        async with self._sole_beginning():
            await self._source.create(device_name, vault_name)
            await self.run_existing()
        return self.node()

    @asynccontextmanager
    async def join(self, code: str, device_name: str) -> AsyncIterator[JoinSession]:
        """Begin to join another device's vault; leaving the context gives up.

        Raises:
            VaultExists: There is a vault already.
        """
        async with (
            self._sole_beginning(),
            self._source.join(self._settings, code, device_name) as session,
        ):
            yield session

    @asynccontextmanager
    async def take_over(
        self, backup: Path, wanted: Takeover
    ) -> AsyncIterator[AsyncGenerator[TakeoverEvent, None]]:
        """Take a vault over from a backup; leaving the context gives up.

        Raises:
            VaultExists: There is a vault already.
        """
        async with self._sole_beginning(), self._source.take_over(backup, wanted) as events:
            yield events

    async def run_existing(self) -> None:
        """Run the node if there is a vault and it does not run yet.

        Raises:
            VaultError: The node cannot run.
        """
        async with self._opening:
            try:
                if self._node is None and await self._source.has_vault():
                    await self._nursery.start(self._hold_open, self._source.open(self._settings))
                self._fault = None  # also where what was in use turned out to be no vault
            except VaultError as error:
                # The vault is there all the same; callers are told why it does not open.
                self._fault = error
                raise

    async def look_again(self) -> None:
        """Run the node of a vault that was made beside this daemon.

        `p2pvault init` makes one by itself where no daemon answers, and this one may have looked
        just before.
        """
        missed = self._fault is None or isinstance(self._fault, StoreInUse)
        if self._node is None and missed and not self._beginning:
            with suppress(VaultError):  # which callers are told
                await self.run_existing()

    async def change_settings(self, settings: Settings) -> None:
        """Take over what can be changed live, and try again what could not run before."""
        changed = settings.discovery != self._settings.discovery
        self._settings = settings
        if self._node is not None and changed:
            await self._node.rediscover(settings.discovery)
        await self.run_existing()

    @asynccontextmanager
    async def _sole_beginning(self) -> AsyncIterator[None]:
        """Let one caller at a time make or join a vault, and only where there is none."""
        if self._beginning:
            raise Refused("this device is making or joining a vault already")
        self._beginning = True
        try:
            if self._node is not None or await self._source.has_vault():
                raise VaultExists("this device has a vault already")
            yield
        finally:
            # The vault may be here although whoever asked for it left before hearing so. What
            # keeps it from running is kept in `fault`.
            with trio.CancelScope(shield=True), suppress(VaultError):
                await self.run_existing()
            self._beginning = False

    async def _hold_open(
        self,
        opening: AbstractAsyncContextManager[MindedNode],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        async with opening as node:
            self._node, self._fault = node, None
            self._running.set()
            task_status.started()
            # Not cancelled: a node that is left in order says goodbye to its peers.
            await self._leaving.wait()

    def leave(self) -> None:
        """Begin to stop the node in order."""
        self._leaving.set()


@asynccontextmanager
async def open_keeper(source: NodeSource, settings: Settings) -> AsyncIterator[Keeper]:
    """Keep a node for as long as the context lasts.

    Leaving it stops the node in order, and cancels it after STOP_ORDERLY_S.
    """
    async with trio.open_nursery() as nursery:
        keeper = Keeper(source, settings, nursery)
        yield keeper
        keeper.leave()
        nursery.cancel_scope.deadline = trio.current_time() + STOP_ORDERLY_S
