"""Keeps mDNS going while somebody is looked for, and tells when that is hindered.

A running node does the same with its beacon (p2pvault/node/beaconing.py); here is no node yet.
"""

from collections.abc import Awaitable, Callable

import trio

from p2pvault.net.interfaces import NetworkChange, watch_network
from p2pvault.net.mdns import Discovery


class Lookout:
    """Takes an open discovery up again whenever that may help.

    Args:
        discovery: Whose problem is watched.
        tell: Called with each problem that is another one than before, in words, and with None
            once there is none any more.
    """

    def __init__(self, discovery: Discovery, tell: Callable[[str | None], Awaitable[None]]) -> None:
        self._discovery = discovery
        self._tell = tell
        self._told: str | None = None

    async def run(self) -> None:
        """Follow the network, and try again what another program is in the way of, for ever."""
        send, changes = trio.open_memory_channel[NetworkChange](1)
        async with trio.open_nursery() as nursery:
            await nursery.start(watch_network, send)
            # What changed between the opening of the discovery and now is seen by nobody else.
            if self._discovery.problem is not None:
                await self._discovery.refresh()
            await self._look()
            nursery.start_soon(self._persist)
            async for _ in changes:
                await self._discovery.refresh()
                await self._look()

    async def _persist(self) -> None:
        while True:
            await self._discovery.persist()
            await self._look()

    async def _look(self) -> None:
        problem = self._discovery.problem
        if problem != self._told:
            self._told = problem
            await self._tell(problem)
