"""Carries the core's discovery effects to mDNS, and sightings back.

Advertising takes 1.2 s of probing; a newer wish replaces one that is still waiting. What fails
here is shown in `status` and tried again when the network changes, or every few seconds where that
alone would not help.
"""

from collections.abc import Callable

import structlog
import trio

from p2pvault.core import io
from p2pvault.errors import NameTaken
from p2pvault.net.mdns import Discovery
from p2pvault.net.services import Advertisement, Kind, Sighting
from p2pvault.protocol.discovery import TAG_KEY
from p2pvault.types import Address

_log = structlog.get_logger()


class Beaconing:
    """The node's part in discovery, over whichever `Discovery` is open at the time."""

    def __init__(self, feed: Callable[[io.Input], None]) -> None:
        self._feed = feed
        self._discovery: Discovery | None = None
        self._names: frozenset[str] = frozenset()
        self._wanted: io.Advertise | None = None
        self._pairing: Advertisement | None = None
        self._changed = trio.Event()
        self._moved = False
        self._pairing_addresses: tuple[Address, ...] = ()

    @property
    def problem(self) -> str | None:
        """Why discovery does not work now, in words."""
        return self._discovery.problem if self._discovery is not None else None

    def take(self, effect: io.Discover) -> None:
        """Take a wish of the core; it is carried out by `run`."""
        match effect:
            case io.Expect(names):
                self._names = names
                if self._discovery is not None:
                    self._discovery.expect(names)
                return
            case io.Advertise():
                self._wanted = effect
            case io.Withdraw():
                self._wanted = None
            case io.AdvertisePairing(instance):
                self._pairing = self._pairing_advertisement(instance)
        self._changed.set()

    def pair_on(self, addresses: tuple[Address, ...]) -> None:
        """Say where the pairing listener accepts, for the advertisement that follows."""
        self._pairing_addresses = addresses

    def refresh(self) -> None:
        """Follow a change of the network; everything is advertised anew."""
        self._moved = True
        self._changed.set()

    async def run(self, discovery: Discovery) -> None:
        """Advertise and listen through `discovery` until cancelled."""
        self._discovery = discovery
        discovery.expect(self._names)
        self._changed.set()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._advertise_all, discovery)
                nursery.start_soon(self._persist, discovery)
                async for sighting in discovery.sightings:
                    self._feed(_peer_seen(sighting))
        finally:
            self._discovery = None

    async def _persist(self, discovery: Discovery) -> None:
        while True:
            await discovery.persist()
            self._changed.set()

    async def _advertise_all(self, discovery: Discovery) -> None:
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            if self._moved:
                self._moved = False
                await discovery.refresh()
            await self._advertise_pairing(discovery)
            await self._advertise_member(discovery)

    async def _advertise_member(self, discovery: Discovery) -> None:
        wanted = self._wanted
        if wanted is None:
            await discovery.withdraw(Kind.MEMBER)
            return
        advertisement = Advertisement(
            instance=wanted.instance,
            host_label=wanted.host_label,
            port=wanted.addresses[0].port,
            addresses=wanted.addresses,
            text={TAG_KEY: wanted.tag},
        )
        try:
            await discovery.advertise(Kind.MEMBER, advertisement)
        except NameTaken:
            self._feed(io.AdvertiseFailed(wanted.instance))

    async def _advertise_pairing(self, discovery: Discovery) -> None:
        if self._pairing is None:
            await discovery.withdraw(Kind.PAIRING)
            return
        try:
            await discovery.advertise(Kind.PAIRING, self._pairing)
        except NameTaken:
            _log.warning("pairing_not_announced", reason="name_taken")

    def _pairing_advertisement(self, instance: str | None) -> Advertisement | None:
        if instance is None or not self._pairing_addresses:
            return None
        return Advertisement(
            instance=instance,
            host_label=f"{instance}-h",
            port=self._pairing_addresses[0].port,
            addresses=self._pairing_addresses,
            text={"v": b"1"},
        )


def _peer_seen(sighting: Sighting) -> io.PeerSeen:
    tag = sighting.text.get(TAG_KEY, b"")
    return io.PeerSeen(sighting.instance, sighting.addresses, sighting.port, tag)
