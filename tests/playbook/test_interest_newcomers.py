"""A device that comes new brings what others forgot, where a log still had it; nobody complains.

Who keeps a collection again may lack what no member holds any more. That all agreed on it counts
for those who were there: entries that nobody applies any more may lie in a log for whoever is next.
"""

import pytest

from harness.pairs import effects_of, link_of, only, world_of
from harness.party import Party
from harness.proofs import assert_proved, rest
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.core.interest import AGREED, INTEREST, interest_of
from p2pvault.limits import BACKOFF_MAX_S, IDLE_S, UPKEEP_PAUSE_S

_ALARMS = ("content_differs", "repair_begun", "record_damaged")


def forget(world: World, party: Party, *, anyway: bool = True) -> None:
    world.ask(party, lambda n: asks.ForgetRequested(n, "notes", anyway))


def keep(world: World, party: Party) -> None:
    world.ask(party, lambda n: asks.KeepRequested(n, "notes"))


def agreed(party: Party) -> frozenset[str]:
    return party.device.pipeline.durable.interest.agreed


def partial(party: Party) -> frozenset[str]:
    return party.device.pipeline.durable.interest.partial


def assert_well(world: World) -> None:
    rest(world, 2 * BACKOFF_MAX_S)
    assert_proved(world)
    complaints = [(p.name, each) for p in world.parties for each in _ALARMS if p.reported(each)]
    assert not complaints
    assert not [party.name for party in world.parties if partial(party)]


def test_what_its_only_holder_forgot_comes_back_with_a_new_device() -> None:
    world, (ada, bob) = world_of(2)
    forget(world, ada)
    world.put(bob, "notes/one", text="a")
    forget(world, bob)
    keep(world, bob)
    world.pass_time(IDLE_S)
    assert partial(bob) == frozenset(), "nobody has more, as far as bob can know"
    cyd = world.join("cyd", bob)
    keep(world, ada)
    assert_well(world)
    for party in (ada, bob, cyd):
        assert world.value(party, "notes/one") == {"text": "a"}


def test_so_does_what_a_device_forgot_that_was_alone() -> None:
    world = World()
    ada = world.found("ada")
    world.put(ada, "notes/one", text="a")
    forget(world, ada)
    keep(world, ada)
    bob = world.join("bob", ada)
    assert_well(world)
    assert world.value(ada, "notes/one") == world.value(bob, "notes/one") == {"text": "a"}


def two_that_keep_what_nobody_has(*paths: str) -> tuple[World, Party, Party, Party]:
    """Return a world in which ada's log alone has what bob and cyd keep, and ada does not."""
    world, (ada, bob, cyd) = world_of(3)
    forget(world, ada)
    forget(world, cyd)
    for path in paths or ("notes/one",):
        world.put(bob, path, text="a")
    forget(world, bob)
    keep(world, bob)
    keep(world, cyd)
    world.pass_time(IDLE_S)
    assert agreed(bob) == agreed(cyd) == {"notes"}
    return world, ada, bob, cyd


@pytest.mark.parametrize("sponsor", [0, 1, 2])
def test_all_that_agreed_may_lack_it_when_somebody_joins(sponsor: int) -> None:
    world, *parties = two_that_keep_what_nobody_has()
    world.join("dan", parties[sponsor])
    keep(world, parties[0])
    assert_well(world)
    for party in world.parties:
        assert world.value(party, "notes/one") == {"text": "a"}


@pytest.mark.parametrize("sponsor", [0, 1])
def test_one_that_hears_of_it_late_may_lack_it_too(sponsor: int) -> None:
    world, *parties, cyd = two_that_keep_what_nobody_has()
    world.offline(cyd)
    world.join("dan", parties[sponsor])
    world.pass_time(IDLE_S)
    world.online(cyd)
    keep(world, parties[0])
    assert_well(world)
    for party in world.parties:
        assert world.value(party, "notes/one") == {"text": "a"}


def test_one_that_hears_of_it_late_may_lack_it_whoever_tells_it() -> None:
    world, ada, bob, cyd = two_that_keep_what_nobody_has()
    world.offline(cyd)
    dan = world.join("dan", ada)
    world.pass_time(IDLE_S)
    assert world.value(bob, "notes/one") == {"text": "a"}
    world.offline(dan)
    world.offline(ada)
    world.online(cyd)
    world.pass_time(IDLE_S)
    assert world.value(cyd, "notes/one") == {"text": "a"}
    world.online(dan)
    world.online(ada)
    keep(world, ada)
    assert_well(world)


