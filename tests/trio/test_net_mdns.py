"""Discovery between several `Discovery` objects on 127.0.0.1, with the real zeroconf.

Other programs may speak mDNS on loopback at the same time, so every test has names of its own.
"""

import contextlib
import secrets
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import trio
from trio.testing import MockClock

from p2pvault.errors import NameTaken
from p2pvault.limits import DISCOVERY_CLOSE_S, DISCOVERY_LOOKS_MAX
from p2pvault.net.mdns import (
    Advertisement,
    Discovery,
    DiscoverySettings,
    Kind,
    Mode,
    Sighting,
    open_discovery,
)
from p2pvault.types import Address

LOOPBACK = DiscoverySettings(interfaces=("127.0.0.1",))

PATIENCE_S = 20.0
"""Only a hang takes this long; a sighting takes 1.2 s."""


@pytest.fixture
def name() -> str:
    return f"t{secrets.token_hex(7)}"


def advertisement(name: str, port: int = 4711, host: str = "127.0.0.1") -> Advertisement:
    return Advertisement(name, f"h{name}", port, (Address(host, port),), {"a": b"tag"})


async def sighting_of(
    discovery: Discovery, wanted: Callable[[Sighting], bool] = lambda _: True
) -> Sighting:
    with trio.fail_after(PATIENCE_S):
        async for sighting in discovery.sightings:
            if wanted(sighting):
                return sighting
    raise AssertionError("the channel ended")


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Discovery, Discovery]]:
    async with open_discovery(LOOPBACK) as first, open_discovery(LOOPBACK) as second:
        yield first, second


async def test_an_expected_name_is_sighted_with_all_that_was_advertised(name: str) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(name))
        assert await sighting_of(watching) == Sighting(
            Kind.MEMBER, name, (Address("127.0.0.1", 4711),), 4711, {"a": b"tag"}
        )


async def test_other_names_are_not_sighted_until_they_are_expected(name: str) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(f"{name}x"))
        await shown.advertise(Kind.MEMBER, advertisement(name))
        assert (await sighting_of(watching)).instance == name


async def test_a_name_that_was_heard_before_it_was_expected_is_sighted_at_once(name: str) -> None:
    async with pair() as (shown, watching):
        await shown.advertise(Kind.MEMBER, advertisement(name))
        watching.expect(frozenset({name}))
        assert (await sighting_of(watching)).instance == name


async def test_an_advertisement_replaces_the_previous_one_of_its_kind(name: str) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(name, 4711))
        await shown.advertise(Kind.MEMBER, advertisement(name, 4712))
        seen = await sighting_of(watching, lambda sighting: sighting.port == 4712)
        assert seen.addresses == (Address("127.0.0.1", 4712),)


async def test_p22_a_name_that_somebody_else_has_is_refused_and_the_previous_one_stays(
    name: str,
) -> None:
    async with pair() as (first, second):
        await first.advertise(Kind.MEMBER, advertisement(name))
        await second.advertise(Kind.MEMBER, advertisement(f"{name}x", 4712))
        with pytest.raises(NameTaken):
            await second.advertise(Kind.MEMBER, advertisement(name, 4712))
        first.expect(frozenset({f"{name}x"}))
        assert (await sighting_of(first)).port == 4712


async def advertise_once_free(discovery: Discovery, name: str) -> None:
    """Advertise a name that was withdrawn: for a second, others may still have it in mind."""
    with trio.fail_after(PATIENCE_S):
        while True:
            with contextlib.suppress(NameTaken):
                await discovery.advertise(Kind.MEMBER, advertisement(name))
                return


@pytest.mark.parametrize("nothing", [None, Advertisement("unused", "unused", 1, ())])
async def test_a_withdrawn_name_is_free_for_others(
    name: str, nothing: Advertisement | None
) -> None:
    async with pair() as (first, second):
        await first.advertise(Kind.MEMBER, advertisement(name))
        if nothing is None:
            await first.withdraw(Kind.MEMBER)
        else:
            await first.advertise(Kind.MEMBER, nothing)
        await advertise_once_free(second, name)
        first.expect(frozenset({name}))
        assert (await sighting_of(first)).instance == name


async def test_a_device_that_waits_for_pairing_is_sighted_only_by_who_looks_for_one(
    name: str,
) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({f"{name}m"}))
        await shown.advertise(Kind.PAIRING, advertisement(name))
        await shown.advertise(Kind.MEMBER, advertisement(f"{name}m"))
        assert (await sighting_of(watching)).kind is Kind.MEMBER
        watching.expect_pairing(wanted=True)
        seen = await sighting_of(watching, lambda sighting: sighting.instance == name)
        assert seen.kind is Kind.PAIRING
        watching.expect_pairing(wanted=False)


async def test_a_refresh_sights_again_what_is_there(name: str) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(name))
        first = await sighting_of(watching)
        await watching.refresh()
        assert await sighting_of(watching) == first


async def test_after_a_refresh_the_same_name_can_be_advertised_again(name: str) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(name))
        await shown.refresh()
        await shown.advertise(Kind.MEMBER, advertisement(name, 4712))
        assert await sighting_of(watching, lambda sighting: sighting.port == 4712)


