"""Replication on one link: what is said, loaded and sent, and when nothing is."""

from dataclasses import replace
from functools import cache

import pytest

from harness.batches import author, digest
from harness.entropy import seeded
from harness.linkpairs import ADA_ID, BOB_ID, START, heard, up
from harness.pairs import only, world_of
from harness.pipelines import BOB, VAULT, Bench, bob
from harness.proofs import assert_proved
from harness.world import put
from p2pvault.core import asks, io
from p2pvault.core.book import Book
from p2pvault.core.content import Content
from p2pvault.core.errands import Errands
from p2pvault.core.io import EntriesLoaded, LoadEntries, Report, StatusChanged, Write
from p2pvault.core.kinds import Kind
from p2pvault.core.repair import Repair
from p2pvault.core.replication import Replication
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Value
from p2pvault.errors import LimitExceeded
from p2pvault.limits import (
    ENTRIES_MESSAGE_BYTES_MAX,
    FEED_BYTES_MAX,
    INBOUND_BYTES_MAX,
    KIB,
    SCALAR_BYTES_MAX,
    UNACKNOWLEDGED_BYTES_MAX,
)
from p2pvault.protocol.bootstrap import CutHead, Fetching, decode_cut
from p2pvault.protocol.entries import decode_entries, encode_entries
from p2pvault.protocol.journal import Writer, write_entry
from p2pvault.protocol.reconcile import Have, Verdict, decode_have, encode_have
from p2pvault.types import EntryHash, Fingerprint, JournalHead, RecordId, StoredEntry

EMPTY = Content({}, {}, {}, 0)


def entry(arrival: int, by: int = 1, size: int = 0) -> StoredEntry:
    return StoredEntry(arrival, author(by), arrival, EntryHash(digest(arrival)), made(size))


@cache
def made(size: int) -> bytes:
    """Return an entry of the least size, or of a few bytes more than this."""
    writer = Writer(Bench().journal, BOB)
    parts: dict[str, Value] = {
        f"{at}": seeded(f"{at}")(min(SCALAR_BYTES_MAX, size - at))
        for at in range(0, size, SCALAR_BYTES_MAX)
    }
    _, chunk = Record.create(writer.journal.author, "notes", "one", parts)
    return write_entry(writer, None, (), 0, [(RecordId(bytes(16)), chunk)]).data


def holding(entries: list[StoredEntry]) -> Content:
    """Return the content of a store with these entries."""
    heads = {each.author: JournalHead(each.author, each.n, each.hash) for each in entries}
    total = Fingerprint("notes", len(entries), len(entries))
    return Content(heads, {}, {"notes": total}, entries[-1].arrival if entries else 0)


def have_of(content: Content) -> bytes:
    return encode_have(Have(tuple(content.journals.values()), content.digest))


class Side:
    """Replication on ada's end of a link, and bob's end to hear what she says."""

    def __init__(self) -> None:
        self.book = Book(())
        repair, errands = Repair(ADA_ID, bytes(32), self.book), Errands(Bench().pipeline)
        self.replication = Replication(VAULT, self.book, repair, errands)
        self.link, self.far = up()
        self.link.talk.checks = {}

    def hear(self, content: Content, theirs: Content = EMPTY) -> list[io.Effect]:
        effects = self.replication.heard_have(START, self.link, have_of(theirs), content)
        return effects + self.replication.feed(self.link, content)

    def load(self, content: Content, entries: list[StoredEntry]) -> list[io.Effect]:
        return self.replication.loaded(self.link, EntriesLoaded(self.link.id, entries), content)

    def announce(self, entries: list[StoredEntry], new: int) -> list[io.Effect]:
        """Say that the last entries of a log are durable now."""
        content = holding(entries)
        return self.replication.announce(START, self.link, content, tuple(entries[-new:]))

    def said(self, effects: list[io.Effect]) -> list[tuple[Kind, object]]:
        """Return what bob hears, decoded: the heads of a HAVE, the number of ENTRIES."""
        found = []
        for message in heard(effects, self.far):
            if message.kind == Kind.BEHIND:
                cut = decode_cut(message.body)
                found.append((Kind.BEHIND, [each.n for each in cut]))
            elif message.kind == Kind.HAVE:
                found.append((Kind.HAVE, [head.n for head in decode_have(message.body).journals]))
            else:
                found.append((Kind.ENTRIES, len(decode_entries(message.body))))
        return found


