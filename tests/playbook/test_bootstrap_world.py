"""Devices that lack entries which nobody keeps: they get records instead, and end up equal."""

import pytest

from harness.entropy import seeded
from harness.pairs import effects_of, entries_of, link_of, only
from harness.party import Party
from harness.proofs import assert_proved, settle
from harness.world import World, put
from p2pvault.core import asks
from p2pvault.core.asks import Edit, EditRequested
from p2pvault.core.io import LoadEntries, Persist, Write
from p2pvault.core.link import Phase
from p2pvault.core.loads import LoadSnapshots
from p2pvault.limits import BACKOFF_MAX_S, KIB, UPKEEP_PAUSE_S
from p2pvault.node.status import collections_view
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Batch, LinkId

LARGE = 40
"""Records of 200 KiB: two windows, so that a cut wire always ends a fetch half way."""


def filled(*, large: int = 0, small: int = 12) -> tuple[World, Party]:
    """Return a world of one device that keeps no entry of what it wrote."""
    world = World("bootstrap")
    ada = world.found("ada")
    for number in range(small):
        world.put(ada, f"notes/{number}", n=number, text="x" * 50)
    for number in range(large):
        world.put(ada, f"large/{number}", blob=seeded(number)(200 * KIB))
    world.put(ada, "notes/0", n="again")
    world.ask(ada, lambda request: EditRequested(request, (Edit("notes/1", remove=True),)))
    drop_all(world)
    assert entries_of(ada) == []
    return world, ada


def drop_all(world: World) -> None:
    """Let time pass until every entry that may go has gone."""
    world.pass_time(3 * UPKEEP_PAUSE_S)


def loads(party: Party, kind: type) -> list:
    return only(kind, effects_of(party))


def fetching_since(world: World, party: Party, records: int) -> None:
    """Go on until some records of a cut are durable, and no further."""
    world.until(lambda: party.device.pipeline.durable.records >= records)
    assert party.device.pipeline.durable.fetching is not None


def test_a_new_device_gets_records_where_no_entry_is_kept():
    world, ada = filled()
    bob = world.join("bob", ada)
    world.pass_time(5)
    assert_proved(world)
    assert loads(ada, LoadEntries) == []
    assert bob.reported("snapshots_fetched")
    assert bob.device.pipeline.durable.fetching is None
    assert len(world.values(bob, deleted=True)) == 12
    for party in (bob, ada):
        world.put(party, f"notes/after {party.name}", n=1)
        world.put(party, "notes/0", **{party.name: 2})
        assert_proved(world)
    assert loads(ada, LoadSnapshots)[-1].after is not None, "records were asked for once"


def test_a_device_that_lacks_nothing_that_is_dropped_gets_entries_as_ever():
    world, ada = filled()
    bob = world.join("bob", ada)
    world.pass_time(5)
    world.offline(bob)
    ada.trace.clear()
    world.put(ada, "notes/0", n="later")
    world.online(bob)
    world.pass_time(5)
    assert_proved(world)
    assert loads(ada, LoadSnapshots) == []


def test_entries_stay_until_the_slowest_member_has_them():
    world, ada = filled()
    bob = world.join("bob", ada)
    cyd = world.join("cyd", ada)
    world.pass_time(5)
    world.offline(cyd)
    held = len(entries_of(ada))
    for number in range(5):
        world.put(ada, f"notes/late {number}", n=number)
    drop_all(world)
    assert len(entries_of(ada)) == held + 5
    assert len(entries_of(bob)) == 5
    for party in (ada, bob):
        world.restart(party)
    drop_all(world)
    assert len(entries_of(ada)) == held + 5, "what cyd said is known after a restart, too"
    cyd.trace.clear()
    world.online(cyd)
    world.pass_time(BACKOFF_MAX_S)
    assert_proved(world)
    assert not cyd.reported("snapshots_wanted") or len(cyd.reported("snapshots_wanted")) == 1
    drop_all(world)
    assert [len(entries_of(party)) for party in (ada, bob, cyd)] == [1, 1, 1], "the last one stays"


