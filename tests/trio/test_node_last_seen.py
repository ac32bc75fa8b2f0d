"""When a peer was last seen, as `status` says it, whatever becomes of clocks and daemons."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.nodes import founded, pair, settings, where
from p2pvault.core.asks import Edit
from p2pvault.node.clock import Clock
from p2pvault.node.running import RunningNode, open_node

DAY_S = 86_400.0


@dataclass
class Hands:
    """A wall clock that somebody sets, and a machine that sleeps."""

    wall_s: float = 1_790_000_000.0
    asleep_s: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_s, lambda: self.asleep_s)


def edit(path: str, **fields: object) -> Edit:
    return Edit(path, tuple(((name,), value) for name, value in fields.items()))


@asynccontextmanager
async def linked(tmp_path: Path, hands: Hands) -> AsyncIterator[tuple[RunningNode, RunningNode]]:
    """Run two nodes that are proved the same; the second one has a clock that is set by hand."""
    async with founded(tmp_path / "ada") as ada:
        await pair(ada, tmp_path / "bob", "bob")
        async with open_node(settings(tmp_path / "bob"), hands.clock()) as bob:
            await bob.add_address("ada", where(ada))
            await bob.wait_synced("ada")
            yield ada, bob


async def last_seen(node: RunningNode) -> float | None:
    (peer,) = (await node.status()).peers
    return None if peer.last_seen_ms is None else peer.last_seen_ms / 1000


async def test_a_restart_forgets_nothing_of_when_a_peer_was_seen(tmp_path: Path) -> None:
    hands = Hands()
    async with linked(tmp_path, hands) as (ada, bob):
        hands.wall_s += DAY_S
        await ada.edit([edit("notes/one", text="a")])
        await ada.wait_synced("bob")
        await bob.wait_synced("ada")
    async with open_node(settings(tmp_path / "bob"), hands.clock()) as bob:
        assert await last_seen(bob) == hands.wall_s


async def test_setting_the_clock_changes_nothing_of_how_long_ago_a_peer_was_seen(
    tmp_path: Path,
) -> None:
    hands = Hands()
    async with linked(tmp_path, hands) as (_, bob):
        for set_by_s in (-DAY_S, 3_650 * DAY_S):
            hands.wall_s += set_by_s
            seen = await last_seen(bob)
            assert seen is not None
            assert 0 <= hands.wall_s - seen < 60


async def test_while_the_machine_sleeps_what_was_seen_and_proved_grows_old(tmp_path: Path) -> None:
    hands = Hands()
    async with linked(tmp_path, hands) as (_, bob):
        hands.wall_s += DAY_S
        hands.asleep_s += DAY_S
        (peer,) = (await bob.status()).peers
        assert peer.proved_s is not None
        assert peer.last_seen_ms is not None
        assert peer.proved_s >= DAY_S
        assert hands.wall_s - peer.last_seen_ms / 1000 >= DAY_S
