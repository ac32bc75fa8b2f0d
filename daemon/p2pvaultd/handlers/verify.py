"""`verify`: what the audit of the store says, as events."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import trio

from p2pvault.control.audit import written
from p2pvault.control.messages import JsonObject
from p2pvault.node.port import VerifyEnded, VerifyNews
from p2pvaultd.host import Host
from p2pvaultd.methods import Events, Methods


class VerifyHandlers:
    """`verify`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def methods(self) -> Methods:
        """Return the methods by name."""
        return Methods({}, {"verify": self._verify})

    @asynccontextmanager
    async def _verify(self, params: JsonObject) -> AsyncIterator[Events]:
        repair = params["repair"] is True
        async with (
            self._host.node().verify(repair=repair) as news,
            aclosing(_told(news)) as events,
        ):
            yield events


async def _told(news: trio.MemoryReceiveChannel[VerifyNews]) -> Events:
    async for event in news:
        if isinstance(event, VerifyEnded):
            raise event.error
        yield written(event)
