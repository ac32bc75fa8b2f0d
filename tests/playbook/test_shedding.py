"""What a device holds of a removed one, and a copy of it said in its name that it does not hold."""

import pytest

from harness.damage import held, loaded, spoiled
from harness.pairs import world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.limits import BACKOFF_MAX_S, RUNS_TWICE_S
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Doubt


def spoken_for() -> tuple[World, Party, Party, Party]:
    """Return a world where a copy of ada spoke about cyd, of whom ada alone holds the last edits.

    ada builds on one of them. It is offline, and has not heard of anything.
    """
    world, (ada, bob, cyd) = world_of(3)
    world.put(cyd, "notes/early", n=1)
    twin = world.clone(ada, "twin", Doubt.COPIED)
    world.offline(twin)
    world.offline(bob)
    world.put(cyd, "notes/late", by="cyd")
    world.put(cyd, "notes/later", by="cyd")
    world.offline(cyd)
    world.put(ada, "notes/late", more="ada")
    world.offline(ada)
    world.online(bob)
    world.online(twin)
    world.pass_time(RUNS_TWICE_S + BACKOFF_MAX_S)
    world.ask(bob, lambda request: asks.RevokeRequested(request, "cyd"))
    assert not twin.device.members.membership.is_member(cyd.id)
    world.offline(twin)
    return world, ada, bob, cyd


def assert_shed(world: World, ada: Party, bob: Party) -> None:
    assert bob.verdict(ada) is ada.verdict(bob) is Verdict.EQUAL
    assert world.values(ada) == world.values(bob)
    late = {"notes/early": {"n": 1}, "notes/late": {"by": "cyd", "more": "ada"}}
    late["notes/later"] = {"by": "cyd"}
    assert {path: world.value(bob, path) for path in late} == late


def test_edits_that_count_nowhere_any_more_are_repeated_and_go_to_all() -> None:
    world, ada, bob, _ = spoken_for()
    world.online(ada)
    world.pass_time(RUNS_TWICE_S + 2 * BACKOFF_MAX_S)
    assert ada.reported("fork_mended")
    assert_shed(world, ada, bob)


@pytest.mark.parametrize("crash_after", range(0, 40, 8))
def test_a_crash_on_the_way_loses_none_of_them(crash_after: int) -> None:
    world, ada, bob, _ = spoken_for()
    world.online(ada)
    world.until(lambda: ada.linked(bob))
    ada.crash_at = ada.effects_done + crash_after
    world.pass_time(RUNS_TWICE_S + 2 * BACKOFF_MAX_S)
    assert_shed(world, ada, bob)


def test_a_device_that_nobody_else_is_left_with_repeats_them_beside_a_damaged_record() -> None:
    world, (ada, bob) = world_of(2)
    world.put(bob, "notes/old", n=1)
    twin = world.clone(ada, "twin", Doubt.COPIED)
    world.offline(twin)
    world.put(bob, "notes/old", n=2)
    world.put(bob, "notes/late", by="bob")
    world.offline(bob)
    world.put(ada, "notes/late", more="ada")
    ada.store.damage(spoiled(held(ada.store, "notes/old"), 0))
    world.restart(ada)
    world.ask(twin, lambda request: asks.RevokeRequested(request, "bob"))
    said = [each.data for each in twin.store.state().operations]
    assert ada.device.members.learn(said).operations
    world.give(ada, io.NetworkChanged((ada.address,)))
    world.run()
    assert ada.device.members.others == ()
    assert ada.reported("fork_mended")
    assert loaded(held(ada.store, "notes/late")).value() == {"by": "bob", "more": "ada"}


def test_what_the_device_itself_said_is_never_shed() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.offline(bob)
    world.put(cyd, "notes/late", by="cyd")
    world.offline(cyd)
    world.offline(ada)
    world.online(bob)
    world.ask(bob, lambda request: asks.RevokeRequested(request, "cyd"))
    world.online(ada)
    world.pass_time(2 * BACKOFF_MAX_S)
    assert ada.verdict(bob) is Verdict.EQUAL
    assert not ada.reported("fork_mended")
    assert world.value(bob, "notes/late") == {"by": "cyd"}