def test_a_removed_device_holds_nothing_back():
    world, ada = filled()
    bob = world.join("bob", ada)
    world.pass_time(5)
    world.offline(bob)
    world.put(ada, "notes/late", n=1)
    drop_all(world)
    assert len(entries_of(ada)) == 1
    world.ask(ada, lambda request: asks.RevokeRequested(request, "bob"))
    world.put(ada, "notes/later", n=1)
    drop_all(world)
    assert entries_of(ada) == []


def test_a_device_that_was_never_linked_holds_everything_back():
    world = World("never")
    ada = world.found("ada")
    bob = world.join("bob", ada)
    world.offline(bob)
    world.put(ada, "notes/one", n=1)
    drop_all(world)
    assert len(entries_of(ada)) == 1
    assert_equal_after(world)


def assert_equal_after(world: World) -> None:
    settle(world)
    assert_proved(world)


def test_more_than_a_window_of_records_arrives_piece_by_piece():
    world, ada = filled(large=LARGE)
    bob = world.join("bob", ada)
    world.pass_time(5)
    assert_proved(world)
    asked = loads(ada, LoadSnapshots)
    assert len(asked) > 4
    assert [load.after for load in asked] == sorted(
        (load.after for load in asked), key=lambda after: after or b""
    )
    (link,) = bob.device.links.up()
    assert link.inbound.size == 0


def test_a_fetch_goes_on_where_it_was_after_a_crash():
    world, ada = filled(large=LARGE)
    bob = world.join("bob", ada)
    fetching_since(world, bob, 16)
    after = bob.device.pipeline.durable.fetching.after
    world.restart(bob)
    assert bob.device.pipeline.durable.fetching.after == after
    ada.trace.clear()
    settle(world)
    assert_proved(world)
    assert loads(ada, LoadSnapshots)[0].after == after


def test_nothing_is_called_equal_while_records_are_fetched():
    world, ada = filled(large=LARGE)
    bob = world.join("bob", ada)
    seen = set()
    while bob.device.pipeline.durable.fetching is None:
        world.step()
    while bob.device.pipeline.durable.fetching is not None:
        seen |= {bob.verdict(ada), ada.verdict(bob)}
        assert not any(each.whole for each in collections_view(bob.device))
        world.step()
    assert seen <= {Verdict.APART, None}
    settle(world)
    assert_proved(world)
    assert [each.whole for each in collections_view(bob.device)] == [True, True]


def test_two_new_devices_with_different_parts_of_the_records_are_no_contradiction():
    world, ada = filled(large=LARGE)
    bob, cyd = world.join("bob", ada), world.join("cyd", ada)
    world.part(ada, bob)
    world.part(ada, cyd)
    world.pass_time(100)
    assert {bob.verdict(cyd), cyd.verdict(bob)} == {Verdict.EQUAL}, "both hold nothing"
    world.mend()
    world.part(ada, cyd)
    world.online(bob)
    fetching_since(world, bob, 16)
    world.part(ada, bob)
    world.pass_time(100)
    assert bob.device.pipeline.durable.fetching is not None
    assert {bob.verdict(cyd), cyd.verdict(bob)} == {Verdict.APART}
    settle(world)
    assert_proved(world)
    assert not any(party.reported("content_differs") for party in world.parties)


def two() -> tuple[World, Party, Party]:
    """Return a world where ada and bob hold all, and keep no entry."""
    world, ada = filled(large=LARGE)
    bob = world.join("bob", ada)
    world.pass_time(5)
    drop_all(world)
    assert_proved(world)
    return world, ada, bob


def three() -> tuple[World, Party, Party, Party]:
    """Return the same with cyd, who is new and sees ada only."""
    world, ada, bob = two()
    cyd = world.join("cyd", ada)
    world.part(bob, cyd)
    return world, ada, bob, cyd


def test_another_device_goes_on_where_the_first_vanished():
    world, ada, bob, cyd = three()
    fetching_since(world, cyd, 16)
    world.offline(ada)
    after = cyd.device.pipeline.durable.fetching.after
    bob.trace.clear()
    world.mend()
    world.online(cyd)
    world.pass_time(10)
    assert cyd.verdict(bob) is Verdict.EQUAL
    assert loads(bob, LoadSnapshots)[0].after == after
    settle(world)
    assert_proved(world)