def test_a_link_begins_with_all_that_is_held():
    side = Side()
    assert side.said(side.replication.begin(side.link, holding([entry(3)]))) == [(Kind.HAVE, [3])]


def test_a_heartbeat_is_a_have_of_nothing_that_moved():
    side = Side()
    assert side.said(side.replication.beat(side.link, holding([entry(3)]))) == [(Kind.HAVE, [])]


def test_nothing_is_sent_before_the_peer_has_spoken():
    side = Side()
    assert side.replication.feed(side.link, holding([entry(1)])) == []
    assert side.said(side.announce([entry(1)], 1)) == [(Kind.HAVE, [1])]


def test_a_peer_that_lacks_nothing_costs_no_load():
    side, content = Side(), holding([entry(1)])
    effects = side.hear(content, content)
    assert effects == [StatusChanged()]
    assert side.link.feed.at_tail
    assert side.book[BOB_ID].verdict is Verdict.EQUAL
    assert side.book[BOB_ID].proved_at == START.monotonic
    assert side.hear(content, content) == [], "the same verdict is no news"


def test_a_peer_that_lacks_something_is_fed_from_its_first_missing_entry():
    side, log = Side(), [entry(n) for n in range(1, 5)]
    effects = side.hear(holding(log), holding(log[:2]))
    (load,) = only(LoadEntries, effects)
    assert (load.after, load.first, load.bytes_max) == (None, ((author(1), 3),), FEED_BYTES_MAX)
    assert side.hear(holding(log), holding(log[:2])) == [], "one load at a time"
    effects = side.load(holding(log), log[2:])
    assert side.said(effects) == [(Kind.ENTRIES, 2)]
    assert side.link.feed.at_tail


def test_loaded_entries_that_the_peer_has_are_passed_over():
    side = Side()
    log = [entry(1, by=1), replace(entry(2, by=2), n=1), replace(entry(3, by=1), n=2)]
    theirs = replace(holding(log[1:2]), journals=holding(log[1:2]).journals)
    side.hear(holding(log), theirs)
    assert side.said(side.load(holding(log), log)) == [(Kind.ENTRIES, 2)]


def test_the_feed_goes_on_behind_what_was_loaded_until_the_tail():
    side, log = Side(), [entry(n) for n in range(1, 7)]
    side.hear(holding(log))
    for start in (0, 2):
        effects = side.load(holding(log), log[start : start + 2])
        (load,) = only(LoadEntries, effects)
        assert (load.after, load.first) == (start + 2, ())
    effects = side.load(holding(log), log[4:])
    assert only(LoadEntries, effects) == []
    assert side.link.feed.at_tail


def test_an_entry_that_becomes_durable_while_a_load_is_under_way_is_not_left_out():
    side, log = Side(), [entry(n) for n in range(1, 4)]
    side.hear(holding(log[:2]))
    assert side.said(side.announce(log, 1)) == [(Kind.HAVE, [3])], "the load comes first"
    effects = side.load(holding(log), log[:2])
    (load,) = only(LoadEntries, effects)
    assert load.after == 2
    assert side.said([*effects, *side.load(holding(log), log[2:])]) == [
        (Kind.ENTRIES, 2),
        (Kind.ENTRIES, 1),
    ]
    assert side.said(side.announce([*log, entry(4)], 1)) == [(Kind.ENTRIES, 1), (Kind.HAVE, [4])]


