"""What the node asks of mDNS, seen by a stand-in that takes part in none."""

import trio

from p2pvault.core import io
from p2pvault.net.mdns import Discovery
from p2pvault.net.services import Advertisement, DiscoverySettings, Kind, Mode
from p2pvault.node.beaconing import Beaconing
from p2pvault.types import Address

WISH = io.Advertise("name", "host", (Address("10.0.0.1", 4711),), b"tag")


class Hindered(Discovery):
    """Another program keeps the port until `released`; tells what it was to advertise."""

    def __init__(self) -> None:
        super().__init__(DiscoverySettings(Mode.OFF))
        self.released = trio.Event()
        self._send, self.advertised = trio.open_memory_channel[str](9)

    async def advertise(self, kind: Kind, advertisement: Advertisement) -> None:
        await self._send.send(advertisement.instance)

    async def persist(self) -> None:
        await self.released.wait()
        self.released = trio.Event()


async def test_when_discovery_works_again_everything_is_advertised_anew() -> None:
    discovery, beaconing = Hindered(), Beaconing(lambda _: None)
    beaconing.take(WISH)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beaconing.run, discovery)
        for _ in range(3):
            with trio.fail_after(5):
                assert await discovery.advertised.receive() == "name"
            discovery.released.set()
        nursery.cancel_scope.cancel()
    await discovery.aclose()
