"""What runs in zeroconf's own thread: one `Responder` for as long as there is a network.

Every method but `open` and `close` runs in the thread of zeroconf's event loop; `Discovery` calls
them across. That makes the state here single-threaded without a lock. Names that nobody expects
are dropped in the browser's callback, before a query, a log line or a thread switch: a flood of
foreign names costs what zeroconf's own bounded cache costs.
"""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self

from zeroconf import (  # type: ignore[attr-defined]  # DNSPointer is public, though not in __all__
    DNSPointer,
    Error,
    NonUniqueNameException,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from p2pvault.errors import NameTaken
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    DISCOVERY_GATHER_S,
    DISCOVERY_HOST_TTL_S,
    DISCOVERY_LOOKS_MAX,
    DISCOVERY_OTHER_TTL_S,
    DISCOVERY_REPEAT_S,
    DISCOVERY_RESOLVE_S,
    DISCOVERY_SETTLE_LOOKS,
    DISCOVERY_SETTLE_S,
    DISCOVERY_TEXT_BYTES_MAX,
)
from p2pvault.net.addresses import is_local, is_loopback
from p2pvault.net.services import Advertisement, Kind, Sighting
from p2pvault.types import Address

_INSTANCE_CHARACTERS_MAX: Final = 63
"""One DNS label (RFC 1035, section 2.3.4)."""

_log: Final = logging.getLogger(__name__)


class MulticastFailed(Exception):
    """zeroconf cannot do its work; the message says why."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at one name that is under way, and how to tell it that there is more to see."""

    task: asyncio.Task[None]
    news: asyncio.Event


