"""Two processes in two network namespaces find each other, whatever happens to the network."""

import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trio

from harness import discovery_peer, netns
from harness.cable_host import Quality

REASON = netns.unavailable()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.netns,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

PATIENCE_S = 30.0
"""Only a hang takes this long; everything here is done in 3 s."""

Event = dict[str, object]


class Peer:
    """A running `discovery_peer` and the lines that it prints."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdout is not None
        self.process = process
        self._stdout = process.stdout
        self._rest = b""

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Read on to the first event that is wanted."""
        return await self.until_all(wanted)

    async def until_all(self, *wanted: Callable[[Event], bool]) -> Event:
        """Read on until there was an event for each wish, in any order; return the last."""
        missing = list(wanted)
        with trio.fail_after(PATIENCE_S):
            while True:
                event = await self._next()
                missing = [wish for wish in missing if not wish(event)]
                if not missing:
                    return event

    async def _next(self) -> Event:
        while b"\n" not in self._rest:
            received = await self._stdout.receive_some()
            assert received, "the process ended"
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        event: Event = json.loads(line)
        return event


@pytest.fixture
def hosts() -> Iterator[Sequence[netns.Host]]:
    with netns.network(2) as made:
        yield made


@contextlib.asynccontextmanager
async def running(host: netns.Host, instance: str, *expected: str) -> AsyncIterator[Peer]:
    script = str(Path(discovery_peer.__file__))
    command = host.command(sys.executable, script, instance, "4711", *expected)
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        yield Peer(process)
        process.terminate()
        with trio.fail_after(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        process.kill()
        await process.wait()


def of(name: str) -> Callable[[Event], bool]:
    return lambda event: event["event"] == name


def followed(event: Event) -> bool:
    # Earlier changes are possible: the check for duplicates of an IPv6 address ends at any time.
    # So are sightings before it: it is told after 1.2 s of probing, while others answer at once.
    return event["event"] == "change" and event["problem"] is None


def recovered(event: Event) -> bool:
    return event["event"] == "recovered" and event["problem"] is None


def settle(host: netns.Host) -> None:
    """Leave nothing that changes by itself, as where the check for duplicates is over early."""
    host.run("ip", "-6", "address", "flush", "dev", netns.LINK)


def sighting_at(*addresses: str) -> Callable[[Event], bool]:
    return lambda event: event["event"] == "sighting" and event["addresses"] == list(addresses)


async def test_devices_find_each_other_whoever_starts_first(hosts: Sequence[netns.Host]) -> None:
    a, b = hosts
    async with running(a, "aaaa", "bbbb") as first:
        await first.until(of("ready"))
        async with running(b, "bbbb", "aaaa") as second:
            seen = await second.until(of("sighting"))
            assert seen == {
                "event": "sighting",
                "instance": "aaaa",
                "addresses": ["10.77.0.1:4711"],
                "text": {"a": "tag"},
            }
            await first.until(sighting_at("10.77.0.2:4711"))


async def test_a_name_that_is_not_expected_is_never_sighted(hosts: Sequence[netns.Host]) -> None:
    a, b = hosts
    async with running(a, "stranger"), running(b, "bbbb", "aaaa") as watching:
        await watching.until(of("ready"))
        async with running(a, "aaaa"):
            # The stranger was announced before; its sighting would have come first.
            assert (await watching.until(of("sighting")))["instance"] == "aaaa"


async def test_a_changed_address_replaces_the_old_one(hosts: Sequence[netns.Host]) -> None:
    a, b = hosts
    async with running(a, "aaaa", "bbbb") as watching, running(b, "bbbb") as moving:
        await watching.until(sighting_at("10.77.0.2:4711"))
        b.remove_address(b.address)
        b.add_address("10.77.0.99/24")
        await moving.until(of("change"))
        await watching.until(sighting_at("10.77.0.99:4711"))


async def test_a_network_that_comes_up_late_is_noticed(hosts: Sequence[netns.Host]) -> None:
    a, b = hosts
    b.down()
    b.remove_address(b.address)
    async with running(a, "aaaa", "bbbb") as first, running(b, "bbbb", "aaaa") as late:
        ready = await late.until(of("ready"))
        assert ready["problem"] == "no interface of a local network is up"
        b.up()
        b.add_address(b.address)
        await late.until_all(followed, sighting_at("10.77.0.1:4711"))
        await first.until(sighting_at("10.77.0.2:4711"))


async def test_a_network_of_ipv6_alone_is_enough(hosts: Sequence[netns.Host]) -> None:
    for number, host in enumerate(hosts, start=1):
        host.add_address(f"fd77::{number}/64")
        host.add_address(f"fe80::{number}/64")
        host.remove_address(host.address)
    a, b = hosts
    async with running(a, "aaaa", "bbbb") as first, running(b, "bbbb"):
        seen = await first.until(of("sighting"))
        link_local, unique_local = sorted(map(str, seen["addresses"]), reverse=True)
        assert unique_local == "[fd77::2]:4711"
        # The scope is this machine's number of the interface; without it nothing can be dialled.
        assert link_local.startswith("[fe80::2%")


@contextlib.asynccontextmanager
async def given_back(
    hosts: Sequence[netns.Host], *looked_for: str
) -> AsyncIterator[tuple[Peer, Peer]]:
    """Return two peers, of which the second began without the port that it may have now."""
    a, b = hosts
    settle(b)
    with netns.holding_the_mdns_port(b) as let_go:
        async with (
            running(a, "aaaa", *looked_for) as other,
            running(b, "bbbb", "aaaa") as hindered,
        ):
            ready = await hindered.until(of("ready"))
            assert "another program keeps UDP port 5353" in str(ready["problem"])
            let_go()
            yield other, hindered


async def test_a_port_that_another_program_keeps_is_a_problem_and_not_the_end(
    hosts: Sequence[netns.Host],
) -> None:
    async with given_back(hosts) as (_, hindered):
        hosts[1].add_address("10.77.0.99/24")
        await hindered.until_all(followed, sighting_at("10.77.0.1:4711"))


async def test_a_port_that_is_given_back_is_taken_though_the_network_does_not_change(
    hosts: Sequence[netns.Host],
) -> None:
    async with given_back(hosts, "bbbb") as (other, hindered):
        await hindered.until_all(recovered, sighting_at("10.77.0.1:4711"))
        await other.until(sighting_at("10.77.0.2:4711"))


@pytest.fixture
def lossy() -> Iterator[Sequence[netns.Host]]:
    """Two hosts with a bad cable; skips here, since trio would lose the reason."""
    if (reason := netns.line_unavailable()) is not None:
        pytest.skip(reason)
    with netns.line(2) as (hosts, (cable,)):
        cable.become(Quality(loss=0.2, delay_s=0.03, jitter_s=0.01))
        yield hosts


async def test_a_lossy_network_only_takes_longer(lossy: Sequence[netns.Host]) -> None:
    a, b = lossy
    async with running(a, "aaaa", "bbbb") as first, running(b, "bbbb", "aaaa") as second:
        await first.until(sighting_at("10.77.0.2:4711"))
        await second.until(sighting_at("10.77.0.1:4711"))
