"""Quarantine where a device does not keep everything: a record may be missing for two reasons."""

from harness.late import isolate, meet, meet_mute, quarantined, reach, revoke
from harness.pairs import only, world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.io import Report
from p2pvault.protocol.reconcile import Verdict


def with_a_refused_entry(path: str, **fields: object) -> tuple[World, Party, Party]:
    """Return ada, who keeps no photos and removed cyd; and bob, who had a late entry of cyd.

    After that bob has written fields of a record.
    """
    world, (ada, bob, cyd) = world_of(3)
    world.put(bob, "photos/one", n=1)
    world.pass_time(5)
    world.ask(ada, lambda n: asks.ForgetRequested(n, "photos", anyway=False))
    isolate(world, ada, bob, cyd)
    world.put(cyd, "notes/late", late=1)
    meet(world, bob, cyd)
    world.put(bob, path, **fields)
    revoke(world, ada, cyd)
    return world, ada, bob


def test_what_builds_on_a_refused_entry_waits_where_another_collection_is_not_kept() -> None:
    """The record is not here because what made it is refused, and not for want of interest."""
    world, ada, bob = with_a_refused_entry("notes/late", on_top=1)
    meet_mute(world, ada, bob)
    assert quarantined(ada) == [("cyd", 1), ("bob", 2)], "bob cannot state anything"
    reach(world, ada, bob)
    world.pass_time(120)
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL
    assert world.value(ada, "notes/late") == {"late": 1, "on_top": 1}
    said = {each.event for party in (ada, bob) for each in only(Report, party.trace)}
    assert said.isdisjoint({"content_differs", "record_damaged", "repair_begun"})


def test_what_builds_on_a_record_that_was_not_kept_here_does_not_wait_for_what_is_refused() -> None:
    world, ada, bob = with_a_refused_entry("photos/one", more=1)
    world.ask(ada, lambda n: asks.KeepRequested(n, "photos"))
    meet_mute(world, ada, bob)
    assert quarantined(ada) == [("cyd", 1)], "bob cannot state anything"
    reach(world, ada, bob)
    world.pass_time(120)
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL
    assert world.value(ada, "photos/one") == {"n": 1, "more": 1}
