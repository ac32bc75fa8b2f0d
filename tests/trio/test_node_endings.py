"""How streams, pairings and nodes end when somebody leaves in the middle."""

import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from p2pvault.core import io
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import ConfigError, PairingRefused, StoreCorrupt
from p2pvault.limits import PAIRING_PACKAGE_BYTES_MAX, PAIRING_PART_BYTES
from p2pvault.net.services import DiscoverySettings, Mode
from p2pvault.net.stream import open_listeners, port_of
from p2pvault.node.create import create_vault
from p2pvault.node.joining import Joining, open_joining
from p2pvault.node.port import (
    CodeShown,
    DevicePaired,
    PairingEnded,
    VaultJoined,
    VaultOffered,
    WordsAsked,
    WordsShown,
)
from p2pvault.node.running import NodeSettings, RunningNode, open_node
from p2pvault.node.streams import Stream
from p2pvault.protocol.invitation import parse_invitation
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store
from p2pvault.types import Batch, LinkId

OFF = DiscoverySettings(Mode.OFF, ("127.0.0.1",))


def settings_of(home: Path, port: int = 0) -> NodeSettings:
    return NodeSettings(home, "127.0.0.1", port, OFF)


@asynccontextmanager
async def founded(home: Path) -> AsyncIterator[RunningNode]:
    """Run a node on a vault of its own."""
    await trio.to_thread.run_sync(create_vault, home, "ada", "home")
    async with open_node(settings_of(home)) as node:
        yield node


async def wait_for(events: trio.MemoryReceiveChannel, kind: type) -> object:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the events end")


# Streams -----------------------------------------------------------------------------------


async def test_a_stream_that_is_cancelled_from_outside_says_so_exactly_once():
    ours, _theirs = trio.testing.memory_stream_pair()
    fed: list[io.Input] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Stream(LinkId(7), ours, fed.append).run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert fed == [io.LinkDown(LinkId(7))]


async def test_a_whole_membership_log_fits_the_queue_of_a_stream():
    ours, theirs = trio.testing.memory_stream_pair()
    fed: list[io.Input] = []
    stream = Stream(LinkId(7), ours, fed.append)
    part = bytes(PAIRING_PART_BYTES)
    count = PAIRING_PACKAGE_BYTES_MAX // len(part)
    received = 0
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            stream.write(part)
        stream.hang_up()
        nursery.start_soon(stream.run)
        while data := await theirs.receive_some():
            received += len(data)
    assert received == count * len(part)


# Nodes -------------------------------------------------------------------------------------


async def test_a_node_whose_store_is_no_device_leaves_its_port_free(tmp_path):
    await trio.to_thread.run_sync(create_vault, tmp_path, "ada", "home")
    key = store_key(load_master_key(HomeFiles(tmp_path)))
    store = open_store(tmp_path, key)
    store.persist(Batch(meta={"device-keys": None}))
    store.close()
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with pytest.raises(StoreCorrupt) as failure:
        async with open_node(settings_of(tmp_path, port)):
            pass
    (listener,) = await open_listeners("127.0.0.1", port)
    assert port_of(listener) == port, failure
    await listener.aclose()


# Pairing -----------------------------------------------------------------------------------


async def test_a_window_that_cannot_listen_leaves_the_next_one_alone(tmp_path):
    async with founded(tmp_path) as node:
        network = node._hosting.network
        node._hosting.network = type(network)("203.0.113.1", network.port, network.named)
        with pytest.raises(ConfigError):
            async with node.pair(admin=False):
                pass
        assert node._hosting._sessions == {}
        node._hosting.network = network
        async with node.pair(admin=False) as session:
            await wait_for(session.events, CodeShown)


def descriptors() -> list[int]:
    """Return those of this process."""
    return [int(each.name) for each in Path("/proc/self/fd").iterdir()]


@contextmanager
def descriptors_left(spare: int) -> Iterator[None]:
    """Leave this process only so many descriptors inside the block."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(descriptors())
    with ExitStack() as restored:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + spare + 1, usual[1]))
        restored.callback(resource.setrlimit, resource.RLIMIT_NOFILE, usual)
        taken: list[int] = []
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for descriptor in taken[spare:]:
            restored.callback(os.close, descriptor)
        for descriptor in taken[:spare]:
            os.close(descriptor)
        yield


@pytest.mark.parametrize("spare", range(5))
async def test_a_window_without_descriptors_is_refused_or_opens(tmp_path, spare):
    async with founded(tmp_path) as node:
        before = len(descriptors())
        with descriptors_left(spare), suppress(ConfigError):
            async with node.pair(admin=False) as session:
                await wait_for(session.events, CodeShown)
        assert len(descriptors()) == before
        async with node.pair(admin=False) as session:
            await wait_for(session.events, CodeShown)


async def pairing_port(node: RunningNode) -> int:
    """Return the port of a window's address, as the new device gets it."""
    async with node.pair(admin=False) as session:
        shown = await wait_for(session.events, CodeShown)
        (port,) = {address.port for address in parse_invitation(shown.uri).addresses}
        return port


async def two_free_ports() -> int:
    """Return the first of two ports beside each other on which nobody listens."""
    while True:
        (one,) = await open_listeners("127.0.0.1", 0)
        first = port_of(one)
        try:
            (two,) = await open_listeners("127.0.0.1", first + 1)
        except ConfigError:
            continue
        finally:
            await one.aclose()
        await two.aclose()
        return first


async def test_where_the_port_is_fixed_pairing_has_the_next_one_if_that_is_free(tmp_path):
    first = await two_free_ports()
    async with founded(tmp_path):
        pass
    async with open_node(settings_of(tmp_path, first)) as node:
        assert await pairing_port(node) == first + 1
        (busy,) = await open_listeners("127.0.0.1", first + 1)
        assert await pairing_port(node) not in {first, first + 1}
        await busy.aclose()


async def test_the_joiner_is_told_when_the_pairing_is_stopped(tmp_path):
    """Also when whoever stops it is cancelled, as the handler of a program that went away is."""
    told: list[object] = []

    async def join(uri: str, task_status: trio.TaskStatus[None]) -> None:
        async with open_joining(tmp_path / "b", "bob", uri, OFF) as joining:
            await wait_for(joining.events, VaultOffered)
            task_status.started()
            told.append(await wait_for(joining.events, PairingEnded))

    async with founded(tmp_path / "a") as node, trio.open_nursery() as nursery:
        with trio.CancelScope() as program:
            async with node.pair(admin=False) as session:
                shown = await wait_for(session.events, CodeShown)
                await nursery.start(join, shown.uri)
                program.cancel()
                await trio.lowlevel.checkpoint()
    (ended,) = told
    assert isinstance(ended.error, PairingRefused)


async def test_an_answer_before_the_vault_is_offered_is_refused_and_changes_nothing(tmp_path):
    async with (
        founded(tmp_path / "a") as node,
        node.pair(admin=False) as session,
    ):
        shown = await wait_for(session.events, CodeShown)
        async with open_joining(tmp_path / "b", "bob", shown.uri, OFF) as joining:
            with pytest.raises(PairingRefused):
                joining.accept(accepted=True)
            await pair(session, joining)
            with pytest.raises(PairingRefused):
                joining.accept(accepted=True)


async def pair(session, joining: Joining) -> None:
    """Go through a whole pairing as the two persons would."""
    words = await wait_for(joining.events, WordsShown)
    await wait_for(joining.events, VaultOffered)
    joining.accept(accepted=True)
    await wait_for(session.events, WordsAsked)
    session.type_words(words.words)
    await wait_for(joining.events, VaultJoined)
    await wait_for(session.events, DevicePaired)
