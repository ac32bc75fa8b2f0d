"""A fetch that comes to no end: what is written goes out all the same, and nothing is lost."""

from dataclasses import replace

import pytest

from harness.entropy import seeded
from harness.pairs import link_of, say, world_of
from harness.party import Party
from harness.proofs import assert_proved, settle
from harness.world import World
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Supply
from p2pvault.limits import (
    BACKOFF_MAX_S,
    FETCH_PATIENCE_S,
    FETCH_PROGRESS_BYTES,
    KIB,
    LINK_AGE_MAX_S,
    UPKEEP_PAUSE_S,
)
from p2pvault.node.status import problems
from p2pvault.protocol.bootstrap import Cut, encode_cut
from p2pvault.protocol.reconcile import Have, Verdict, encode_have
from p2pvault.protocol.snapshot import RecordSnapshot, encode_snapshots
from p2pvault.types import EntryHash, Role

LARGE = 40


def codes(party: Party) -> list[str]:
    return [problem.code for problem in problems(party.device)]


def lacking(party: Party) -> set[str]:
    return set(party.device.pipeline.durable.interest.partial)


def made_up(party: Party, liar: Party) -> Cut:
    """Return what a party holds, with more of the liar's journals than there is."""
    return tuple(
        replace(each, n=each.n + 100, hash=EntryHash(b"q" * 32)) if each.device == liar.id else each
        for each in party.device.pipeline.durable.cut
    )


def one_record(party: Party) -> RecordSnapshot:
    (stored,) = party.store.records([party.store.rows(None, None, 1)[0].id])
    return RecordSnapshot(stored.row.id, stored.row.heads, b"".join(stored.chunks))


def lie(world: World, liar: Party, to: Party, *records: RecordSnapshot) -> None:
    """Have a liar say that it holds more than it hands out."""
    cut = made_up(to, liar)
    said = [
        (Kind.HAVE, encode_have(Have(tuple(each.head for each in cut), b"c" * 32))),
        (Kind.BEHIND, encode_cut(cut)),
    ]
    said += [(Kind.SNAPSHOTS, body) for body in encode_snapshots(records)]
    say(world, liar, to, *said)


def lied_to(*, silent: bool = True) -> tuple[World, Party, Party, Party]:
    """Return a world in which ada has got one record, and waits for what does not exist."""
    world, (ada, bob, cyd) = world_of(3)
    for party in (ada, bob, cyd):
        world.put(party, f"notes/{party.name}", n=1)
    world.pass_time(20)
    if silent:
        bob.device.handle = lambda now, given: []
    link_of(bob, ada).supply = Supply(withdrawn=True)
    lie(world, bob, ada, one_record(ada))
    world.run()
    assert ada.device.pipeline.durable.fetching is not None
    return world, ada, bob, cyd


def check_sends(world: World, ada: Party, cyd: Party) -> None:
    world.put(ada, "notes/after", n=1)
    world.pass_time(5)
    assert ada.verdict(cyd) is Verdict.EQUAL
    assert world.value(cyd, "notes/after") == {"n": 1}
    assert codes(ada) == codes(cyd) == []
    assert not cyd.reported("link_failed")


def test_a_source_that_hangs_up_in_the_middle_stops_nobody_from_sending() -> None:
    world, ada, bob, cyd = lied_to()
    world.offline(bob)
    world.put(ada, "notes/ada", n=2)
    assert codes(ada) == ["fetch_stranded"]
    assert codes(cyd) == []
    world.pass_time(FETCH_PATIENCE_S - 60)
    assert world.value(cyd, "notes/ada") == {"n": 1}, "it may come back"
    world.pass_time(120)
    assert world.value(cyd, "notes/ada") == {"n": 2}
    assert len(ada.reported("snapshots_given_up")) == 1
    assert ada.device.pipeline.durable.fetching is None
    check_sends(world, ada, cyd)
    world.restart(ada)
    world.pass_time(20)
    check_sends(world, ada, cyd)


def test_a_source_that_stays_and_is_silent_stops_nobody_for_long() -> None:
    world, ada, bob, cyd = lied_to(silent=False)
    world.part(bob, cyd)
    world.put(ada, "notes/ada", n=2)
    world.pass_time(FETCH_PATIENCE_S + 60)
    assert world.value(cyd, "notes/ada") == {"n": 1}
    assert [r.fields["reason"] for r in ada.reported("link_failed")] == ["unexpected"]
    world.pass_time(FETCH_PATIENCE_S)
    assert world.value(cyd, "notes/ada") == {"n": 2}
    assert ada.device.pipeline.durable.fetching is None
    # It does the same again at once, and is not believed.
    link_of(bob, ada).supply = Supply(withdrawn=True)
    lie(world, bob, ada, *[])
    world.run()
    assert link_of(ada, bob).id in ada.device.fetch._offers
    assert ada.device.fetch.source is None
    check_sends(world, ada, cyd)


