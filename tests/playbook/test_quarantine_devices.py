"""Quarantine between devices: what is said on links, what never stalls, and local requests."""

from random import Random

import pytest

from harness.late import (
    isolate,
    keep_apart,
    late_world,
    meet,
    meet_mute,
    quarantined,
    reach,
    revoke,
    settle_quarantine,
)
from harness.pairs import entries_of, is_gone, link_of, say, world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World, put
from p2pvault.core import asks, holding, sweep
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link
from p2pvault.errors import AmbiguousDevice, CrdtError, NoSuchDevice, Refused, RevokedDevice
from p2pvault.limits import DEVICE_PREFIX_DIGITS_MIN, KIB, RETRY_S, UNACKNOWLEDGED_BYTES_MAX
from p2pvault.node.status import problems
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Instant


def with_late_entries() -> tuple[World, Party, Party, Party]:
    """Return ada and bob, linked, and cyd, who was removed; ada keeps entries of cyd apart."""
    world, (ada, bob, cyd) = world_of(3)
    world.put(cyd, "notes/shared", text="before")
    isolate(world, ada, cyd)
    isolate(world, bob, cyd)
    world.put(cyd, "notes/shared", late=1)
    world.put(cyd, "notes/new", text="late")
    revoke(world, ada, cyd)
    world.run()
    say(world, bob, ada, (Kind.ENTRIES, encode_entries(entries_of(cyd)[-2:])))
    world.run()
    assert quarantined(ada) == [("cyd", 2), ("cyd", 3)]
    return world, ada, bob, cyd


def refusals(link: Link) -> dict[str, int]:
    return {author.hex()[:4]: n for author, n in link.peer.refused.items()}


# On links ------------------------------------------------------------------------------------


def test_a_refusal_is_told_to_everybody_at_once_and_first_thing_on_a_new_link() -> None:
    world, ada, bob, cyd = with_late_entries()
    expected = {cyd.device.pipeline.author.hex()[:4]: 3}
    assert refusals(link_of(bob, ada)) == expected
    world.restart(ada)
    world.pass_time(5)
    assert refusals(link_of(bob, ada)) == expected
    assert [report.fields["entries"] for report in ada.reported("entries_quarantined")] == [2]
    assert ada.verdict(bob) is Verdict.EQUAL
    assert ada.device.pipeline.durable.journals == bob.device.pipeline.durable.journals


def test_what_a_peer_refuses_is_not_sent_to_it_again() -> None:
    """Bob took late entries and cannot say so; ada, who dropped them, hears of them no more."""
    world, (ada, bob, _, _) = late_world()
    keep_apart(world, ada, bob)
    kept = ada.store.quarantine()
    reach(world, ada, bob)
    world.until(lambda: ada.linked(bob) and bob.linked(ada))
    link = link_of(bob, ada)
    world.until(lambda: link.peer.content is not None)
    assert [link.peer.refused[row.author] >= row.n for row in kept] == [True] * len(kept)
    for stored in bob.store.entries(0, 1 << 40):
        if (stored.author, stored.n) in {(row.author, row.n) for row in kept}:
            assert not link.peer.lacks(stored)


