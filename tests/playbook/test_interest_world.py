"""Devices that do not keep everything: what they hold, what they say, and how they get it back."""

import pytest

from harness.entropy import seeded
from harness.party import Party
from harness.proofs import assert_no_number_twice
from harness.world import World, put
from p2pvault.core import asks
from p2pvault.errors import NotKept, OnlyHere, Refused
from p2pvault.limits import HEADERS_PATIENCE_S, IDLE_S, KIB, UPKEEP_PAUSE_S
from p2pvault.protocol.journal import outside_of
from p2pvault.protocol.reconcile import Verdict


def forget(world: World, party: Party, collection: str, *, anyway: bool = False) -> object:
    return world.ask(party, lambda n: asks.ForgetRequested(n, collection, anyway))


def keep(world: World, party: Party, collection: str) -> object:
    return world.ask(party, lambda n: asks.KeepRequested(n, collection))


def interest(party: Party) -> tuple[set[str], set[str]]:
    kept = party.device.pipeline.durable.interest
    return set(kept.forgotten), set(kept.partial)


def paths(party: Party) -> set[str]:
    rows = party.store.rows(None, None, 1000) + party.store.rows(None, None, 1000, deleted=True)
    return {f"{row.collection}/{row.name}" for row in rows}


def entries(party: Party) -> list[tuple[str, ...]]:
    """Return what each entry in the log leaves out."""
    return [outside_of(entry.data) for entry in party.store.entries(0, 1 << 40)]


def without(party: Party, other: Party) -> set[str]:
    return set(party.device.book[other.id].without)


def equal(*parties: Party) -> bool:
    pairs = [(one, other) for one in parties for other in parties if one is not other]
    return all(one.verdict(other) is Verdict.EQUAL for one, other in pairs)


def three(seed: int = 0, *, shuffled: bool = False) -> tuple[World, Party, Party, Party]:
    """Return two devices that keep everything and a phone that keeps contacts."""
    world = World(seed, shuffled=shuffled)
    ada = world.found("ada")
    world.put(ada, "contacts/eve", phone="1")
    world.put(ada, "notes/one", text="a")
    world.put(ada, "notes/two", text="b")
    bob, phone = world.join("bob", ada), world.join("phone", ada)
    world.pass_time(10)
    assert equal(ada, bob, phone)
    forget(world, phone, "notes")
    world.pass_time(1)
    return world, ada, bob, phone


def test_what_is_forgotten_is_gone_from_the_disk_and_the_rest_is_proved() -> None:
    _, ada, bob, phone = three()
    assert interest(phone) == ({"notes"}, set())
    assert paths(phone) == {"contacts/eve"}
    assert phone.device.pipeline.durable.interest.erasing == {}
    assert all(each.total == 0 for each in phone.store.collections() if each.collection == "notes")
    assert sorted(set(entries(phone))) == [(), ("notes",)]
    assert equal(ada, bob, phone)
    assert without(ada, phone) == without(phone, ada) == {"notes"}
    assert without(ada, bob) == set()


def test_edits_outside_of_the_interest_come_as_headers() -> None:
    world, ada, bob, phone = three()
    world.put(ada, "notes/three", text="c")
    world.put(bob, "contacts/dan", phone="2")
    world.put(phone, "contacts/eve", phone="3")
    world.pass_time(1)
    assert equal(ada, bob, phone)
    assert paths(phone) == {"contacts/eve", "contacts/dan"}
    assert entries(phone)[-3:] == [("notes",), (), ()]
    assert world.value(ada, "contacts/eve") == world.value(bob, "contacts/eve") == {"phone": "3"}
    assert ada.device.pipeline.durable.journals == phone.device.pipeline.durable.journals


def test_a_commit_over_both_is_applied_in_part() -> None:
    world, ada, bob, phone = three()
    edits = (
        asks.Edit("notes/one", ((("text",), "x"),)),
        asks.Edit("notes/new", ((("text",), "x"),)),
        asks.Edit("contacts/eve", ((("phone",), "9"),)),
    )
    world.ask(ada, lambda n: asks.EditRequested(n, edits))
    world.pass_time(IDLE_S)
    assert equal(ada, bob, phone)
    assert world.value(phone, "contacts/eve") == {"phone": "9"}
    assert paths(phone) == {"contacts/eve"}
    assert not phone.reported("record_damaged")


def test_what_is_not_kept_cannot_be_written() -> None:
    world, _, _, phone = three()
    with pytest.raises(NotKept):
        world.put(phone, "notes/four", text="d")
    with pytest.raises(NotKept):
        world.put(phone, "notes/one", text="d")


