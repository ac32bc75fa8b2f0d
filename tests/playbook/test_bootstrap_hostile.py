"""What a member may say about snapshots and must not: its link ends, and nothing else does."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.batches import author, digest
from harness.entropy import seeded
from harness.pairs import is_gone, link_of, only, say, world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core.asks import RevokeRequested
from p2pvault.core.io import Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link, Supply
from p2pvault.limits import (
    CUTS_PER_LINK_MAX,
    INBOUND_BYTES_MAX,
    JOURNAL_ENTRIES_MAX,
    JOURNALS_PER_DEVICE_MAX,
    KIB,
)
from p2pvault.protocol.bootstrap import (
    CutHead,
    Wanted,
    encode_cut,
    encode_end,
    encode_wanted,
)
from p2pvault.protocol.reconcile import Have, Verdict, encode_have
from p2pvault.protocol.snapshot import RecordSnapshot, encode_snapshots
from p2pvault.types import AuthorId, EntryHash, RecordId


def head(party: Party, n: int = 9, by: AuthorId | None = None) -> CutHead:
    """Return a head that nobody holds, of a journal of a party's device."""
    return CutHead(by or author(1), party.id, n, EntryHash(digest(n)))


def behind(*heads: CutHead) -> tuple[Kind, bytes]:
    return Kind.BEHIND, encode_cut(tuple(sorted(heads, key=lambda each: each.author)))


def have(*heads: CutHead) -> tuple[Kind, bytes]:
    return Kind.HAVE, encode_have(Have(tuple(each.head for each in heads), digest("content")))


def offer(*heads: CutHead) -> tuple[tuple[Kind, bytes], ...]:
    """Return what a device says that holds these heads and keeps none of the entries."""
    return have(*heads), behind(*heads)


def snapshots(*records: RecordSnapshot) -> tuple[Kind, bytes]:
    (body,) = encode_snapshots(records)
    return Kind.SNAPSHOTS, body


def held(party: Party, path: str) -> RecordSnapshot:
    (row,) = party.store.find(*path.split("/"))
    (record,) = party.store.records([row.id])
    return RecordSnapshot(row.id, row.heads, b"".join(record.chunks))


def asked() -> tuple[World, Party, Party, Link]:
    """Return a world in which bob has asked ada for snapshots; ada's own device stays silent."""
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    link_of(ada, bob).supply = Supply(withdrawn=True)
    link = say(world, ada, bob, *offer(head(ada)))
    world.run()
    assert link.source
    assert not is_gone(link)
    return world, ada, bob, link


def check_alive(world: World, ada: Party, bob: Party) -> None:
    """Check that nothing came of it, and that the two go on on another link."""
    values = world.values(ada)
    assert world.values(bob) == values
    world.restart(ada)
    world.pass_time(20)
    world.put(ada, "notes/alive", n=1)
    assert_proved(world)
    assert bob.device.pipeline.durable.fetching is None
    assert bob.device.pipeline.durable.bases == {}


def test_snapshots_that_were_not_asked_for_end_the_link() -> None:
    for message in (lambda ada: snapshots(held(ada, "notes/one")), lambda _: end()):
        world, (ada, bob) = world_of(2)
        world.put(ada, "notes/one", n=1)
        link = say(world, ada, bob, message(ada))
        world.run()
        assert is_gone(link)
        check_alive(world, ada, bob)


def end() -> tuple[Kind, bytes]:
    return Kind.SNAPSHOTS_END, encode_end()


def forged(ada: Party) -> RecordSnapshot:
    """Return a record that does not lead to the heads that it is said to."""
    good = held(ada, "notes/one")
    return RecordSnapshot(RecordId(b"f" * 16), (digest("other"),), good.data)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(
            lambda ada: [snapshots(held(ada, "notes/one"), held(ada, "notes/one"))], id="twice"
        ),
        pytest.param(
            lambda ada: [snapshots(held(ada, "notes/one")), snapshots(held(ada, "notes/one"))],
            id="again",
        ),
        pytest.param(lambda ada: [snapshots(forged(ada))], id="other heads"),
        pytest.param(
            lambda ada: [snapshots(RecordSnapshot(RecordId(b"x" * 16), (digest(1),), b"no chunk"))],
            id="no chunk",
        ),
        pytest.param(lambda ada: [(Kind.SNAPSHOTS, b"\xc1")], id="no message"),
        pytest.param(lambda ada: [(Kind.SNAPSHOTS_END, b"\xc1")], id="no end"),
        pytest.param(lambda ada: [end(), snapshots(held(ada, "notes/one"))], id="behind the end"),
        pytest.param(lambda ada: [(Kind.SNAPSHOTS, piece()), end()], id="an end inside"),
        pytest.param(lambda ada: [(Kind.BEHIND, b"\xc1")], id="no cut"),
    ],
)
def test_snapshots_that_break_a_rule_end_the_link(
    messages: Callable[[Party], list[tuple[Kind, bytes]]],
) -> None:
    world, ada, bob, link = asked()
    say(world, ada, bob, *messages(ada))
    world.run()
    assert is_gone(link)
    assert bob.reported("link_failed")
    assert ada.reported("link_failed") == []
    assert world.values(bob) == world.values(ada)