def test_refused_entries_beyond_the_window_hold_nothing_else_back() -> None:
    """Bob has more late entries than may be in flight, and other things to tell behind them.

    His disk is full, so he cannot say that he took them: nothing but the refusal settles them.
    """
    world, (ada, bob, cyd) = world_of(3)
    isolate(world, ada, bob, cyd)
    reach(world, bob, cyd)
    for number in range(2 * UNACKNOWLEDGED_BYTES_MAX // (240 * KIB)):
        world.edit(cyd, put(f"late/{number}", blob=Random(number).randbytes(240 * KIB)))
    world.pass_time(5)
    late = entries_of(cyd)
    assert sum(map(len, late)) > UNACKNOWLEDGED_BYTES_MAX + 1_024 * KIB
    world.put(bob, "notes/own", text="behind all that")
    isolate(world, bob, cyd)
    revoke(world, ada, cyd)
    bob.disk_full = True
    reach(world, ada, bob)
    world.pass_time(4)
    assert len(quarantined(ada)) == len(late)
    assert world.values(ada) != world.values(bob)
    assert world.value(ada, "notes/own") == {"text": "behind all that"}
    assert link_of(bob, ada).peer.in_flight_bytes == link_of(ada, bob).inbound.size == 0
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.APART
    bob.disk_full = False
    world.pass_time(60)
    assert quarantined(ada) == []
    assert world.values(ada) == world.values(bob)
    assert ada.verdict(bob) is Verdict.EQUAL


def test_marks_are_lifted_on_new_links() -> None:
    """What ada dropped before bob could say that he had taken it comes back from bob."""
    world, (ada, bob, _, _) = late_world()
    keep_apart(world, ada, bob)
    dropped = settle_quarantine(world, ada, repeat=False)
    assert dropped.settled == 4
    assert quarantined(ada) == []
    meet(world, ada, bob, 60)
    assert world.value(ada, "notes/shared") == {"text": "before", "late": 1, "on_top": 1}
    assert world.values(ada) == world.values(bob)
    assert ada.verdict(bob) is Verdict.EQUAL
    assert ada.device.pipeline.durable.quarantine.marks == {}


def test_local_edits_come_in_between_while_many_entries_are_released(monkeypatch) -> None:
    # Several rounds of releasing, with a few entries instead of a thousand.
    monkeypatch.setattr(sweep, "RELEASE_ENTRIES_MAX", 2)
    world, (ada, bob, cyd) = world_of(3)
    isolate(world, ada, bob, cyd)
    for number in range(20):
        world.put(cyd, f"notes/{number}", n=number)
    reach(world, bob, cyd)
    world.pass_time(30)
    isolate(world, bob, cyd)
    revoke(world, ada, cyd)
    meet_mute(world, ada, bob)
    assert len(quarantined(ada)) == 20
    ada.trace.clear()
    reach(world, ada, bob)
    world.until(lambda: len(quarantined(ada)) < 20)
    world.edit(ada, put("notes/mine", a=1))
    world.until(lambda: world.value(ada, "notes/mine") is not None)
    assert quarantined(ada) != []
    world.pass_time(60)
    assert quarantined(ada) == []
    assert world.values(ada) == world.values(bob)


def test_what_had_no_room_comes_again_and_frees_what_was_built_on_it(monkeypatch) -> None:
    # A full quarantine, with kilobytes instead of 64 MiB.
    monkeypatch.setattr(holding, "QUARANTINE_BYTES_MAX", 4 * KIB)
    world, (ada, bob, cyd) = world_of(3)
    isolate(world, ada, bob, cyd)
    reach(world, bob, cyd)
    world.put(cyd, "notes/large", blob=Random(0).randbytes(8 * KIB))
    world.pass_time(5)
    world.put(bob, "notes/large", on_top=1)
    world.put(bob, "notes/own", blob=Random(1).randbytes(8 * KIB))
    isolate(world, bob, cyd)
    revoke(world, ada, cyd)
    bob.disk_full = True
    meet(world, ada, bob)
    assert quarantined(ada) == [("bob", 1)]
    world.put(ada, "notes/unrelated", a=1)
    assert quarantined(ada) == [("bob", 1)]
    bob.disk_full = False
    meet(world, ada, bob, 60)
    assert quarantined(ada) == []
    assert world.values(ada) == world.values(bob)
    assert world.value(ada, "notes/own") is not None
    assert ada.reported("link_failed") == []


def test_a_full_disk_delays_the_release() -> None:
    world, (ada, bob, _, _) = late_world()
    reach(world, ada, bob)
    world.until(lambda: bool(quarantined(ada)))
    ada.disk_full = True
    world.pass_time(3 * RETRY_S)
    assert len(quarantined(ada)) >= 1
    assert 1 <= len(ada.reported("release_failed")) <= 4
    ada.disk_full = False
    world.pass_time(60)
    assert quarantined(ada) == []
    assert world.values(ada) == world.values(bob)


@pytest.mark.heavy
def test_a_crash_after_any_effect_of_refusing_and_releasing_loses_nothing() -> None:
    for crash_after in range(1, 60, 5):
        world, (ada, bob, cyd, _) = late_world("crash")
        ada.crash_at = ada.effects_done + crash_after
        meet(world, ada, bob)
        world.heal()
        world.pass_time(120)
        for party in (ada, bob, cyd):
            assert quarantined(party) == [], crash_after
            assert world.value(party, "notes/own") == {"text": "bob's"}
            assert party.device.pipeline.durable.digest == ada.device.pipeline.durable.digest


def test_an_entry_that_the_engine_refuses_is_not_tried_again_for_ever() -> None:
    _, (ada, *_) = world_of(2)
    rounds = ada.device._sweep
    rounds._pending = 1
    (report,) = rounds.failed(Instant(5.0, 0), CrdtError("no record"))
    assert (report.event, report.fields["reason"]) == ("release_failed", "crdt")
    assert rounds.retry_at == float("inf")


def test_a_message_of_refusals_that_is_none_ends_the_link() -> None:
    world, (ada, bob) = world_of(2)
    assert is_gone(say(world, ada, bob, (Kind.REFUSED, b"\xc1"))) is False
    world.run()
    assert bob.reported("link_failed")[-1].fields["reason"] == "malformed"


def test_status_says_that_something_is_there_until_it_is_settled() -> None:
    world, ada, bob, _ = with_late_entries()
    (problem,) = problems(ada.device)
    assert problem.code == "quarantined"
    assert problem.message == "2 late entries in quarantine, not in the vault, by cyd"
    assert problems(bob.device) == []
    settle_quarantine(world, ada, repeat=False)
    assert problems(ada.device) == []


# What the person decides ------------------------------------------------------------------------


def test_accepted_effects_reach_everybody() -> None:
    world, ada, bob, cyd = with_late_entries()
    settled = settle_quarantine(world, ada, "cyd", repeat=True)
    assert [edited.path for edited in settled.edited] == ["notes/shared", "notes/new"]
    assert (settled.settled, settled.left) == (2, 0)
    for party in (ada, bob):
        assert world.value(party, "notes/shared") == {"text": "before", "late": 1}
        assert world.value(party, "notes/new") == {"text": "late"}
    assert quarantined(ada) == []
    say(world, bob, ada, (Kind.ENTRIES, encode_entries(entries_of(cyd)[-2:])))
    world.run()
    assert quarantined(ada) == [], "it was settled, and does not come back"
    assert [change.device for change in ada.published[-2:]] == [ada.id, ada.id]


def test_dropped_entries_stay_dropped_over_restarts() -> None:
    world, ada, bob, cyd = with_late_entries()
    beginning = cyd.id.hex()[:DEVICE_PREFIX_DIGITS_MIN]
    assert settle_quarantine(world, ada, beginning, repeat=False).settled == 2
    world.restart(ada)
    world.pass_time(5)
    say(world, bob, ada, (Kind.ENTRIES, encode_entries(entries_of(cyd)[-2:])))
    world.run()
    assert quarantined(ada) == []
    assert world.value(ada, "notes/new") is None


def test_requests_that_mean_nothing_are_refused() -> None:
    world, ada, bob, cyd = with_late_entries()
    for nobody in ("bob", cyd.id.hex()[: DEVICE_PREFIX_DIGITS_MIN - 1]):
        with pytest.raises(NoSuchDevice):
            settle_quarantine(world, ada, nobody, repeat=True)
    with pytest.raises(Refused, match="nothing is in quarantine"):
        settle_quarantine(world, bob, repeat=True)
    with pytest.raises(RevokedDevice):
        settle_as_removed(world, ada, bob)
    assert quarantined(ada) == [("cyd", 2), ("cyd", 3)]


def test_a_name_that_several_devices_had_is_refused() -> None:
    world, (ada, bob, cyd, dan) = world_of(4)
    for party in (cyd, dan):
        world.ask(ada, lambda number, it=party: asks.RenameRequested(number, it.id.hex(), "phone"))
    isolate(world, ada, cyd, dan)
    isolate(world, bob, cyd, dan)
    world.mend()
    world.offline(cyd)
    world.offline(dan)
    for party in (cyd, dan):
        world.put(party, f"notes/{party.name}", a=1)
    for party in (cyd, dan):
        world.ask(ada, lambda number, it=party: asks.RevokeRequested(number, it.id.hex()))
    for party in (cyd, dan):
        say(world, bob, ada, (Kind.ENTRIES, encode_entries(entries_of(party)[-1:])))
    world.run()
    assert len(quarantined(ada)) == 2
    with pytest.raises(AmbiguousDevice):
        settle_quarantine(world, ada, "phone", repeat=False)
    assert settle_quarantine(world, ada, dan.id.hex(), repeat=False).settled == 1


def settle_as_removed(world: World, ada: Party, bob: Party) -> None:
    """Let bob learn that he is removed, and try to settle something."""
    revoke(world, ada, bob)
    world.run()
    settle_quarantine(world, bob, repeat=True)


def test_nothing_late_means_no_refusals_and_equality() -> None:
    world, parties = world_of(3)
    world.put(parties[2], "notes/one", a=1)
    assert_proved(world)
    assert all(refusals(link) == {} for party in parties for link in party.device.links.up())
