"""mDNS discovery for trio: advertise under rotating names, and hear of others.

zeroconf runs in a thread of its own (p2pvault/net/responder.py); this side calls into its event
loop and receives sightings through a bounded channel. zeroconf never notices that the network
changed, so the caller says so with `refresh` (see p2pvault/net/interfaces.py).

There are no "gone" events, on purpose: a name stays in caches for an hour after its device was
switched off. mDNS is a hint where to dial; presence is the heartbeat of a link.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from p2pvault.limits import DISCOVERY_CLOSE_S, DISCOVERY_RETRY_S, SIGHTINGS_QUEUED_MAX
from p2pvault.net.addresses import LocalAddress, local_addresses, parse_host, usable
from p2pvault.net.mailbox import Mailbox
from p2pvault.net.responder import MulticastFailed, Responder
from p2pvault.net.services import Advertisement, DiscoverySettings, Kind, Mode, Sighting

__all__ = [
    "Advertisement",
    "Discovery",
    "DiscoverySettings",
    "Kind",
    "Mode",
    "Sighting",
    "open_discovery",
]

T = TypeVar("T")


class Discovery:
    """One device's part in mDNS; see `open_discovery`.

    Its methods may be called from several tasks; they wait for each other.

    Attributes:
        problem: Why discovery does not work now, in words for `status`; None while it works or is
            off. It is tried again with each `refresh`, and by `persist`.
    """

    def __init__(self, settings: DiscoverySettings) -> None:
        self.problem: str | None = None
        self._settings = settings
        self._token = trio.lowlevel.current_trio_token()
        self._mailbox = Mailbox[Sighting](SIGHTINGS_QUEUED_MAX, self._token)
        self._lock = trio.Lock()
        self._hindered = trio.Event()
        self._responder: Responder | None = None
        self._names: frozenset[str] = frozenset()
        self._pairing = False

    @property
    def sightings(self) -> trio.MemoryReceiveChannel[Sighting]:
        """What was sighted: expected names, whenever their records are new or change."""
        return self._mailbox.receive

    @property
    def dropped(self) -> int:
        """How many sightings found the channel full."""
        return self._mailbox.dropped

    def expect(self, names: frozenset[str]) -> None:
        """Replace the instance names of members; only these are ever looked up.

        Names among them that were heard before are looked up at once.
        """
        self._names = names
        if self._responder is not None:
            self._responder.loop.call_soon_threadsafe(self._responder.expect, names)

    def expect_pairing(self, *, wanted: bool) -> None:
        """Begin or end to look for every device that waits to be paired with."""
        self._pairing = wanted
        if self._responder is not None:
            self._browse(self._responder, Kind.PAIRING, wanted=wanted)

    async def advertise(self, kind: Kind, advertisement: Advertisement) -> None:
        """Show an advertisement instead of the previous one of its kind.

        Returns when a new name has been probed, after 1.2 s: call it from a task of its own. The
        previous advertisement stays until then. Does nothing while there is no network, and nothing
        unless the mode is normal.

        Args:
            kind: Under which service type.
            advertisement: What to show. One without addresses shows nothing, like `withdraw`.

        Raises:
            NameTaken: Somebody else answers to the name; the previous advertisement stays. Try the
                next name.
        """
        if self._settings.mode is not Mode.NORMAL:
            return
        if not advertisement.addresses:
            await self.withdraw(kind)
            return
        async with self._lock:
            if self._responder is None:
                return
            try:
                await self._run(self._responder, self._responder.announce(kind, advertisement))
            except MulticastFailed as error:
                self._hinder(f"the device cannot be announced: {error}")

    async def withdraw(self, kind: Kind) -> None:
        """Show nothing under a kind any more, and say goodbye."""
        async with self._lock:
            if self._responder is not None:
                await self._run(self._responder, self._responder.retract(kind))

    async def refresh(self) -> None:
        """Follow a change of the network: use the interfaces that are there now.

        Asks again, and sights again what is expected. Announces nothing: addresses and tags may
        have changed, so the caller advertises everything anew afterwards, under the same names or
        others.
        """
        if self._settings.mode is Mode.OFF:
            return
        async with self._lock:
            if self._hindered.is_set():
                self._hindered = trio.Event()
            try:
                await self._follow(_one_per_interface(local_addresses(), self._settings))
            except (MulticastFailed, OSError) as error:
                await self._close_responder()
                self._hinder(f"mDNS does not work here: {error}")

    async def persist(self) -> None:
        """Try again until what hinders discovery has gone away, and return then.

        Another program may give the port back at any time, and nothing tells; a missing network is
        not waited for, since its coming is a change. Waits while nothing hinders. As after
        `refresh`, the caller advertises everything anew.
        """
        await self._hindered.wait()
        while self._hindered.is_set():
            await trio.sleep(DISCOVERY_RETRY_S)
            if self._hindered.is_set():
                await self.refresh()

    async def aclose(self) -> None:
        """Say goodbye and end the thread, within `DISCOVERY_CLOSE_S`."""
        with trio.CancelScope(shield=True):
            await self._close_responder()
        self._mailbox.close()

    async def _follow(self, hosts: list[str]) -> None:
        if not hosts:
            await self._close_responder()
            among = ", ".join(self._settings.interfaces)
            missing = "no interface of a local network is up"
            self.problem = f"{missing} among {among}" if among else missing
            return
        if self._responder is None:
            self._responder = await trio.to_thread.run_sync(
                Responder.open, hosts, self._mailbox.put
            )
            self.expect(self._names)
            self._browse(self._responder, Kind.MEMBER, wanted=True)
            self.expect_pairing(wanted=self._pairing)
        else:
            await self._run(self._responder, self._responder.move(hosts))
        self.problem = None
        if not self._responder.takes_part:
            self._hinder("no interface takes part in multicast")

    def _hinder(self, problem: str) -> None:
        self.problem = problem
        self._hindered.set()

    def _browse(self, responder: Responder, kind: Kind, *, wanted: bool) -> None:
        asyncio.run_coroutine_threadsafe(responder.browse(kind, wanted=wanted), responder.loop)

    async def _run(self, responder: Responder, work: Coroutine[object, object, T]) -> T:
        """Wait in trio for work in zeroconf's loop; a cancellation here cancels it there."""
        done = trio.Event()
        future = asyncio.run_coroutine_threadsafe(work, responder.loop)
        future.add_done_callback(lambda _: self._token.run_sync_soon(done.set))
        try:
            await done.wait()
        finally:
            future.cancel()
        return future.result()

    async def _close_responder(self) -> None:
        responder, self._responder = self._responder, None
        if responder is not None:
            with trio.move_on_after(DISCOVERY_CLOSE_S):
                await trio.to_thread.run_sync(responder.close, abandon_on_cancel=True)


@asynccontextmanager
async def open_discovery(settings: DiscoverySettings) -> AsyncIterator[Discovery]:
    """Take part in mDNS inside the block.

    That there is no network is no error: see `Discovery.problem` and `Discovery.refresh`. Tasks
    that use the discovery must end before the block does; leaving it takes `DISCOVERY_CLOSE_S` at
    most, even when it is cancelled.
    """
    discovery = Discovery(settings)
    try:
        await discovery.refresh()
        yield discovery
    finally:
        await discovery.aclose()


def _one_per_interface(addresses: Iterable[LocalAddress], settings: DiscoverySettings) -> list[str]:
    """Choose where to join the multicast groups: one address per interface and family.

    A second one of the same interface cannot join again. For IPv6 only a link-local address can
    speak to ff02::fb, and ::1 cannot be used for multicast at all.
    """
    chosen: dict[tuple[str, int], str] = {}
    for address in usable(addresses, settings.interfaces):
        parsed = parse_host(address.host)
        if parsed is not None and (parsed.version == 4 or parsed.is_link_local):
            chosen.setdefault((address.interface, parsed.version), address.host)
    return sorted(chosen.values())