class Responder:
    """Announces, browses and looks up on a set of interfaces.

    Attributes:
        loop: zeroconf's event loop.
    """

    def __init__(
        self, zeroconf: Zeroconf, deliver: Callable[[Sighting], None], *, loopback: bool
    ) -> None:
        assert zeroconf.loop is not None, "zeroconf starts its loop when it is made"
        self.loop = zeroconf.loop
        self._zeroconf = zeroconf
        self._deliver = deliver
        self._loopback = loopback
        self._names: frozenset[str] = frozenset()
        self._announced: dict[Kind, ServiceInfo] = {}
        self._announcing: dict[Kind, asyncio.Future[None]] = {}
        self._browsers: dict[Kind, AsyncServiceBrowser] = {}
        self._looks: dict[Kind, dict[str, _Look]] = {kind: {} for kind in Kind}
        self._background: set[asyncio.Future[None]] = set()

    @classmethod
    def open(cls, hosts: list[str], deliver: Callable[[Sighting], None]) -> Self:
        """Start zeroconf and its thread; blocks for some milliseconds.

        Args:
            hosts: Local addresses, one per interface and family.
            deliver: Called in zeroconf's thread with each sighting; may not block.

        Raises:
            MulticastFailed: No multicast here, or an address is gone already.
        """
        with _faults():
            zeroconf = Zeroconf(interfaces=hosts, use_asyncio=False)
        return cls(zeroconf, deliver, loopback=any(map(is_loopback, hosts)))

    def close(self) -> None:
        """Say goodbye and end the thread; blocks for 0.3 s, longer if the machine is stuck."""
        asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result()
        self._zeroconf.close()

    @property
    def takes_part(self) -> bool:
        """Whether any interface really takes part in multicast."""
        return bool(self._zeroconf.engine.senders)

    async def move(self, hosts: list[str]) -> None:
        """Follow a change of the network: other interfaces, or the same ones in another place.

        Asks again even where the addresses are the same, since they may be those of another
        network. Announces nothing: what is announced may name addresses that are gone.

        Args:
            hosts: As for `open`.

        Raises:
            MulticastFailed: No multicast here, or an address is gone already.
        """
        self._loopback = any(map(is_loopback, hosts))
        for kind in Kind:
            self._hush(kind)
        with _faults(), self._out_of_registry():
            await self._zeroconf.async_update_interfaces(hosts)
        # A look that is under way would take what it sees for old.
        await self._stop_looking()
        for kind in tuple(self._browsers):
            await self.browse(kind, wanted=True)

    async def announce(self, kind: Kind, advertisement: Advertisement) -> None:
        """Show an advertisement; the previous one of this kind stays until the new one is out.

        Returns after the three probes of a new name, about 1.2 s; the announcements follow.

        Raises:
            NameTaken: Somebody else answers to the name.
            MulticastFailed: zeroconf does not run.
        """
        info = _to_info(kind, advertisement)
        previous = self._announced.get(kind)
        if previous is not None and previous.name == info.name:
            self._hush(kind)
            announcing = await self._zeroconf.async_update_service(info)
        else:
            announcing = await self._register(info)
            await self.retract(kind)
        self._announced[kind] = info
        self._announcing[kind] = self._keep(self._repeat(info, announcing))

    async def retract(self, kind: Kind) -> None:
        """Withdraw what is announced under a kind, with goodbyes in the background."""
        self._hush(kind)
        info = self._announced.pop(kind, None)
        if info is not None:
            self._keep(await self._zeroconf.async_unregister_service(info))

    async def browse(self, kind: Kind, *, wanted: bool) -> None:
        """Begin, or begin again, or end to ask for instances of a kind."""
        browser = self._browsers.pop(kind, None)
        if browser is not None:
            await browser.async_cancel()
        if wanted:
            self._browsers[kind] = AsyncServiceBrowser(
                self._zeroconf, kind.value, handlers=[self._on_change]
            )

    def expect(self, names: frozenset[str]) -> None:
        """Replace the instance names of members that are looked up, and look at known ones."""
        fresh = names - self._names
        self._names = names
        for record in self._zeroconf.cache.async_entries_with_name(Kind.MEMBER.value):
            if isinstance(record, DNSPointer):
                instance = _instance(Kind.MEMBER, record.alias)
                if instance in fresh:
                    self._look_at(Kind.MEMBER, instance)

    async def _register(self, info: ServiceInfo) -> Awaitable[None]:
        try:
            with _faults():
                return await self._zeroconf.async_register_service(info)
        except NonUniqueNameException as error:
            raise NameTaken("another device answers to this name") from error

    async def _repeat(self, info: ServiceInfo, announcing: Awaitable[None]) -> None:
        """Announce once more, at least one second later (RFC 6762, section 8.3).

        zeroconf sends all three of its announcements within 0.5 s. A receiver takes records that
        are less than one second apart for parts of one set (section 10.2) and would go on believing
        an older announcement that came just before.
        """
        await announcing
        await asyncio.sleep(DISCOVERY_REPEAT_S)
        await (await self._zeroconf.async_update_service(info))

    def _hush(self, kind: Kind) -> None:
        """End the announcements under way, which would contradict newer ones."""
        announcing = self._announcing.pop(kind, None)
        if announcing is not None:
            announcing.cancel()

    @contextmanager
    def _out_of_registry(self) -> Iterator[None]:
        """Keep zeroconf from announcing what it has on interfaces that it finds."""
        infos = list(self._announced.values())
        self._zeroconf.registry.async_remove(infos)
        try:
            yield
        finally:
            for info in infos:
                self._zeroconf.registry.async_add(info)

    def _on_change(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        kind = Kind(service_type)
        instance = _instance(kind, name)
        wanted = instance in self._names if kind is Kind.MEMBER else _is_ours(instance)
        own = zeroconf.registry.async_get_info_name(name.lower()) is not None
        if wanted and not own and state_change is not ServiceStateChange.Removed:
            self._look_at(kind, instance)

    def _look_at(self, kind: Kind, instance: str) -> None:
        looks = self._looks[kind]
        if instance in looks:
            looks[instance].news.set()
        elif len(looks) < DISCOVERY_LOOKS_MAX:
            news = asyncio.Event()
            task = self.loop.create_task(self._look(kind, instance, news))
            looks[instance] = _Look(task, news)
            # Not in a `finally` of the task: one that is cancelled at once never gets there.
            task.add_done_callback(lambda _: looks.pop(instance))

    async def _look(self, kind: Kind, instance: str, news: asyncio.Event) -> None:
        """Look up a name after each piece of news, and again while its records settle.

        The first look may meet a record that was flushed and lives for one more second, or miss one
        that came in another packet; no event tells when that is over.
        """
        last: Sighting | None = None
        quiet = 0
        while quiet <= DISCOVERY_SETTLE_LOOKS:
            sighting = await self._resolve(kind, instance)
            if sighting is not None and sighting != last:
                self._deliver(sighting)
                last = sighting
            quiet = 0 if await _hears(news) else quiet + 1

    async def _resolve(self, kind: Kind, instance: str) -> Sighting | None:
        info = AsyncServiceInfo(kind.value, f"{instance}.{kind.value}")
        await info.async_request(self._zeroconf, DISCOVERY_RESOLVE_S * 1000)
        return _to_sighting(kind, info, loopback=self._loopback)

    async def _stop_looking(self) -> None:
        tasks = [look.task for looks in self._looks.values() for look in looks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self) -> None:
        for kind in tuple(self._browsers):
            await self.browse(kind, wanted=False)
        await self._stop_looking()
        for kind in Kind:
            self._hush(kind)
        # Goodbyes that are under way are worth waiting for; all of them take 0.5 s at most.
        await asyncio.gather(*self._background, return_exceptions=True)

    def _keep(self, announcing: Awaitable[None]) -> asyncio.Future[None]:
        # The loop holds its tasks weakly, and somebody has to look at how they end.
        future = asyncio.ensure_future(announcing)
        self._background.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: asyncio.Future[None]) -> None:
        self._background.discard(future)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            _log.warning("an announcement failed: %s", type(error).__name__)


