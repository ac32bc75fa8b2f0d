"""Late entries of a removed device, in every order of who meets whom: all accept the same.

Ada removed dan. Bob took late entries of dan and built on them. Cyd knows of nothing.
"""

import itertools
from random import Random

import pytest

from harness.damage import held, roll_back
from harness.damage import settle as write_fingerprints
from harness.late import keep_apart, late_world, meet, quarantined, reach
from harness.party import Party
from harness.proofs import assert_no_number_twice, settle
from harness.world import World
from p2pvault.core.content import content_of
from p2pvault.core.members import members_of
from p2pvault.core.quarantine import REFUSED, Mark
from p2pvault.crdt.chunk import split
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import AuthorId, Batch, EntryHash, JournalHead

pytestmark = pytest.mark.heavy

PAIRS = [(0, 1), (0, 2), (1, 2)]
EVERYTHING = {
    "notes/shared": {"text": "before", "late": 1, "on_top": 1},
    "notes/new": {"text": "late"},
    "notes/own": {"text": "bob's"},
}


def assert_accepted_by_all(world: World, parties: list[Party]) -> None:
    for party in parties:
        assert {path: world.value(party, path) for path in EVERYTHING} == EVERYTHING, party.name
        assert quarantined(party) == [], party.name
        assert party.device.pipeline.durable.quarantine.marks == {}, party.name
        assert not party.reported("content_differs")
        assert not party.reported("record_damaged")
    for one, other in itertools.permutations(parties, 2):
        assert one.verdict(other) is Verdict.EQUAL, (one.name, other.name)
    assert_no_number_twice(world)


@pytest.mark.parametrize("order", list(itertools.permutations(PAIRS)), ids=str)
@pytest.mark.parametrize("victim", [None, 0, 1, 2])
def test_a33_whoever_meets_first_all_accept_what_one_accepted(order, victim) -> None:
    world, parties = late_world((order, victim))
    members = list(parties[:3])
    for one, other in order:
        meet(world, members[one], members[other])
        if victim is not None:
            world.restart(members[victim])
            world.run()
    settle(world, members)
    assert_accepted_by_all(world, members)
    ids = {party.id.hex() for party in members}
    failed = [report for party in members for report in party.reported("link_failed")]
    assert not any(report.fields.get("device") in ids for report in failed)


def meet_for_some_steps(world: World, members: list[Party], random: Random) -> list[Party]:
    """Let two of them reach each other, and stop at any step; return which."""
    one, other = random.sample(members, 2)
    reach(world, one, other)
    for _ in range(random.randrange(400)):
        if not world.step():
            world.pass_time(1)
    return [one, other]


@pytest.mark.parametrize("seed", range(40))
def test_meetings_cut_short_at_any_step_and_crashes_change_nothing(seed: int) -> None:
    world, parties = late_world(seed, shuffled=True)
    members = list(parties[:3])
    random = world._random
    assert random is not None
    for _ in range(8):
        one, other = meet_for_some_steps(world, members, random)
        if random.random() < 0.4:
            world.restart(random.choice(members))
        world.part(one, other)
    settle(world, members)
    assert_accepted_by_all(world, members)


@pytest.mark.parametrize("seed", range(12))
def test_a_store_that_lost_changes_without_a_trace_stands_still_for_nobody(seed: int) -> None:
    world, parties = late_world(("lost", seed), shuffled=True)
    members = list(parties[:3])
    random = world._random
    assert random is not None
    victim, *others = members
    refused = refuse_for_good(world, victim, parties[3])
    for number in range(8):
        one, other = meet_for_some_steps(world, members, random)
        world.put(random.choice(others), "notes/shared", edits=number)
        if random.random() < 0.4:
            lose_change(victim)
            world.restart(victim)
        world.part(one, other)
    settle(world, members)
    for party in members:
        assert world.values(party) == world.values(victim)
        assert world.value(party, "notes/own") == EVERYTHING["notes/own"]
        assert quarantined(party) == [], party.name
    assert victim.device.pipeline.durable.quarantine.marks.keys() == {refused}
    for one, other in itertools.permutations(members, 2):
        assert one.verdict(other) is Verdict.EQUAL, (one.name, other.name)


def refuse_for_good(world: World, party: Party, removed: Party) -> AuthorId:
    """Let a device have refused a whole journal that nobody accepts, and have dropped it."""
    author = AuthorId(bytes(16))
    mark = Mark(removed.id, JournalHead(author, 1, EntryHash(bytes(32))))
    party.store.persist(Batch(meta={REFUSED + author.hex(): mark.to_bytes()}))
    world.restart(party)
    return author


def lose_change(party: Party) -> None:
    """Lose the last change of a record that has several, with the index as it was before it."""
    if len(split(b"".join(held(party.store, "notes/shared").chunks))) > 1:
        roll_back(party.store, "notes/shared")
        write_fingerprints(party.store, fingerprint_key(party.device.members.vault))


def test_while_nothing_is_stated_it_waits_and_blocks_nothing() -> None:
    world, (ada, bob, _, dan) = late_world()
    keep_apart(world, ada, bob)
    assert [name for name, _ in quarantined(ada)] == ["dan", "dan", "bob", "bob"]
    assert world.value(ada, "notes/shared") == {"text": "before"}
    assert dan.id in ada.device.members.membership.removed
    settle(world)
    assert quarantined(ada) == []


@pytest.mark.parametrize("seed", range(12))
def test_a_crash_at_any_step_leaves_no_entry_that_counts_by_what_it_took_back(seed: int) -> None:
    """Else the device would hold more than anybody stated, and repeat it as its own."""
    world, parties = late_world(seed, shuffled=True)
    members = list(parties[:3])
    for one, other in PAIRS:
        reach(world, members[one], members[other])
    looked_at: dict[str, tuple[int, int]] = {}
    while world.step():
        for party in members:
            state = party.store.state()
            stage = (len(state.operations), state.last_arrival)
            if looked_at.get(party.name) != stage:
                looked_at[party.name] = stage
                assert beyond(party) == [], party.name
    settle(world, members)
    assert_accepted_by_all(world, members)


def beyond(party: Party) -> list[tuple[str, int]]:
    """Return the journals of which a store holds more than counts by what is in that store."""
    state = party.store.state()
    known = members_of(party.device.members.keys, state.operations, state.meta)
    if known.membership.owing.get(party.id):
        return []
    devices, bound = content_of(state).devices, known.membership.acceptance
    last = [(head, bound(devices[head.author], head.author)) for head in state.journals]
    return [(head.author.hex(), head.n) for head, n in last if n is not None and head.n > n]