def test_a_store_that_shows_more_than_was_said_to_be_durable_is_not_asked_in_circles():
    side, log = Side(), [entry(n) for n in range(1, 4)]
    side.hear(holding(log[:2]))
    effects = side.load(holding(log[:2]), log)
    assert only(LoadEntries, effects) == []
    assert side.said(effects) == [(Kind.ENTRIES, 3)]
    assert side.said(side.announce(log, 1)) == [(Kind.HAVE, [3])], "it was sent already"


def test_live_entries_go_out_at_once_and_before_the_have():
    side = Side()
    side.hear(EMPTY)
    assert side.said(side.announce([entry(1), entry(2)], 2)) == [
        (Kind.ENTRIES, 2),
        (Kind.HAVE, [2]),
    ]


def test_an_entry_is_not_sent_back_to_whom_it_came_from():
    side = Side()
    side.hear(EMPTY)
    side.replication.took_in(side.link, [entry(1)])
    assert side.said(side.announce([entry(1)], 1)) == [(Kind.HAVE, [1])]


def test_small_entries_share_messages_and_large_ones_travel_alone():
    side = Side()
    side.hear(EMPTY)
    log = [entry(n, size=100 * KIB) for n in range(1, 6)] + [entry(6, size=500 * KIB), entry(7)]
    kinds = side.said(side.announce(log, 7))
    assert kinds[:-1] == [(Kind.ENTRIES, count) for count in (2, 2, 1, 1, 1)]
    assert ENTRIES_MESSAGE_BYTES_MAX == 256 * KIB


def test_a5_the_window_closes_and_opens_with_the_acknowledgement():
    side = Side()
    size = 900 * KIB
    log = [entry(n, size=size) for n in range(1, 9)]
    content = holding(log)
    side.hear(content)
    for n in range(1, 6):
        side.link.feed.untaken_bytes = 0
        effects = side.load(content, [log[n - 1]])
    assert only(LoadEntries, effects) == [], "4 MiB are under way"
    assert side.link.peer.window_bytes == 0
    effects = side.hear(content, holding(log[:2]))
    (load,) = only(LoadEntries, effects)
    assert load.after == 5
    assert load.bytes_max == min(UNACKNOWLEDGED_BYTES_MAX - 3 * size, FEED_BYTES_MAX)


def test_a5_a_stream_that_takes_nothing_stops_the_feed_until_it_is_writable():
    side = Side()
    log = [entry(n, size=700 * KIB) for n in range(1, 5)]
    side.hear(holding(log))
    (load,) = only(LoadEntries, side.load(holding(log), log[:1]))
    effects = side.load(holding(log), log[1:2])
    assert only(LoadEntries, effects) == []
    assert side.link.feed.is_blocked
    side.link.feed.untaken_bytes = 0
    (load,) = side.replication.feed(side.link, holding(log))
    assert load.after == 2


def test_live_entries_beyond_the_window_are_left_to_the_store():
    side = Side()
    side.hear(EMPTY)
    log = [entry(n, size=1_000 * KIB) for n in range(1, 7)]
    effects = side.announce(log, 6)
    (load,) = only(LoadEntries, effects)
    assert load.after == 0
    assert side.said(effects) == [(Kind.HAVE, [6])]
    assert not side.link.feed.at_tail


def test_a5_live_entries_wait_behind_a_stream_that_takes_nothing():
    side = Side()
    side.hear(EMPTY)
    side.link.feed.untaken_bytes = FEED_BYTES_MAX + 1
    assert side.said(side.announce([entry(1)], 1)) == [(Kind.HAVE, [1])]
    side.link.feed.untaken_bytes = 0
    (load,) = side.replication.feed(side.link, holding([entry(1)]))
    assert load.after == 0


def test_a_contradiction_is_an_error_once_and_equality_is_news_again():
    side, log = Side(), [entry(1)]
    content = holding(log)
    other = replace(content, fingerprints={})
    effects = side.hear(content, other)
    assert only(Report, effects)[0].event == "content_differs"
    assert only(Report, side.hear(content, other)) == []
    assert only(StatusChanged, side.hear(content, content)) == [StatusChanged()]
    assert side.book[BOB_ID].verdict is Verdict.EQUAL