def bootstrapping(*, also: bool) -> tuple[World, Party, Party, Party]:
    """Return a world in which cyd has got half of what ada holds; bob has all of it if `also`.

    What ada wrote last is nowhere else.
    """
    world = World("stalled")
    ada = world.found("ada")
    for number in range(LARGE):
        world.put(ada, f"large/{number}", blob=seeded(number)(200 * KIB))
    world.pass_time(3 * UPKEEP_PAUSE_S)
    bob = world.join("bob", ada)
    world.pass_time(20)
    assert_proved(world)
    if not also:
        world.offline(bob)
    cyd = world.join("cyd", ada, Role.ADMIN)
    world.part(bob, cyd)
    world.until(lambda: cyd.device.pipeline.durable.records >= LARGE // 2)
    assert cyd.device.pipeline.durable.fetching is not None
    return world, ada, bob, cyd


@pytest.mark.heavy
def test_a_new_device_whose_only_source_is_away_waits_for_it_as_long_as_it_takes() -> None:
    world, ada, _, cyd = bootstrapping(also=False)
    world.offline(ada)
    world.pass_time(30 * 86_400.0, wakes_max=10**6)
    assert cyd.device.pipeline.durable.fetching is not None
    assert cyd.reported("snapshots_given_up") == []
    world.online(ada)
    world.pass_time(2 * BACKOFF_MAX_S)
    assert cyd.verdict(ada) is Verdict.EQUAL
    settle(world)
    assert_proved(world)


def test_what_only_a_lost_source_had_does_not_keep_the_others_apart() -> None:
    """Its journal is taken as far as its records came, and the rest when it comes back."""
    world, ada, bob, cyd = bootstrapping(also=False)
    dan = world.join("dan", cyd)
    world.part(ada, dan)
    world.part(bob, dan)
    world.offline(ada)
    edited = next(row for row in cyd.store.rows(None, None, 99) if row.collection == "large")
    path = f"large/{edited.name}"
    world.put(cyd, path, more=1)
    world.pass_time(FETCH_PATIENCE_S / 2)
    assert world.values(dan) == {}
    world.pass_time(FETCH_PATIENCE_S)
    assert len(cyd.reported("snapshots_given_up")) == 1
    assert cyd.verdict(dan) is dan.verdict(cyd) is Verdict.EQUAL
    assert world.values(dan) == world.values(cyd)
    assert world.value(dan, path)["more"] == 1
    assert lacking(cyd) == lacking(dan) == {"large"}, "neither vouches for what may be missing"
    settle(world)
    world.pass_time(LINK_AGE_MAX_S)
    assert_proved(world)
    assert len(world.values(dan)) == LARGE
    assert lacking(cyd) == lacking(dan) == set()
    for party in (ada, cyd, dan):
        assert party.reported("content_differs") == party.reported("repair_begun") == []


def test_another_source_is_asked_where_one_is_silent() -> None:
    world, ada, bob, cyd = bootstrapping(also=True)
    world.mend()
    world.until(lambda: cyd.linked(bob))
    ada.device.handle = lambda now, given: []
    world.pass_time(60)
    # As if its heart still beat.
    link = link_of(cyd, ada)
    for _ in range(int(FETCH_PATIENCE_S) // 30 + 3):
        link.last_heard = world.now.monotonic
        world.pass_time(30)
    assert cyd.device.pipeline.durable.fetching is None
    assert cyd.verdict(bob) is Verdict.EQUAL
    assert cyd.reported("snapshots_given_up") == []


def test_a_fetch_that_gets_on_slowly_is_waited_for() -> None:
    world, ada, _, cyd = bootstrapping(also=False)
    dan = world.join("dan", cyd)
    world.part(ada, dan)
    world.until(lambda: cyd.device.fetch.source == ada.id and cyd.linked(dan))
    link_of(cyd, dan).peer.content = bytes(32)
    request = cyd.device.fetch._request
    for _ in range(5):
        world.now = replace(world.now, monotonic=world.now.monotonic + FETCH_PATIENCE_S - 1)
        request.taken_bytes += FETCH_PROGRESS_BYTES
        cyd.device.fetch.arm(world.now)
        assert cyd.device.fetch.wake(world.now) == []
    cyd.device.fetch.arm(replace(world.now, monotonic=world.now.monotonic + FETCH_PATIENCE_S))
    assert cyd.device.fetch.wake_at < float("inf"), "dan waits"


@pytest.mark.parametrize("crash_after", range(1, 12))
def test_a_crash_while_a_cut_is_given_up_loses_nothing(crash_after: int) -> None:
    world, ada, bob, cyd = lied_to()
    world.offline(bob)
    world.put(ada, "notes/ada", n=2)
    world.until(lambda: bool(ada.reported("snapshots_given_up")))
    ada.crash_at = ada.effects_done + crash_after
    world.pass_time(3 * FETCH_PATIENCE_S)
    assert ada.device.pipeline.durable.fetching is None
    assert world.value(cyd, "notes/ada") == {"n": 2}
    check_sends(world, ada, cyd)
