"""A process that does nothing but discovery: `discovery_peer.py INSTANCE PORT EXPECTED...`.

Advertises INSTANCE at the addresses that the machine has, follows changes of the network, and
writes one JSON object a line: `ready`, `change`, `recovered`, `sighting` and `ended`. `change` and
`recovered` follow 1.2 s of probing, and what was sighted meanwhile. Ends cleanly on SIGTERM.
"""

import json
import signal
import sys

import trio

from p2pvault.net.addresses import advertised, local_addresses, usable
from p2pvault.net.interfaces import NetworkChange, watch_network
from p2pvault.net.mdns import (
    Advertisement,
    Discovery,
    DiscoverySettings,
    Kind,
    Sighting,
    open_discovery,
)


async def main(instance: str, port: int, expected: frozenset[str]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        send, changes = trio.open_memory_channel[NetworkChange](1)
        async with trio.open_nursery() as watching:
            await watching.start(watch_network, send)
            settings = DiscoverySettings()
            async with open_discovery(settings) as discovery, trio.open_nursery() as nursery:
                discovery.expect(expected)
                nursery.start_soon(follow, discovery, changes, instance, port)
                nursery.start_soon(print_sightings, discovery)
                async for _ in signals:
                    break
                nursery.cancel_scope.cancel()
            watching.cancel_scope.cancel()
    emit("ended")


async def follow(
    discovery: Discovery,
    changes: trio.MemoryReceiveChannel[NetworkChange],
    instance: str,
    port: int,
) -> None:
    await advertise(discovery, instance, port)
    emit("ready", problem=discovery.problem)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(persist, discovery, instance, port)
        async for change in changes:
            await discovery.refresh()
            await advertise(discovery, instance, port)
            emit("change", change=change, problem=discovery.problem)


async def persist(discovery: Discovery, instance: str, port: int) -> None:
    while True:
        await discovery.persist()
        await advertise(discovery, instance, port)
        emit("recovered", problem=discovery.problem)


async def advertise(discovery: Discovery, instance: str, port: int) -> None:
    addresses = advertised(usable(local_addresses()), port)
    await discovery.advertise(
        Kind.MEMBER, Advertisement(instance, f"host{instance}", port, addresses, {"a": b"tag"})
    )


async def print_sightings(discovery: Discovery) -> None:
    async for sighting in discovery.sightings:
        emit("sighting", **described(sighting))


def described(sighting: Sighting) -> dict[str, object]:
    return {
        "instance": sighting.instance,
        "addresses": [str(address) for address in sighting.addresses],
        "text": {key: value.decode() for key, value in sighting.text.items()},
    }


def emit(event: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), frozenset(sys.argv[3:]))
