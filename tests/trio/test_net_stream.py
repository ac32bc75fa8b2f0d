"""Listening and dialling on loopback."""

import socket

import pytest
import trio
from trio.testing import MockClock

from p2pvault.errors import ConfigError, Unreachable
from p2pvault.net import stream
from p2pvault.types import Address

HOSTS = ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_dialled_stream_carries_bytes_and_delays_none(host: str) -> None:
    [listener] = await stream.open_listeners(host, 0)
    async with listener:
        dialled = await stream.dial(Address(host, stream.port_of(listener)))
        async with dialled, await listener.accept() as accepted:
            await dialled.send_all(b"x")
            assert await accepted.receive_some() == b"x"
            assert stream.peer_of(dialled) == Address(host, stream.port_of(listener))
            assert stream.peer_of(accepted).host == host
            assert stream.own_host_of(accepted) == stream.own_host_of(dialled) == host
            for end in (dialled, accepted):
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_stream_that_is_gone_hangs_on_no_address() -> None:
    [listener] = await stream.open_listeners("127.0.0.1", 0)
    async with listener:
        dialled = await stream.dial(Address("127.0.0.1", stream.port_of(listener)))
        await dialled.aclose()
        assert stream.own_host_of(dialled) is None


@pytest.mark.parametrize("everything", ["", "*", "::"])
async def test_everything_is_both_families_on_one_port(everything: str) -> None:
    ipv4, ipv6 = await stream.open_listeners(everything, 0)
    async with ipv4, ipv6:
        assert stream.port_of(ipv4) == stream.port_of(ipv6)
        for host, listener in zip(HOSTS, (ipv4, ipv6), strict=True):
            async with (
                await stream.dial(Address(host, stream.port_of(ipv4))),
                await listener.accept() as accepted,
            ):
                assert stream.peer_of(accepted).host == host


async def test_a_port_that_only_one_family_has_free_is_not_used() -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::1", 0))
        with pytest.raises(ConfigError, match="taken by another program"):
            await stream.open_listeners("", taken.getsockname()[1])


async def test_a_busy_port_is_named_with_a_hint() -> None:
    [listener] = await stream.open_listeners("127.0.0.1", 0)
    async with listener:
        port = stream.port_of(listener)
        with pytest.raises(ConfigError, match=f"port {port} is taken") as caught:
            await stream.open_listeners("127.0.0.1", port)
        assert "--listen" in caught.value.hint


@pytest.mark.parametrize("host", ["localhost", "nonsense", "300.1.1.1", "fe80::1%nowhere", "a b"])
async def test_a_host_that_is_no_address_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen on") as caught:
        await stream.open_listeners(host, 0)
    assert caught.value.hint


@pytest.mark.parametrize("port", [-1, 65_536])
async def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match="no TCP port"):
        await stream.open_listeners("127.0.0.1", port)


async def test_a_closed_port_is_unreachable_with_the_reason() -> None:
    [listener] = await stream.open_listeners("127.0.0.1", 0)
    port = stream.port_of(listener)
    await listener.aclose()
    with pytest.raises(Unreachable, match="connection refused"):
        await stream.dial(Address("127.0.0.1", port))


async def test_a_dial_that_gets_no_answer_ends_in_time(autojump_clock: MockClock) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = Address(*deaf.getsockname())
        # A queue of none takes one; the kernel leaves the next one without an answer.
        async with await stream.dial(address):
            with pytest.raises(Unreachable, match="within 5 s"):
                await stream.dial(address)


@pytest.mark.parametrize(
    "address",
    [
        Address("localhost", 1),
        Address("", 1),
        Address("127.0.0.1", 0),
        Address("127.0.0.1", 65_536),
        Address("127.0.0.1", -1),
    ],
)
async def test_what_is_no_literal_address_is_not_dialled(address: Address) -> None:
    with pytest.raises(Unreachable, match="no literal IP address"):
        await stream.dial(address)


async def test_a_link_local_address_without_scope_fails_at_once() -> None:
    with pytest.raises(Unreachable, match="invalid argument"):
        await stream.dial(Address("fe80::1", 1))


async def test_the_address_of_a_stream_that_is_gone_is_unreachable() -> None:
    [listener] = await stream.open_listeners("127.0.0.1", 0)
    async with listener:
        dialled = await stream.dial(Address("127.0.0.1", stream.port_of(listener)))
        await dialled.aclose()
        with pytest.raises(Unreachable):
            stream.peer_of(dialled)


async def test_a_cancelled_dial_leaves_no_socket_open() -> None:
    # A socket that is left open is a ResourceWarning, and warnings are errors here.
    [listener] = await stream.open_listeners("127.0.0.1", 0)
    async with listener:
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.dial(Address("127.0.0.1", stream.port_of(listener)))
        assert scope.cancelled_caught
