"""Looking for the device that shows a code, where mDNS is hindered."""

import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from p2pvault.errors import NoPairingDevice, Unreachable
from p2pvault.limits import PAIRING_S, PAIRING_SEARCH_S
from p2pvault.net.mdns import Discovery
from p2pvault.net.services import DiscoverySettings, Mode
from p2pvault.node.create import create_vault
from p2pvault.node.joining import Joining, open_joining
from p2pvault.node.lookout import Lookout
from p2pvault.node.port import CodeShown, PairingEnded, SearchHindered
from p2pvault.node.running import NodeSettings, open_node
from p2pvault.protocol.invitation import Invitation
from p2pvault.types import Address

CODE = "42-lantern-tulip-violin"
NOWHERE = ("nowhere0",)
"""The interfaces that discovery may use: one that no machine has."""


async def news(joining: Joining, kind: type) -> object:
    event = await joining.events.receive()
    assert isinstance(event, kind)
    return event


@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.QUIET])
async def test_without_a_network_it_says_so_and_looks_for_as_long_as_a_code_lasts(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, mode: Mode
) -> None:
    del autojump_clock
    began = trio.current_time()
    async with open_joining(tmp_path, "ada", CODE, DiscoverySettings(mode, NOWHERE)) as joining:
        hindered = await news(joining, SearchHindered)
        assert hindered.problem == "no interface of a local network is up among nowhere0"
        assert "p2pvault: address" in hindered.hint
        error = (await news(joining, PairingEnded)).error
    assert isinstance(error, NoPairingDevice)
    assert "no interface of a local network is up" in str(error)
    assert "p2pvault: address" in error.hint
    assert trio.current_time() - began >= PAIRING_S > PAIRING_SEARCH_S


async def test_with_discovery_off_it_says_so_at_once(tmp_path: Path) -> None:
    off = DiscoverySettings(Mode.OFF, NOWHERE)
    async with open_joining(tmp_path, "ada", CODE, off) as joining:
        error = (await news(joining, PairingEnded)).error
    assert isinstance(error, NoPairingDevice)
    assert "discovery is off" in str(error)
    assert "p2pvault: address" in error.hint


async def test_an_address_where_nobody_answers_says_what_must_be_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        where = Address("127.0.0.1", taken.getsockname()[1])
    text = str(Invitation(bytes(16), bytes(16), (where,), 1_800_000_000))
    async with open_joining(tmp_path, "ada", text, DiscoverySettings(Mode.OFF)) as joining:
        error = (await news(joining, PairingEnded)).error
    assert isinstance(error, Unreachable)
    assert "nobody answers" in str(error)
    assert "`pair` must still be running" in error.hint


class Hindered(Discovery):
    """Takes part in nothing; has one problem after the other, and none at the end."""

    def __init__(self, *problems: str | None) -> None:
        super().__init__(DiscoverySettings(Mode.OFF))
        self._problems = list(problems)
        self.problem = self._problems.pop(0)

    async def refresh(self) -> None:
        await trio.lowlevel.checkpoint()

    async def persist(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._problems:
            await trio.sleep_forever()
        self.problem = self._problems.pop(0)


async def told(*problems: str | None) -> list[str | None]:
    """Return what a lookout says of problems that follow each other."""
    heard: list[str | None] = []

    async def tell(problem: str | None) -> None:
        heard.append(problem)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Lookout(Hindered(*problems), tell).run)
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    return heard


async def test_what_hinders_is_told_once_and_so_is_its_end() -> None:
    assert await told("port", "port", "network", None) == ["port", "network", None]
    assert await told(None) == []
    assert await told(None, "port", None) == ["port", None]


@pytest.mark.parametrize(
    ("discovery", "why"),
    [
        (DiscoverySettings(Mode.QUIET, ("127.0.0.1",)), "its discovery is quiet"),
        (DiscoverySettings(Mode.OFF, ("127.0.0.1",)), "its discovery is off"),
        (DiscoverySettings(Mode.NORMAL, NOWHERE), "no interface of a local network is up"),
        (DiscoverySettings(Mode.NORMAL, ("127.0.0.1",)), None),
    ],
)
async def test_a_code_is_shown_with_why_it_finds_nobody(
    tmp_path: Path, discovery: DiscoverySettings, why: str | None
) -> None:
    create_vault(tmp_path, "ada", "home")
    host = "127.0.0.1" if discovery.interfaces != NOWHERE else ""
    async with open_node(NodeSettings(tmp_path, host, 0, discovery)) as node:
        await trio.testing.wait_all_tasks_blocked(0.1)
        async with node.pair(admin=False) as session:
            shown = await session.events.receive()
    assert isinstance(shown, CodeShown)
    assert why in shown.hidden if why else shown.hidden is None