def test_received_entries_are_counted_until_they_are_taken_in():
    side = Side()
    (first, second) = bob().written(put("notes/one", a=1), put("notes/one", a=2))
    job = side.replication.heard_entries(
        side.link, encode_entries([first.data, second.data]), EMPTY
    )
    assert job.entries == (first, second)
    assert side.link.inbound.size == len(first.data) + len(second.data)
    held = Content({first.author: first.head}, {}, {}, 1)
    job = side.replication.heard_entries(side.link, encode_entries([first.data, second.data]), held)
    assert job.entries == (second,), "another peer was faster with the first"
    assert side.replication.heard_entries(side.link, encode_entries([first.data]), held) is None


def test_a_fork_of_what_is_held_is_not_dropped_unseen():
    side = Side()
    (entry_,) = bob().written(put("notes/one", a=1))
    fork = Content({entry_.author: JournalHead(entry_.author, 1, EntryHash(bytes(32)))}, {}, {}, 1)
    job = side.replication.heard_entries(side.link, encode_entries([entry_.data]), fork)
    assert job.entries == (entry_,)


def test_a_peer_that_does_not_wait_for_acknowledgements_is_stopped():
    side = Side()
    side.link.inbound.add(INBOUND_BYTES_MAX - 10)
    (first,) = bob().written(put("notes/one", a=1))
    with pytest.raises(LimitExceeded):
        side.replication.heard_entries(side.link, encode_entries([first.data]), EMPTY)


def test_what_another_peer_brought_meanwhile_is_not_counted_twice():
    """The peer takes it for acknowledged as soon as it hears that we hold it, and sends more."""
    side = Side()
    (first, second, third) = bob().written(*[put("notes/one", a=n) for n in range(3)])
    take = lambda *entries: side.replication.heard_entries(  # noqa: E731
        side.link, encode_entries([each.data for each in entries]), EMPTY
    )
    take(first, second)
    held = Content({first.author: first.head}, {}, {}, 1)
    side.replication.beat(side.link, held)
    assert side.link.inbound.size == len(second.data)
    side.link.inbound.take_out(len(first.data))
    assert side.link.inbound.size == len(second.data), "passed over when its turn came"
    take(third)
    side.link.inbound.take_out(len(second.data))
    assert side.link.inbound.size == len(third.data)


# Journals that begin behind their first entry -----------------------------------------------


def dropped_up_to(content: Content, n: int) -> Content:
    """Return a content whose one journal begins behind entry n."""
    (name,) = content.journals
    return replace(content, bases={name: n}, devices={name: BOB_ID})


def test_a_peer_that_lacks_what_is_not_kept_is_told_so_once_and_gets_no_entries():
    side, log = Side(), [entry(n) for n in range(1, 5)]
    content = dropped_up_to(holding(log), 2)
    assert side.said(side.hear(content, holding(log[:1]))) == [(Kind.BEHIND, [4])]
    assert side.hear(content, holding(log[:1])) == []
    more = [*log, entry(5)]
    later = dropped_up_to(holding(more), 2)
    said = side.said(side.replication.announce(START, side.link, later, tuple(more[-1:])))
    assert said == [(Kind.HAVE, [5])]
    (load,) = only(LoadEntries, side.hear(later, holding(more[:2])))
    assert load.first == ((author(1), 3),)
    assert side.link.supply.withdrawn


def test_a_peer_is_told_so_once_it_is_known_which_journals_forked():
    side, log = Side(), [entry(n) for n in range(1, 5)]
    content = dropped_up_to(holding(log), 2)
    looking = side.link.talk.checks = dict(holding(log[:1]).journals)
    assert side.said(side.hear(content, holding(log[:1]))) == []
    looking.clear()
    assert side.said(side.hear(content, holding(log[:1]))) == [(Kind.BEHIND, [4])]