def test_another_device_that_has_offered_is_asked_at_once_when_the_source_is_lost():
    world, ada, bob, cyd = three()
    fetching_since(world, cyd, 16)
    ada.device.handle = lambda now, given: []
    world.mend()
    world.online(cyd)
    world.until(lambda: len(cyd.device.fetch._offers) == 1)
    assert cyd.device.fetch.source == ada.id, "there is one source at a time"
    since = world.now.monotonic
    world.part(ada, cyd)
    world.until(lambda: cyd.device.fetch.source != ada.id)
    assert (cyd.device.fetch.source, world.now.monotonic) == (bob.id, since)
    world.pass_time(10)
    assert cyd.verdict(bob) is Verdict.EQUAL


def test_another_device_that_cannot_go_on_from_a_cut_starts_with_its_own():
    world, ada, bob = two()
    world.part(ada, bob)
    world.put(ada, "notes/only ada", n=1)
    cut = ada.device.pipeline.durable.cut
    cyd = world.join("cyd", ada)
    world.part(bob, cyd)
    fetching_since(world, cyd, 16)
    assert cyd.device.pipeline.durable.fetching.cut == cut
    world.offline(ada)
    bob.trace.clear()
    world.mend()
    world.online(cyd)
    world.pass_time(10)
    fetching = cyd.device.pipeline.durable.fetching
    assert fetching.cut == (), "all that bob holds is here"
    assert fetching.ahead == cut[: len(fetching.ahead)], "and perhaps more of what ada wrote"
    assert loads(bob, LoadSnapshots)[0].after is None
    settle(world)
    assert_proved(world)
    assert cyd.device.pipeline.durable.fetching is None


@pytest.mark.parametrize("who", ["ada", "bob", "cyd"])
def test_edits_on_every_side_while_records_are_fetched(who: str):
    world, ada, bob, cyd = three()
    fetching_since(world, cyd, 16)
    parties = {party.name: party for party in (ada, bob, cyd)}
    for number in range(6):
        world.edit(parties[who], put("notes/0", **{f"f{number}": who}), put(f"notes/{who}", n=1))
        for _ in range(7):
            world.step()
    settle(world)
    assert_proved(world)
    assert world.value(cyd, "notes/0")["f5"] == who
    for party in parties.values():
        assert not party.reported("content_differs")


def test_what_is_written_on_fetched_records_reaches_nobody_who_cannot_follow():
    """A third device without these records must not get changes that follow from them."""
    world, ada, bob, cyd = three()
    dan = world.join("dan", ada)
    world.part(dan, ada)
    world.part(dan, bob)
    world.part(ada, cyd)
    world.pass_time(100)
    assert cyd.linked(dan)
    world.mend()
    for party in (ada, bob):
        world.part(dan, party)
    world.part(bob, cyd)
    world.online(cyd)
    fetching_since(world, cyd, 16)
    world.offline(ada)
    world.put(cyd, "notes/0", from_cyd=1)
    world.pass_time(100)
    assert cyd.device.pipeline.durable.fetching is not None
    assert dan.reported("link_failed") == cyd.reported("link_failed") == []
    assert link_of(cyd, dan).peer.covered == {}
    settle(world)
    assert_proved(world)
    assert dan.reported("link_failed") == []
    assert world.value(dan, "notes/0")["from_cyd"] == 1


@pytest.mark.heavy
def test_records_are_handed_out_as_of_the_cut_and_no_newer():
    world, ada = filled(large=LARGE)
    bob = world.join("bob", ada)
    fetching_since(world, bob, 16)
    last = f"large/{LARGE - 1}"
    world.edit(ada, put(last, later=1))
    world.edit(ada, put("zz/new", later=1))
    while bob.device.pipeline.durable.fetching is not None:
        assert all("later" not in value for value in world.values(bob).values())
        world.step()
    settle(world)
    assert_proved(world)
    assert world.value(bob, last)["later"] == world.value(bob, "zz/new")["later"] == 1