async def _hears(news: asyncio.Event) -> bool:
    """Wait for news; tell whether there was any."""
    try:
        async with asyncio.timeout(DISCOVERY_SETTLE_S):
            await news.wait()
    except TimeoutError:
        return False
    # The packets of one announcement belong together, and a flood of news gets no more looks.
    await asyncio.sleep(DISCOVERY_GATHER_S)
    news.clear()
    return True


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except NonUniqueNameException:
        raise
    except OSError as error:
        # Nothing but mDNS has a port of its own here.
        taken = error.errno == errno.EADDRINUSE
        why = "another program keeps UDP port 5353 to itself" if taken else error.strerror
        raise MulticastFailed(why or str(error) or type(error).__name__) from error
    except (RuntimeError, Error) as error:
        # zeroconf raises RuntimeError for an address that no interface has (any more).
        raise MulticastFailed(str(error) or type(error).__name__) from error


def _to_info(kind: Kind, advertisement: Advertisement) -> ServiceInfo:
    assert advertisement.addresses, "an advertisement says where the port is"
    return ServiceInfo(
        kind.value,
        f"{advertisement.instance}.{kind.value}",
        port=advertisement.port,
        properties=dict(advertisement.text),
        # Without it zeroconf takes the instance name for the host's, which ties the two together.
        server=f"{advertisement.host_label}.local.",
        host_ttl=DISCOVERY_HOST_TTL_S,
        other_ttl=DISCOVERY_OTHER_TTL_S,
        addresses=[ip_address(address.host).packed for address in advertisement.addresses],
    )


def _to_sighting(kind: Kind, info: ServiceInfo, *, loopback: bool) -> Sighting | None:
    """Turn what the cache holds about a name into a bounded value; None if it is no good.

    One address that no device of ours would advertise spoils the whole: it is a forgery.
    """
    hosts = sorted(info.parsed_scoped_addresses())
    good = all(is_local(host) or (loopback and is_loopback(host)) for host in hosts)
    if not info.port or not good or not 0 < len(hosts) <= ADDRESSES_PER_PEER_MAX:
        return None
    if len(info.text) > DISCOVERY_TEXT_BYTES_MAX:
        return None
    return Sighting(
        kind=kind,
        instance=_instance(kind, info.name),
        addresses=tuple(Address(host, info.port) for host in hosts),
        port=info.port,
        text={k.decode(): v or b"" for k, v in info.properties.items() if k.isascii()},
    )


def _instance(kind: Kind, name: str) -> str:
    return name.lower().removesuffix(f".{kind.value}")


def _is_ours(instance: str) -> bool:
    # Both kinds of names that we make are base32; anything else is somebody else's.
    return (
        0 < len(instance) <= _INSTANCE_CHARACTERS_MAX and instance.isascii() and instance.isalnum()
    )