def piece() -> bytes:
    """Return a message that does not complete its record."""
    large = RecordSnapshot(RecordId(b"l" * 16), (digest(1),), seeded(1)(800 * KIB))
    return next(iter(encode_snapshots([large])))


def test_a_record_by_an_author_that_the_cut_does_not_name_ends_the_link() -> None:
    world, ada, bob, link = asked()
    elsewhere = World("elsewhere")
    eve = elsewhere.found("eve")
    elsewhere.put(eve, "notes/evil", n=1)
    say(world, ada, bob, snapshots(held(eve, "notes/evil")))
    world.run()
    assert is_gone(link)
    assert bob.reported("link_failed")
    assert world.values(bob) == world.values(ada)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(
            lambda ada, bob: [CutHead(author(1), bytes(32), 9, EntryHash(digest(9)))], id="stranger"
        ),
        pytest.param(lambda ada, bob: [head(bob, by=ada.device.pipeline.author)], id="other's"),
        pytest.param(
            lambda ada, bob: [head(ada, by=author(n)) for n in range(JOURNALS_PER_DEVICE_MAX + 1)],
            id="too many",
        ),
    ],
)
def test_a_cut_that_cannot_be_is_refused(cut: Callable) -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    link = say(world, ada, bob, *offer(*cut(ada, bob)))
    world.run()
    assert is_gone(link)
    assert bob.reported("link_failed")
    assert bob.device.pipeline.durable.bases == {}


def test_a_cut_of_what_a_removed_device_wrote_too_late_is_refused() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(cyd, "notes/cyd", n=1)
    world.ask(ada, lambda request: RevokeRequested(request, "cyd"))
    world.pass_time(5)
    late = head(cyd, n=2, by=cyd.device.pipeline.author)
    link = say(world, ada, bob, *offer(late))
    world.run()
    assert is_gone(link)
    assert [r.fields["reason"] for r in bob.reported("link_failed")] == ["revoked_device"]


def test_a_peer_cannot_say_for_ever_what_it_does_not_keep() -> None:
    world, ada, bob, link = asked()
    for n in range(CUTS_PER_LINK_MAX - 1):
        say(world, ada, bob, *offer(head(ada, n=n + 10)))
        world.run()
        assert not is_gone(link)
    say(world, ada, bob, *offer(head(ada, n=99)))
    world.run()
    assert is_gone(link)
    assert bob.reported("link_failed")


def test_a_cut_that_is_held_already_is_not_asked_for() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    bob.trace.clear()
    say(world, ada, bob, (Kind.BEHIND, encode_cut(ada.device.pipeline.durable.cut)))
    world.run()
    assert only(Write, bob.trace) == []
    assert not link_of(bob, ada).source


def test_who_offered_too_and_whose_link_has_failed_is_not_asked_next() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", n=1)
    for liar in (ada, cyd):
        link_of(liar, bob).supply = Supply(withdrawn=True)
        say(world, liar, bob, *offer(head(ada)))
        world.run()
    assert bob.device.fetch.source == ada.id
    link = say(world, cyd, bob, (Kind.SNAPSHOTS, b"garbage"))
    world.part(ada, bob)
    bob.trace.clear()
    world.until(lambda: bob.device.fetch.source is None)
    assert is_gone(link)
    assert bob.device.links[link.id] is link, "its end comes later"
    world.run()
    assert bob.device.fetch.source is None
    assert [each for each in only(Write, bob.trace) if each.link == link.id] == []
    world.mend()
    check_alive(world, ada, bob)