async def test_a_quiet_device_sees_and_is_not_seen(name: str) -> None:
    quiet = DiscoverySettings(Mode.QUIET, LOOPBACK.interfaces)
    async with open_discovery(quiet) as hidden, open_discovery(LOOPBACK) as shown:
        await hidden.advertise(Kind.MEMBER, advertisement(name))
        hidden.expect(frozenset({name}))
        # Nobody defends the name.
        await shown.advertise(Kind.MEMBER, advertisement(name))
        assert (await sighting_of(hidden)).instance == name


async def test_a_device_with_discovery_off_starts_no_thread(name: str) -> None:
    before = threading.active_count()
    async with open_discovery(DiscoverySettings(Mode.OFF)) as off:
        await off.refresh()
        await off.advertise(Kind.MEMBER, advertisement(name))
        await off.withdraw(Kind.MEMBER)
        off.expect(frozenset({name}))
        off.expect_pairing(wanted=True)
        assert threading.active_count() == before
        assert off.problem is None


async def test_without_an_interface_there_is_a_problem_and_no_error(name: str) -> None:
    async with open_discovery(DiscoverySettings(interfaces=("absent0",))) as stranded:
        assert stranded.problem == "no interface of a local network is up among absent0"
        await stranded.advertise(Kind.MEMBER, advertisement(name))
        stranded.expect(frozenset({name}))
        await stranded.refresh()
        assert stranded.problem is not None


async def test_leaving_says_goodbye(name: str) -> None:
    async with open_discovery(LOOPBACK) as watching:
        async with open_discovery(LOOPBACK) as leaving:
            await leaving.advertise(Kind.MEMBER, advertisement(name))
        await watching.advertise(Kind.MEMBER, advertisement(name))


async def test_leaving_does_not_wait_for_a_thread_that_is_stuck(
    autojump_clock: MockClock,
) -> None:
    stuck = threading.Event()
    async with open_discovery(LOOPBACK) as discovery:
        responder = discovery._responder
        assert responder is not None
        responder.loop.call_soon_threadsafe(stuck.wait)
        began = trio.current_time()
    assert trio.current_time() - began <= DISCOVERY_CLOSE_S
    stuck.set()
    # The abandoned thread ends by itself; pytest would report its sockets otherwise.
    thread = responder._zeroconf._loop_thread
    if thread is not None:
        await trio.to_thread.run_sync(thread.join)


async def test_a_cancelled_advertisement_is_not_made(name: str) -> None:
    async with pair() as (first, second):
        with trio.move_on_after(0.2):
            await first.advertise(Kind.MEMBER, advertisement(name))
        await second.advertise(Kind.MEMBER, advertisement(name))


async def test_p22_a_flood_of_names_is_looked_at_only_so_many_at_a_time(name: str) -> None:
    async with pair() as (shown, watching):
        responder = watching._responder
        assert responder is not None
        looking = responder

        async def flood() -> int:
            for number in range(10 * DISCOVERY_LOOKS_MAX):
                looking._look_at(Kind.PAIRING, f"{name}{number}")
            return len(looking._looks[Kind.PAIRING])

        assert await watching._run(responder, flood()) == DISCOVERY_LOOKS_MAX
        # Members have their own places.
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(name))
        assert (await sighting_of(watching)).instance == name


def packet(flags: int, *records: bytes, questions: int = 0) -> bytes:
    """Return an mDNS message (RFC 1035, section 4.1.1); records are questions or answers."""
    answers = len(records) - questions
    return struct.pack(">6H", 0, flags, questions, answers, 0, 0) + b"".join(records)


def labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\x00"


def pointer(instance: str, ttl: int) -> bytes:
    """Return a record that says that there is an instance of our service, or was (TTL 0)."""
    target = labels(f"{instance}.{SERVICE}")
    fixed = struct.pack(">HHIH", 12, 1, ttl, len(target))
    return labels(SERVICE) + fixed + target


SERVICE = "_p2pvault._tcp.local"
ANSWER, TRUNCATED = 0x8400, 0x0200


def hostile(name: str) -> list[bytes]:
    """Return what a stranger may send: loops, torn and truncated messages, floods, goodbyes."""
    loop = b"\xc0\x0c" + struct.pack(">HHIH", 12, 1, 120, 2) + b"\xc0\x0c"
    torn = packet(ANSWER, pointer(name, 120))
    question = labels(SERVICE) + struct.pack(">HH", 12, 1)
    return [
        packet(ANSWER, loop),
        packet(ANSWER, b"\xc0\x0c\xc0\x0c"),
        *(torn[:size] for size in range(0, len(torn), 7)),
        *(packet(TRUNCATED, question, questions=1) for _ in range(200)),
        *(
            packet(ANSWER, *(pointer(f"{name}{part}x{number}", 120) for number in range(20)))
            for part in range(50)
        ),
        packet(ANSWER, pointer(name, 0)),
    ]


async def test_p22_loops_torn_messages_floods_and_false_goodbyes_do_no_harm(name: str) -> None:
    async with pair() as (shown, watching):
        watching.expect(frozenset({name}))
        await shown.advertise(Kind.MEMBER, advertisement(name))
        seen = await sighting_of(watching)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            loopback = socket.inet_aton("127.0.0.1")
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
            for data in hostile(name):
                stranger.sendto(data, ("224.0.0.251", 5353))
        await watching.refresh()
        assert await sighting_of(watching) == seen
        assert watching.problem is None
        await shown.advertise(Kind.MEMBER, advertisement(name, 4712))
        assert await sighting_of(watching, lambda sighting: sighting.port == 4712)
