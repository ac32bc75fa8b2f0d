"""Quarantine where a device does not keep everything: a record may be missing for two reasons."""

from harness.late import isolate, meet, quarantined, reach, revoke
from harness.pairs import only, world_of
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.io import Report
from p2pvault.protocol.reconcile import Verdict


def test_what_builds_on_a_refused_entry_waits_where_another_collection_is_not_kept() -> None:
    """The record is not here because what made it is refused, and not for want of interest."""
    world, (ada, bob, cyd) = world_of(3)
    forget(world, "photos")
    isolate(world, ada, bob, cyd)
    world.put(cyd, "notes/late", late=1)
    meet(world, bob, cyd)
    world.put(bob, "notes/late", on_top=1)
    revoke(world, ada, cyd)
    bob.disk_full = True
    meet(world, ada, bob)
    assert quarantined(ada) == [("cyd", 1), ("bob", 1)], "bob cannot state anything"
    bob.disk_full = False
    reach(world, ada, bob)
    world.pass_time(120)
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL
    assert world.value(ada, "notes/late") == {"late": 1, "on_top": 1}
    said = {each.event for party in (ada, bob) for each in only(Report, party.trace)}
    assert said.isdisjoint({"content_differs", "record_damaged", "repair_begun"})


def test_what_builds_on_a_record_that_was_not_kept_here_does_not_wait_for_what_is_refused() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(bob, "photos/one", n=1)
    world.pass_time(5)
    forget(world, "photos")
    isolate(world, ada, bob, cyd)
    world.put(cyd, "notes/late", late=1)
    meet(world, bob, cyd)
    world.put(bob, "photos/one", more=1)
    revoke(world, ada, cyd)
    world.ask(ada, lambda n: asks.KeepRequested(n, "photos"))
    bob.disk_full = True
    meet(world, ada, bob)
    assert quarantined(ada) == [("cyd", 1)], "bob cannot state anything"
    bob.disk_full = False
    reach(world, ada, bob)
    world.pass_time(120)
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL
    assert world.value(ada, "photos/one") == {"n": 1, "more": 1}


def forget(world: World, collection: str) -> None:
    world.ask(world.parties[0], lambda n: asks.ForgetRequested(n, collection, anyway=False))
