"""Running nodes on 127.0.0.1, without discovery."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from p2pvault.net.services import DiscoverySettings, Mode
from p2pvault.node.create import create_vault
from p2pvault.node.joining import open_joining
from p2pvault.node.port import (
    CodeShown,
    DevicePaired,
    JoinEvent,
    PairingEvent,
    VaultJoined,
    VaultOffered,
    WordsShown,
)
from p2pvault.node.running import NodeSettings, RunningNode, open_node
from p2pvault.types import Address

NO_DISCOVERY = DiscoverySettings(Mode.OFF, ("127.0.0.1",))


def settings(home: Path, port: int = 0) -> NodeSettings:
    return NodeSettings(home, "127.0.0.1", port, NO_DISCOVERY)


@asynccontextmanager
async def founded(home: Path, name: str = "ada") -> AsyncIterator[RunningNode]:
    """Run a node with a vault of its own."""
    await trio.to_thread.run_sync(create_vault, home, name, "home")
    async with open_node(settings(home)) as node:
        yield node


async def event(
    events: trio.MemoryReceiveChannel[PairingEvent] | trio.MemoryReceiveChannel[JoinEvent],
    kind: type,
) -> object:
    """Return the next event of one kind."""
    async for each in events:
        if isinstance(each, kind):
            return each
    raise AssertionError("no such event")


async def pair(
    host: RunningNode, home: Path, name: str, *, recovery: str | None = None
) -> DevicePaired:
    """Go through the whole ceremony between a running node and an empty home."""
    async with host.pair(admin=True, recovery=recovery) as session:
        shown = await event(session.events, CodeShown)
        async with open_joining(home, name, shown.uri, NO_DISCOVERY) as joining:
            words = await event(joining.events, WordsShown)
            await event(joining.events, VaultOffered)
            joining.accept(accepted=True)
            session.type_words(words.words)
            await event(joining.events, VaultJoined)
            return await event(session.events, DevicePaired)


def where(node: RunningNode) -> Address:
    """Return where a node accepts links."""
    return Address("127.0.0.1", node._network.port)


async def until(node: RunningNode, reached: Callable[[], bool]) -> None:
    """Return once something shows in a node's status."""
    while not reached():
        await node._status_moved.wait()
