"""The watcher, with made-up networks and clocks; real ones are in tests/e2e."""

import math
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from p2pvault.limits import INTERFACES_POLL_S, SUSPEND_CHECK_S, SUSPEND_GAP_S
from p2pvault.net import interfaces
from p2pvault.net.interfaces import NetworkChange


class Network:
    """A state that a test can change, and that counts who looks."""

    def __init__(self) -> None:
        self.state = "home"
        self.looks = 0

    def look(self) -> str:
        self.looks += 1
        return self.state


@asynccontextmanager
async def watching(
    network: Network, notices: socket.socket | None
) -> AsyncIterator[trio.MemoryReceiveChannel[NetworkChange]]:
    send, receive = trio.open_memory_channel[NetworkChange](math.inf)
    async with trio.open_nursery() as nursery:
        await nursery.start(interfaces.watch_interfaces, send, notices, network.look)
        yield receive
        nursery.cancel_scope.cancel()


@pytest.fixture
def notices() -> Iterator[tuple[socket.socket, socket.socket]]:
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    with kernel, ours:
        yield kernel, ours


async def test_a_burst_of_notices_is_one_report(
    notices: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    kernel, ours = notices
    network = Network()
    async with watching(network, ours) as reports:
        network.state = "away"
        for _ in range(5):
            kernel.send(b"something happened")
        assert await reports.receive() is NetworkChange.INTERFACES
        await trio.testing.wait_all_tasks_blocked()
        assert network.looks == 2
        with pytest.raises(trio.WouldBlock):
            reports.receive_nowait()


async def test_notices_that_change_nothing_are_not_reported(
    notices: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    kernel, ours = notices
    network = Network()
    async with watching(network, ours) as reports:
        kernel.send(b"the Wi-Fi card scanned")
        await trio.sleep(60)
        assert network.looks == 2
        with pytest.raises(trio.WouldBlock):
            reports.receive_nowait()
        network.state = "away"
        kernel.send(b"something happened")
        assert await reports.receive() is NetworkChange.INTERFACES


async def test_the_first_change_after_the_start_is_reported(
    notices: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    kernel, ours = notices
    network = Network()
    async with watching(network, ours) as reports:
        # Nothing is awaited since the start: whoever looks now has seen what the watch has seen.
        network.state = "away"
        kernel.send(b"something happened")
        assert await reports.receive() is NetworkChange.INTERFACES


async def test_without_notices_the_network_is_looked_at_now_and_then(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = Network()
    async with watching(network, None) as reports:
        network.state = "away"
        began = trio.current_time()
        assert await reports.receive() is NetworkChange.INTERFACES
        assert trio.current_time() - began == pytest.approx(INTERFACES_POLL_S)


async def test_the_socket_of_notices_is_closed_at_the_end(
    notices: tuple[socket.socket, socket.socket],
) -> None:
    _, ours = notices
    async with watching(Network(), ours):
        pass
    assert ours.fileno() == -1


@pytest.mark.parametrize(
    ("asleep_s", "reported"), [(SUSPEND_GAP_S, False), (SUSPEND_GAP_S + 1, True)]
)
async def test_a_long_sleep_is_reported_and_a_short_one_is_not(
    asleep_s: float, reported: bool, autojump_clock: trio.testing.MockClock
) -> None:
    slept = 1000.0
    send, receive = trio.open_memory_channel[NetworkChange](math.inf)
    clock: Callable[[], float] = lambda: slept  # noqa: E731 - reads the variable of the test
    async with trio.open_nursery() as nursery:
        nursery.start_soon(interfaces.watch_suspends, send, clock)
        await trio.sleep(10 * SUSPEND_CHECK_S)
        slept += asleep_s
        await trio.sleep(10 * SUSPEND_CHECK_S)
        nursery.cancel_scope.cancel()
    send.close()
    expected = [NetworkChange.WOKEN] if reported else []
    assert [report async for report in receive] == expected


async def test_the_real_kernel_and_clocks_can_be_watched() -> None:
    send, _ = trio.open_memory_channel[NetworkChange](1)
    async with trio.open_nursery() as nursery:
        await nursery.start(interfaces.watch_network, send)
        nursery.cancel_scope.cancel()
    assert interfaces.network_state() == interfaces.network_state()
    # The two clocks are read one after the other, so it may be a little less than nothing.
    assert interfaces.asleep_s() > -1