@pytest.mark.parametrize("shuffled", [False, True])
def test_turning_a_collection_on_fetches_it(shuffled: bool) -> None:
    world, ada, bob, phone = three(shuffled=shuffled)
    world.put(ada, "notes/three", text="c")
    world.ask(bob, lambda n: asks.EditRequested(n, (asks.Edit("notes/two", remove=True),)))
    world.pass_time(3 * UPKEEP_PAUSE_S)
    keep(world, phone, "notes")
    world.pass_time(2 * IDLE_S)
    assert interest(phone) == (set(), set())
    assert equal(ada, bob, phone)
    assert without(phone, ada) == set()
    assert world.values(phone, deleted=True) == world.values(ada, deleted=True)
    for party in (ada, bob, phone):
        for event in ("content_differs", "record_damaged", "repair_begun"):
            assert not party.reported(event), (party.name, event)
    assert phone.device.book[ada.id].repaired == phone.device.book[bob.id].repaired == 0


def test_what_all_hold_or_know_of_is_dropped_from_the_log_and_can_be_fetched_after() -> None:
    world, ada, bob, phone = three()
    world.put(bob, "notes/three", text="c")
    world.pass_time(4 * UPKEEP_PAUSE_S)
    assert entries(ada) == entries(bob) == [(), ()], "the last one of each journal stays"
    assert entries(phone) == [("notes",), ("notes",)]
    keep(world, phone, "notes")
    world.pass_time(2 * IDLE_S)
    assert equal(ada, bob, phone)
    assert world.values(phone) == world.values(ada)


def test_nothing_is_forgotten_that_nobody_else_is_proved_to_hold() -> None:
    world = World()
    ada = world.found("ada")
    world.put(ada, "notes/one", text="a")
    with pytest.raises(OnlyHere):
        forget(world, ada, "notes")
    bob = world.join("bob", ada)
    world.pass_time(IDLE_S)
    world.offline(bob)
    world.put(ada, "notes/one", text="b")
    with pytest.raises(OnlyHere):
        forget(world, ada, "notes")
    assert interest(ada) == (set(), set())
    assert "notes/one" in paths(ada)
    world.heal()
    world.pass_time(700)
    forget(world, bob, "notes")
    with pytest.raises(OnlyHere):
        forget(world, ada, "notes")
    assert world.value(ada, "notes/one") == {"text": "b"}


def test_what_was_never_here_is_forgotten_without_a_witness() -> None:
    world = World()
    ada = world.found("ada")
    forget(world, ada, "typo")
    assert interest(ada)[0] == {"typo"}
    keep(world, ada, "typo")
    assert interest(ada) == (set(), set())


def test_what_is_being_written_is_not_forgotten_for_never_having_been_here() -> None:
    world = World()
    ada = world.found("ada")
    world.give(ada, asks.EditRequested(901, (put("notes/one", text="a"),)))
    world.give(ada, asks.ForgetRequested(902, "notes"))
    world.run()
    assert isinstance(ada.answers[902], OnlyHere)
    assert paths(ada) == {"notes/one"}


def test_two_that_forget_at_the_same_time_both_keep_it() -> None:
    world = World()
    ada = world.found("ada")
    world.put(ada, "notes/one", text="a")
    bob = world.join("bob", ada)
    world.pass_time(IDLE_S)
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.give(bob, asks.ForgetRequested(902, "notes"))
    world.pass_time(IDLE_S)
    assert isinstance(ada.answers[901], OnlyHere)
    assert isinstance(bob.answers[902], OnlyHere)
    assert paths(ada) == paths(bob) == {"notes/one"}
    assert equal(ada, bob)


def test_whoever_insists_forgets_and_what_was_not_sent_yet_still_goes_out() -> None:
    world = World()
    ada = world.found("ada")
    bob = world.join("bob", ada)
    world.pass_time(IDLE_S)
    world.offline(bob)
    world.put(ada, "notes/one", text="a")
    forget(world, ada, "notes", anyway=True)
    world.pass_time(1)
    assert paths(ada) == set()
    world.heal()
    world.pass_time(700)
    assert equal(ada, bob)
    assert world.value(bob, "notes/one") == {"text": "a"}


def test_a_phone_passes_on_what_it_has_where_the_author_is_away() -> None:
    world, ada, bob, phone = three()
    world.offline(bob)
    world.put(ada, "notes/three", text="c")
    world.put(phone, "contacts/eve", phone="7")
    world.pass_time(IDLE_S)
    world.part(ada, bob)
    world.online(bob)
    world.pass_time(HEADERS_PATIENCE_S - 5)
    assert world.value(bob, "contacts/eve") == {"phone": "1"}
    world.pass_time(4 * IDLE_S)
    assert world.value(bob, "contacts/eve") == {"phone": "7"}
    assert interest(bob) == (set(), {"notes"})
    assert bob.verdict(phone) is Verdict.EQUAL
    world.mend()
    world.heal()
    world.pass_time(700)
    assert interest(bob) == (set(), set())
    assert equal(ada, bob, phone)
    assert world.values(ada) == world.values(bob)
    assert not ada.reported("content_differs")
    assert not bob.reported("content_differs")


