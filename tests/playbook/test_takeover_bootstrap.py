"""A backup that was made in the middle of a bootstrap, or of a device whose entries are gone."""

import pytest

from harness.entropy import seeded
from harness.memory_store import MemoryStore
from harness.party import Party
from harness.proofs import are_same
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.content import FETCHING
from p2pvault.core.recovering import RECOVERY_SEED
from p2pvault.core.takeover import Takeover, take_over_store
from p2pvault.limits import KIB, UPKEEP_PAUSE_S
from p2pvault.node.takeover import carried

LARGE = 40
"""Records of 200 KiB: two windows of snapshots."""


def filled() -> tuple[World, Party, bytes]:
    """Return a world of one device that keeps none of its entries, and the seed of its key."""
    world = World("takeover")
    ada = world.found("ada")
    for number in range(LARGE):
        world.put(ada, f"large/{number}", blob=seeded(number)(200 * KIB))
    world.pass_time(3 * UPKEEP_PAUSE_S)
    assert ada.store.state().bases
    return world, ada, ada.store.state().meta[RECOVERY_SEED]


def succeed(world: World, backup: MemoryStore, seed: bytes, **more: bool) -> Party:
    store, state = MemoryStore(), backup.state()
    wanted = Takeover(seed, "new", **more)  # type: ignore[arg-type]
    made = take_over_store(state, world.now, seeded("new"), "computer", wanted)
    store.persist(made.batch)
    for _ in carried(backup, state, store.persist):
        pass
    return world.seat("new", store)


def test_records_whose_entries_nobody_keeps_come_along_and_go_on_to_others() -> None:
    world, ada, seed = filled()
    world.offline(ada)
    new = succeed(world, world.copy(ada), seed)
    assert world.values(new) == world.values(ada)
    bob = world.join("bob", new)
    world.put(new, "notes/after", text="x")
    world.pass_time(600)
    assert are_same(world, new, bob)
    assert len(world.values(bob)) == LARGE + 1


@pytest.mark.parametrize("alive", [True, False])
def test_a_backup_from_the_middle_of_a_fetch_goes_on_where_somebody_has_the_rest(
    *, alive: bool
) -> None:
    world, ada, seed = filled()
    cyd = world.join("cyd", ada)
    world.pass_time(60)
    bob = world.join("bob", ada)
    world.until(lambda: bob.device.pipeline.durable.records >= LARGE // 4)
    backup = world.copy(bob)
    assert FETCHING in backup.state().meta
    held = backup.count()
    assert held < LARGE
    world.offline(bob)
    new = succeed(world, backup, seed, alive=alive)
    assert len(world.values(new)) == held
    world.put(new, "notes/after", text="x")
    world.pass_time(1_200)
    assert are_same(world, new, ada, cyd)
    assert len(world.values(new)) == LARGE + 1
    assert new.device.pipeline.durable.fetching is None


def test_a_device_whose_source_is_removed_half_way_can_give_what_it_has_to_others() -> None:
    world, ada, seed = filled()
    bob = world.join("bob", ada)
    world.until(lambda: bob.device.pipeline.durable.records >= LARGE // 4)
    world.offline(ada)
    world.ask(bob, lambda r: asks.RecoveryRequested(r, seed, all_others=True))
    world.put(bob, "notes/after", text="x")
    cyd = world.join("cyd", bob)
    world.pass_time(1_200)
    assert are_same(world, bob, cyd)
    assert LARGE // 4 < len(world.values(cyd)) < LARGE


def test_with_nobody_left_what_had_come_is_given_on_and_the_rest_given_up() -> None:
    world, ada, seed = filled()
    bob = world.join("bob", ada)
    world.until(lambda: bob.device.pipeline.durable.records >= LARGE // 4)
    backup = world.copy(bob)
    world.offline(bob)
    world.offline(ada)
    new = succeed(world, backup, seed, all_others=True)
    world.put(new, "notes/after", text="x")
    world.pass_time(1_200)
    cyd = world.join("cyd", new)
    world.pass_time(1_200)
    assert are_same(world, new, cyd)
    assert world.value(cyd, "notes/after") == {"text": "x"}
    assert new.reported("snapshots_given_up")