def test_a_cut_with_another_branch_of_a_journal_than_ours_is_not_asked_for() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    bob.trace.clear()
    heads = [head(ada), head(ada, 1, ada.device.pipeline.author)]
    link_of(bob, ada).peer.journals |= {each.author: each.head for each in heads}
    link = say(world, ada, bob, behind(*heads))
    world.run()
    assert only(Write, bob.trace) == []
    assert not link.source
    assert not is_gone(link)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(lambda bob: Wanted(0, None, bob.device.pipeline.durable.cut), id="request"),
        pytest.param(lambda _: Wanted(9, None, ()), id="acknowledgement"),
    ],
)
def test_snapshots_that_were_not_offered_are_not_handed_out(wanted: Callable) -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    link = say(world, ada, bob, (Kind.SNAPSHOTS_WANTED, encode_wanted(wanted(bob))))
    world.run()
    assert is_gone(link)
    assert bob.reported("link_failed")
    check_alive(world, ada, bob)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(lambda cut: [Wanted(0, None, cut), Wanted(1 << 30, None, ())], id="too much"),
        pytest.param(lambda cut: [Wanted(0, None, cut), Wanted(0, None, cut)], id="twice"),
    ],
)
def test_who_asks_for_more_than_was_offered_ends_its_link(messages: Callable) -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    link_of(bob, ada).supply = Supply()
    cut = bob.device.pipeline.durable.cut
    said = [(Kind.SNAPSHOTS_WANTED, encode_wanted(each)) for each in messages(cut)]
    link = say(world, ada, bob, *said)
    world.run()
    assert is_gone(link)
    assert bob.reported("link_failed")


def test_a_request_that_crossed_its_withdrawal_is_passed_over() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    link_of(bob, ada).supply = Supply(withdrawn=True)
    wanted = encode_wanted(Wanted(0, None, bob.device.pipeline.durable.cut))
    link = say(world, ada, bob, (Kind.SNAPSHOTS_WANTED, wanted))
    world.run()
    assert not is_gone(link)


def test_more_records_than_may_be_under_way_end_the_link() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "large/one", blob=seeded(1)(240 * KIB))
    link_of(ada, bob).supply = Supply(withdrawn=True)
    link = say(world, ada, bob, *offer(head(ada), *ada.device.pipeline.durable.cut))
    world.run()
    good = held(ada, "large/one")
    count = INBOUND_BYTES_MAX // len(good.data) + 1
    copies = [
        RecordSnapshot(RecordId(bytes([n]) * 16), good.heads, good.data) for n in range(count)
    ]
    say(world, ada, bob, *[(Kind.SNAPSHOTS, body) for body in encode_snapshots(copies)])
    world.run()
    assert is_gone(link)
    assert [r.fields["reason"] for r in bob.reported("link_failed")] == ["limit"]


def test_what_arrives_behind_a_fetch_that_entries_have_overtaken_does_nothing() -> None:
    world, ada, bob, link = asked()
    bob.device.fetch._request = None
    say(world, ada, bob, snapshots(held(ada, "notes/one")), end())
    world.run()
    assert not is_gone(link)
    assert world.values(bob) == world.values(ada)


def three() -> tuple[World, Party, Party, Party]:
    """Return a world of three equal devices; bob's own stays silent from here on."""
    world, (ada, bob, cyd) = world_of(3)
    for party in (ada, bob, cyd):
        world.put(party, f"notes/{party.name}", n=1)
    world.pass_time(20)
    bob.device.handle = lambda now, given: []
    return world, ada, bob, cyd


def lead(party: Party, victim: Party, by: int) -> list[CutHead]:
    """Return all heads of a party, one of them so much further: the journal of a victim."""
    own = victim.device.pipeline.author
    return [
        replace(each, n=each.n + by, hash=EntryHash(digest("lead"))) if each.author == own else each
        for each in party.device.pipeline.durable.cut
    ]


def check_writes(world: World, ada: Party, cyd: Party) -> None:
    """Check that one device still writes, and that another one that is honest gets all of it."""
    world.put(ada, "notes/after", n=1)
    world.put(cyd, "notes/too", n=1)
    world.pass_time(120)
    assert ada.verdict(cyd) is cyd.verdict(ada) is Verdict.EQUAL
    assert world.value(cyd, "notes/after") == world.value(ada, "notes/too") == {"n": 1}
    assert not cyd.reported("link_failed")
    world.restart(ada)
    world.pass_time(20)
    assert world.put(ada, "notes/again", n=1)
    world.pass_time(20)
    assert ada.verdict(cyd) is Verdict.EQUAL