def test_a_device_that_gets_its_records_from_a_phone_knows_that_some_are_missing() -> None:
    world, ada, bob, phone = three()
    world.pass_time(4 * UPKEEP_PAUSE_S)
    assert entries(phone) == [("notes",)], "the last one of the journal stays"
    dan = world.join("dan", ada)
    world.offline(ada)
    world.offline(bob)
    world.pass_time(2 * IDLE_S)
    assert paths(dan) == {"contacts/eve"}
    assert interest(dan) == (set(), {"notes"})
    world.heal()
    world.pass_time(700)
    assert equal(ada, bob, dan)
    assert interest(dan) == (set(), set())
    assert world.values(dan) == world.values(ada)


def test_a_device_that_gets_nothing_from_a_phone_knows_that_all_is_missing() -> None:
    world, ada, bob, phone = three()
    forget(world, phone, "contacts")
    world.pass_time(4 * UPKEEP_PAUSE_S)
    dan = world.join("dan", ada)
    world.offline(ada)
    world.offline(bob)
    world.pass_time(2 * IDLE_S)
    assert paths(dan) == set()
    assert interest(dan) == (set(), {"contacts", "notes"})
    world.heal()
    world.pass_time(700)
    assert world.values(dan) == world.values(ada)


def test_peers_are_told_of_a_collection_that_nobody_has_written_yet() -> None:
    world, ada, bob, phone = three()
    forget(world, phone, "photos")
    world.pass_time(1)
    assert without(ada, phone) == without(bob, phone) == {"notes", "photos"}
    assert equal(ada, bob, phone)
    keep(world, phone, "photos")
    world.pass_time(1)
    assert without(ada, phone) == {"notes"}
    assert interest(phone) == ({"notes"}, set())


def test_a_device_that_turns_from_a_phone_to_another_one_half_way_misses_nothing() -> None:
    world, ada, bob, phone = three()
    for number in range(12):
        blob = seeded(number)(240 * KIB)
        world.put(ada, f"contacts/large{number}", blob=blob)
    world.pass_time(5 * UPKEEP_PAUSE_S)
    assert entries(ada) == entries(phone) == [()], "the last one of the journal stays"
    dan = world.join("dan", ada)
    for other in (ada, bob):
        world.part(dan, other)
    world.until(lambda: dan.device.pipeline.durable.fetching is not None)
    world.part(dan, phone)
    world.mend()
    world.part(dan, phone)
    world.heal()
    world.pass_time(700)
    assert equal(ada, bob, dan)
    assert world.values(dan) == world.values(ada)
    assert interest(dan) == (set(), set())
    assert not dan.reported("content_differs")


@pytest.mark.heavy
def test_a_crash_at_every_effect_of_forgetting_loses_nothing() -> None:
    for crash_at in range(1, 40):
        world, ada, _, phone = three()
        keep(world, phone, "notes")
        world.pass_time(IDLE_S)
        phone.crash_at = phone.effects_done + crash_at
        world.give(phone, asks.ForgetRequested(999, "notes"))
        world.pass_time(2 * IDLE_S)
        forgotten, partial = interest(phone)
        assert partial == set()
        assert paths(phone) == ({"contacts/eve"} if forgotten else paths(ada)), crash_at
        assert equal(ada, phone)


def test_a_full_disk_stops_the_erasing_and_not_the_device() -> None:
    world, ada, _, phone = three()
    keep(world, phone, "notes")
    world.pass_time(IDLE_S)
    phone.disk_full = True
    with pytest.raises(Exception, match="full"):
        forget(world, phone, "notes")
    phone.disk_full = False
    forget(world, phone, "notes")
    phone.disk_full = True
    world.pass_time(IDLE_S)
    phone.disk_full = False
    world.put(phone, "contacts/eve", phone="5")
    world.pass_time(IDLE_S)
    assert paths(phone) == {"contacts/eve"}
    assert equal(ada, phone)


def test_numbers_are_used_once() -> None:
    world, *_ = three()
    assert_no_number_twice(world)


def test_one_request_at_a_time_about_a_collection() -> None:
    world = World()
    ada = world.found("ada")
    world.put(ada, "notes/one", text="a")
    world.join("bob", ada)
    world.pass_time(IDLE_S)
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.give(ada, asks.ForgetRequested(902, "notes"))
    world.give(ada, asks.KeepRequested(903, "notes"))
    world.pass_time(1)
    assert ada.answers[901] == ()
    assert isinstance(ada.answers[902], Refused)
    assert isinstance(ada.answers[903], Refused)
