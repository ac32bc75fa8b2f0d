"""`verify`: what the audit of the store says, as events."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import assert_never

import trio

from p2pvault.control.messages import JsonObject
from p2pvault.node.port import Finding, Progress, Repaired, Verified, VerifyEvent
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


async def _told(news: trio.MemoryReceiveChannel[VerifyEvent]) -> Events:
    async for event in news:
        yield written(event)


def written(event: VerifyEvent) -> JsonObject:
    """Return an event as the schema has it."""
    match event:
        case Progress(part, done, total):
            return {"event": "progress", "part": part, "done": done, "total": total}
        case Finding(kind, what, detail):
            return {"event": "finding", "kind": kind, "what": what, "detail": detail}
        case Repaired(finding):
            return {"event": "repaired", "kind": finding.kind, "what": finding.what}
        case Verified(records, entries, findings, repaired):
            counts: JsonObject = {"records": records, "entries": entries}
            return {"event": "verified", **counts, "findings": findings, "repaired": repaired}
        case _:
            assert_never(event)