def test_a_peer_that_holds_all_that_is_not_kept_gets_entries():
    side, log = Side(), [entry(n) for n in range(1, 5)]
    (load,) = only(LoadEntries, side.hear(dropped_up_to(holding(log), 2), holding(log[:2])))
    assert load.first == ((author(1), 3),)


@pytest.mark.parametrize("loaded", [[], [entry(4)]], ids=["nothing", "a gap"])
def test_entries_that_were_dropped_while_they_were_loaded_become_records(loaded):
    side, log = Side(), [entry(n) for n in range(1, 5)]
    side.hear(holding(log), holding(log[:1]))
    effects = side.load(dropped_up_to(holding(log), 3), loaded)
    assert side.said(effects) == [(Kind.BEHIND, [4])]


def test_a_log_whose_end_was_dropped_has_been_read_to_its_end():
    side, log = Side(), [entry(n) for n in range(1, 7)]
    content = holding(log)
    side.hear(content)
    side.load(content, log[:3])
    assert side.load(content, []) == []
    assert side.link.feed.at_tail
    assert side.link.feed.cursor == 6


def test_what_was_being_loaded_is_thrown_away_when_what_is_held_is_known_otherwise():
    side, log = Side(), [entry(n) for n in range(1, 5)]
    content = holding(log)
    side.hear(content, holding(log[:1]))
    assert side.said(side.replication.restate(START, side.link, content)) == [(Kind.HAVE, [4])]
    (load,) = side.load(content, log[1:])
    assert (load.after, load.first) == (None, ((author(1), 2),))
    assert side.said(side.load(content, log[1:])) == [(Kind.ENTRIES, 3)]


def test_while_records_are_fetched_only_who_holds_the_cut_gets_entries():
    side, log = Side(), [entry(n) for n in range(1, 5)]
    cut = (CutHead(author(2), BOB_ID, 7, EntryHash(digest(7))),)
    content = replace(holding(log), fetching=Fetching(cut, None))
    assert side.hear(content, holding(log[:1])) == [StatusChanged()]
    theirs = JournalHead(author(2), 7, EntryHash(digest(7)))
    both = replace(holding(log[:1]), journals={**holding(log[:1]).journals, author(2): theirs})
    assert only(LoadEntries, side.hear(content, both))


# Three devices -----------------------------------------------------------------------------


def test_an_edit_in_a_triangle_crosses_each_link_once_or_twice():
    world, parties = world_of(3)
    ada, bob_, _ = parties
    for party in parties:
        party.trace.clear()
    moved = world.bytes_moved
    world.put(ada, "notes/one", text="x" * 2_000)
    assert_proved(world)
    assert world.bytes_moved - moved < 12 * 1_024
    assert [len(party.published) for party in parties] == [1, 1, 1]
    writes = [each for each in bob_.trace if isinstance(each, Write)]
    assert max(len(each.data) for each in writes) < 1_024, "cyd said in time that it has it"


def test_nothing_is_said_or_sent_or_answered_before_it_is_durable():
    world, (ada, bob_) = world_of(2)
    world.put(ada, "notes/one", a=1)
    for party, other in ((ada, bob_), (bob_, ada)):
        persisted = next(i for i, e in enumerate(party.trace) if isinstance(e, io.Persisted))
        asked = next(
            i
            for i, e in enumerate(party.trace)
            if isinstance(e, asks.EditRequested | io.BytesReceived)
        )
        between = party.trace[asked:persisted]
        assert only(Write, between) == []
        assert only(io.Publish, between) == []
        assert only(io.Answer, between) == []
        assert only(io.Write, party.trace[persisted:]), other.name


def test_a_newcomer_that_is_fed_the_same_by_two_at_once_ends_no_link_for_it():
    world, (ada, _, cyd) = world_of(3)
    world.offline(cyd)
    for number in range(60):
        world.edit(ada, put(f"notes/{number}", blob=bytes([number]) + bytes(240_000)))
    world.run()
    world.online(cyd)
    world.pass_time(10)
    assert_proved(world)
    assert cyd.reported("link_failed") == []
    for link in cyd.device.links.up():
        assert link.inbound.size == 0