def test_whom_one_vouched_for_that_only_agreed_may_lack_it_too() -> None:
    world, (ada, bob, cyd) = world_of(3)
    forget(world, ada)
    forget(world, cyd)
    world.put(bob, "notes/one", text="a")
    forget(world, bob)
    keep(world, bob)
    world.pass_time(IDLE_S)
    world.offline(ada)
    keep(world, cyd)
    world.pass_time(IDLE_S)
    assert partial(cyd) == frozenset(), "bob vouches, and ada is not asked"
    world.online(ada)
    world.pass_time(BACKOFF_MAX_S)
    world.join("dan", ada)
    keep(world, ada)
    assert_well(world)
    for party in world.parties:
        assert world.value(party, "notes/one") == {"text": "a"}


def test_one_that_does_not_know_yet_who_joined_vouches_for_nothing() -> None:
    world, ada, bob, cyd = two_that_keep_what_nobody_has()
    world.part(ada, cyd)
    dan = world.join("dan", ada)
    world.offline(dan)
    world.pass_time(1)
    assert link_of(cyd, bob).interests.theirs.partial == {"notes"}, "said at once"
    world.pass_time(IDLE_S)
    assert partial(bob) == partial(cyd) == {"notes"}
    world.online(dan)
    world.mend()
    keep(world, ada)
    assert_well(world)
    assert agreed(dan) == frozenset(), "dan got all of it, and vouches"
    assert agreed(bob) == agreed(cyd) == {"notes"}, "for all they know, dan only agreed"


def test_who_brings_nothing_agrees_with_the_others() -> None:
    world, ada, bob, cyd = two_that_keep_what_nobody_has("notes/one", "notes/two")
    world.pass_time(4 * UPKEEP_PAUSE_S)
    dan = world.join("dan", ada)
    assert_well(world)
    assert [world.values(party) for party in world.parties] == [{}] * 4
    assert agreed(bob) == agreed(cyd) == agreed(dan) == {"notes"}
    world.offline(dan)
    forget(world, bob, anyway=False)
    assert agreed(cyd) == {"notes"}, "cyd vouches again"


def test_that_something_may_be_missing_is_durable_with_who_joins() -> None:
    world, ada, bob, _ = two_that_keep_what_nobody_has()
    bob.trace.clear()
    world.join("dan", ada)
    world.pass_time(IDLE_S)
    batches = [each.batch for each in only(io.Persist, effects_of(bob)) if each.batch.operations]
    assert [batch.meta.get(AGREED, b"") for batch in batches] == [None]
    assert interest_of(batches[0].meta).partial == {"notes"}


def test_who_knows_of_a_second_newcomer_vouches_for_nothing_yet() -> None:
    """Bob's disk takes the admission of the first one, and not yet that of the second."""
    world, (ada, bob) = world_of(2)
    forget(world, bob)
    keep(world, bob)
    world.pass_time(IDLE_S)
    bob.disk_full = True
    for name in ("cyd", "dan"):
        world.join(name, ada)
        world.pass_time(1)
    members, refused = bob.device.members, len(bob.reported("persist_failed"))
    known = len(members.durable.operations)
    bob.disk_full = False
    world.until(lambda: len(members.durable.operations) == known + 1)
    bob.disk_full = True
    world.until(lambda: len(bob.reported("persist_failed")) > refused)
    bob.disk_full = False
    world.ask(ada, lambda n: asks.ForgetRequested(n, "trips", anyway=True))
    assert agreed(bob) == {"notes"}, "ada vouches"
    assert len(members.durable.operations) == known + 1, "dan is not durable"
    assert link_of(bob, ada).interests.ours.partial == {"notes"}
    assert_well(world)


def test_nothing_is_in_doubt_where_somebody_is_only_renamed() -> None:
    world, ada, bob, _ = two_that_keep_what_nobody_has()
    bob.trace.clear()
    world.ask(ada, lambda n: asks.RenameRequested(n, "ada", "anna"))
    world.pass_time(IDLE_S)
    batches = [each.batch for each in only(io.Persist, effects_of(bob)) if each.batch.operations]
    assert batches
    assert not any(INTEREST in batch.meta for batch in batches)
    assert agreed(bob) == {"notes"}


def test_what_was_agreed_on_outlives_a_crash_and_goes_with_the_collection() -> None:
    world, _, bob, _ = two_that_keep_what_nobody_has()
    world.restart(bob)
    assert agreed(bob) == {"notes"}
    forget(world, bob)
    assert agreed(bob) == frozenset()
    world.restart(bob)
    assert agreed(bob) == frozenset()