@pytest.mark.parametrize("by", [1, 100, 2**62])
@pytest.mark.parametrize("whose", ["ada", "bob", "cyd"])
def test_a_cut_beyond_what_its_sender_said_to_hold_is_refused(whose: str, by: int) -> None:
    world, ada, bob, cyd = three()
    victim = {"ada": ada, "bob": bob, "cyd": cyd}[whose]
    before = ada.device.pipeline.durable
    link = say(world, bob, ada, behind(*lead(bob, victim, by)), end())
    world.run()
    assert is_gone(link)
    assert ada.device.pipeline.durable.journals == before.journals
    assert ada.device.pipeline.durable.bases == before.bases
    world.offline(bob)
    check_writes(world, ada, cyd)


@pytest.mark.parametrize("whose", ["ada", "bob", "cyd"])
def test_numbers_that_a_peer_makes_up_stop_nobody_from_writing(whose: str) -> None:
    world, ada, bob, cyd = three()
    victim = {"ada": ada, "bob": bob, "cyd": cyd}[whose]
    heads = lead(bob, victim, 2**62)
    say(world, bob, ada, *offer(*heads), end())
    world.run()
    head_of_own = ada.device.pipeline.durable.journals.get(ada.device.pipeline.author)
    assert head_of_own is None or head_of_own.n < 2**62
    world.offline(bob)
    check_writes(world, ada, cyd)


def test_the_journal_being_written_is_not_adopted_even_where_its_lead_drew_no_new_one() -> None:
    world, ada, bob, cyd = three()
    own = ada.device.pipeline.author
    heads = lead(bob, ada, 100)
    link = link_of(ada, bob)
    link.peer.journals |= {each.author: each.head for each in heads}
    say(world, bob, ada, behind(*heads), end())
    world.run()
    assert ada.device.pipeline.author == own
    assert ada.device.pipeline.durable.journals[own].n < 100
    assert not link.source
    world.offline(bob)
    check_writes(world, ada, cyd)


def test_a_number_that_no_entry_can_have_ends_the_link() -> None:
    for message in (have, behind):
        world, ada, bob, _ = three()
        link = say(world, bob, ada, message(head(bob, n=JOURNAL_ENTRIES_MAX + 1)))
        world.run()
        assert is_gone(link)
        assert [r.fields["reason"] for r in ada.reported("link_failed")] == ["limit"]


def test_records_of_a_cut_that_entries_have_reached_leave_no_fetch_behind() -> None:
    """Whoever sent them hears that they are not needed any more, and sends no end."""
    world, ada, bob, cyd = three()
    world.part(ada, cyd)
    world.put(ada, "notes/late", n=1)
    link = say(world, bob, cyd, *offer(*ada.device.pipeline.durable.cut))
    world.run()
    assert link.source
    world.mend()
    world.pass_time(60)
    assert world.value(cyd, "notes/late") == {"n": 1}
    say(world, bob, cyd, snapshots(held(ada, "notes/late")))
    world.pass_time(20)
    assert cyd.device.pipeline.durable.fetching is None
    assert cyd.verdict(ada) is Verdict.EQUAL


def test_what_is_still_on_its_way_is_no_answer_to_another_request() -> None:
    """An offer is asked for once; else the end of one cut would be taken for that of the next."""
    world, ada, bob, _ = asked()
    say(world, ada, bob, snapshots(held(ada, "notes/one")))
    world.run()
    assert bob.device.pipeline.durable.fetching is not None
    world.part(ada, bob)
    world.mend()
    world.pass_time(60)
    link_of(ada, bob).supply = Supply(withdrawn=True)
    link = say(world, ada, bob, *offer(head(ada, 10)))
    world.pass_time(1)
    assert link.source, "it goes on with the cut that it began with"
    say(world, ada, bob, end())
    world.pass_time(1)
    journals = bob.device.pipeline.durable.journals
    assert journals[author(1)].n == 9
    say(world, ada, bob, snapshots(held(ada, "notes/one")), end())
    world.pass_time(1)
    assert bob.device.pipeline.durable.journals[author(1)].n == 9