def test_two_devices_that_each_lack_what_the_other_dropped_hand_records_to_each_other():
    world, ada = filled(large=6)
    bob = world.join("bob", ada)
    world.pass_time(5)
    old = {party: party.store for party in (ada, bob)}
    del old
    world.offline(bob)
    for party in (ada, bob):
        world.put(party, f"notes/{party.name}", n=1)
        world.put(party, f"notes/{party.name} last", n=1)
    # Each believes that the other has what it wrote, as if both had been put back.
    for party, other in ((ada, bob), (bob, ada)):
        party.device.book.acknowledged.heard(other.id, party.device.pipeline.durable.journals)
    drop_all(world)
    assert len(entries_of(ada)) == len(entries_of(bob)) == 1
    settle(world)
    assert_proved(world)
    assert world.value(ada, "notes/bob") == world.value(bob, "notes/ada") == {"n": 1}


@pytest.mark.heavy
@pytest.mark.parametrize("victim", [0, 1])
def test_a_crash_after_any_effect_of_a_fetch_loses_nothing(victim: int):
    for crash_after in range(1, 60, 2 - victim):
        world, ada = filled(large=5, small=4)
        bob = world.join("bob", ada)
        party = (ada, bob)[victim]
        party.crash_at = party.effects_done + crash_after
        world.edit(bob, put("notes/0", bob=1))
        world.run()
        settle(world)
        assert_proved(world)
        assert len(world.values(bob)) >= 4 + 5 - 1


def test_a_cut_whose_entries_come_from_somewhere_else_is_done_with_too():
    world = World("else")
    ada = world.found("ada")
    bob = world.join("bob", ada)
    for number in range(LARGE):
        world.put(ada, f"large/{number}", blob=seeded(number)(200 * KIB))
    upto = [(head.author, head.n) for head in ada.store.state().journals]
    while dropped := ada.store.surplus(upto, None).dropped:
        ada.store.persist(Batch(dropped=dropped))
    cyd = world.join("cyd", ada)
    world.part(bob, cyd)
    fetching_since(world, cyd, 4)
    assert cyd.device.fetch.source == ada.id
    world.offline(ada)
    bob.trace.clear()
    world.mend()
    world.online(cyd)
    world.until(lambda: cyd.linked(bob))
    edits = 0
    while cyd.device.pipeline.durable.fetching is not None:
        # A batch of entries is always under way, also when the last of bob's are durable.
        world.edit(cyd, put(f"mine/{edits}", n=1))
        for _ in range(3):
            world.step()
        edits += 1
    world.pass_time(10)
    assert len([p for p in loads(cyd, Persist) if p.batch.adopted]) == 1
    assert cyd.device.fetch.source is None
    assert loads(bob, LoadSnapshots) == []
    assert cyd.verdict(bob) is Verdict.EQUAL
    settle(world)
    assert_proved(world)


def test_a_link_that_failed_is_told_and_asked_nothing_more():
    world, ada = filled(large=LARGE)
    bob = world.join("bob", ada)
    fetching_since(world, bob, 16)
    link = link_of(bob, ada)
    link.phase = Phase.CLOSED
    bob.trace.clear()
    world.run()
    assert [each for each in only(Write, effects_of(bob)) if each.link == link.id] == []
    bob.device.fetch._request = None
    assert bob.device.fetch.lost(world.now, LinkId(999)) == []
    world.offline(bob)
    settle(world)
    assert_proved(world)


def test_what_is_written_on_records_of_a_cut_that_was_left_reaches_nobody_who_cannot_follow():
    """Records of the first cut are ahead of the second, and so is what is written into them."""
    world, ada, bob = two()
    world.part(ada, bob)
    row = ada.store.index(b"", None, 1)[0]
    path = f"{row.collection}/{row.name}"
    world.put(ada, path, only="ada")
    cyd = world.join("cyd", ada)
    world.part(bob, cyd)
    fetching_since(world, cyd, 16)
    world.offline(ada)
    world.mend()
    world.part(ada, bob)
    world.part(ada, cyd)
    world.online(cyd)
    world.pass_time(10)
    assert world.value(cyd, path)["only"] == "ada"
    world.put(cyd, path, more="cyd")
    world.pass_time(100)
    for party in (bob, cyd):
        for event in ("link_failed", "content_differs", "record_damaged"):
            assert not party.reported(event), (party.name, event)
    settle(world)
    assert_proved(world)
