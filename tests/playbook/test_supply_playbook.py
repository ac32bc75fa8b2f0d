"""Handing out snapshots: what is loaded and sent, and when nothing is."""

from dataclasses import replace

import pytest

from harness.batches import author, digest
from harness.linkpairs import BOB_ID, heard, up
from harness.pairs import only
from p2pvault.core.content import Content
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Supply
from p2pvault.core.loads import LoadSnapshots, SnapshotsLoaded
from p2pvault.core.supply import go_on, heard_wanted, loaded, offer
from p2pvault.errors import UnexpectedMessage
from p2pvault.limits import FEED_BYTES_MAX, KIB, UNACKNOWLEDGED_BYTES_MAX
from p2pvault.protocol.bootstrap import CutHead, Fetching, Wanted, decode_cut, encode_wanted
from p2pvault.protocol.reconcile import Have
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.types import EntryHash, JournalHead, RecordId

ONE, TWO = author(1), author(2)


def holding(**bases: int) -> Content:
    """Return a content of two journals with nine entries each."""
    heads = {name: JournalHead(name, 9, EntryHash(digest(9))) for name in (ONE, TWO)}
    numbered = {{"one": ONE, "two": TWO}[name]: n for name, n in bases.items()}
    return Content(heads, dict.fromkeys(heads, BOB_ID), {}, 18, bases=numbered)


def cut_at(*numbers: int) -> tuple[CutHead, ...]:
    pairs = sorted(zip((ONE, TWO), numbers, strict=False))
    return tuple(CutHead(name, BOB_ID, n, EntryHash(digest(n))) for name, n in pairs)


def record(number: int, size: int = 100) -> RecordSnapshot:
    return RecordSnapshot(RecordId(number.to_bytes(16, "big")), (digest(number),), bytes(size))


def wanted(*, taken: int = 0, after: RecordId | None = None, cut: tuple = ()) -> bytes:
    return encode_wanted(Wanted(taken, after, cut))


def asked(cut: tuple = ()) -> tuple:
    """Return both ends of a link on which snapshots were offered and asked for."""
    near, far = up()
    content = holding(one=5)
    heard(offer(near, content), far)
    (load,) = heard_wanted(near, wanted(cut=cut or content.cut), content)
    assert isinstance(load, LoadSnapshots)
    return near, far, content, load


def test_who_holds_an_older_cut_by_now_and_lacks_more_is_offered_again():
    near, far, _, _ = asked(cut_at(6, 9))
    for reached, kinds in ((5, []), (6, [Kind.BEHIND]), (6, [])):
        heads = tuple(each.head for each in cut_at(reached, 9))
        near.peer.heard(Have(heads, digest("content")))
        assert [each.kind for each in heard(offer(near, holding(one=8)), far)] == kinds
    assert near.supply == Supply()


def test_an_offer_names_every_journal_and_is_made_once():
    near, far = up()
    (message,) = heard(offer(near, holding(one=5)), far)
    assert message.kind == Kind.BEHIND
    assert decode_cut(message.body) == holding().cut
    assert offer(near, holding(one=5)) == []


def test_records_are_loaded_as_of_the_cut_that_was_asked_for():
    _, _, _, load = asked(cut_at(9, 6))
    assert dict(load.upto) == {ONE: 9, TWO: 6}
    assert (load.last_arrival, load.after, load.bytes_max) == (18, None, FEED_BYTES_MAX)


def test_a_journal_that_the_cut_does_not_name_does_not_count():
    _, _, _, load = asked(cut_at(9))
    assert dict(load.upto) == {ONE: 9, TWO: 0}


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(cut_at(4, 9), id="before a base"),
        pytest.param(cut_at(9, 10), id="beyond what is held"),
        pytest.param(
            tuple(replace(each, hash=EntryHash(bytes(32))) for each in cut_at(9, 9)), id="a fork"
        ),
    ],
)
def test_a_cut_that_cannot_be_supplied_is_answered_with_our_own(cut):
    near, far = up()
    content = holding(one=5)
    heard(offer(near, content), far)
    (message,) = heard(heard_wanted(near, wanted(cut=cut), content), far)
    assert message.kind == Kind.BEHIND
    assert near.supply.cut is None


def test_records_go_out_in_order_and_their_end_behind_them():
    near, far, content, _ = asked()
    effects = loaded(
        near, SnapshotsLoaded(near.id, record(2).record, [record(1), record(2)]), content
    )
    (load,) = only(LoadSnapshots, effects)
    assert load.after == record(2).record
    assert [m.kind for m in heard(effects, far)] == [Kind.SNAPSHOTS]
    effects = loaded(near, SnapshotsLoaded(near.id, None, []), content)
    assert [m.kind for m in heard(effects, far)] == [Kind.SNAPSHOTS_END]
    assert go_on(near, content) == []


def test_the_window_closes_until_records_are_durable():
    near, far, content, _ = asked()
    for number in range(9):
        large = record(number, 500 * KIB)
        answer = SnapshotsLoaded(near.id, large.record, [large])
        effects = loaded(near, answer, content)
        heard(effects, far)
        near.feed.untaken_bytes = 0
        if not only(LoadSnapshots, effects):
            if near.supply.window_bytes == 0:
                break
            (_,) = go_on(near, content)
    assert near.supply.sent_bytes >= UNACKNOWLEDGED_BYTES_MAX
    assert go_on(near, content) == []
    taken = near.supply.sent_bytes - UNACKNOWLEDGED_BYTES_MAX + 300 * KIB
    (load,) = heard_wanted(near, wanted(taken=taken), content)
    assert load.bytes_max == near.supply.window_bytes == 300 * KIB


def test_a_stream_that_takes_nothing_stops_it():
    near, _, content, _ = asked()
    near.feed.untaken_bytes = FEED_BYTES_MAX + 1
    answer = SnapshotsLoaded(near.id, record(1).record, [record(1)])
    assert only(LoadSnapshots, loaded(near, answer, content)) == []
    near.feed.untaken_bytes = 0
    assert only(LoadSnapshots, go_on(near, content))


def test_while_records_are_fetched_only_their_source_gets_any():
    near, _ = up()
    content = replace(holding(one=5), fetching=Fetching(cut_at(9, 9), None))
    near.supply = Supply(cut=content.cut)
    assert go_on(near, content) == []
    near.source = True
    assert only(LoadSnapshots, go_on(near, content))


def test_what_was_loaded_for_an_offer_that_is_withdrawn_is_not_sent():
    near, _, content, _ = asked()
    near.supply = Supply(withdrawn=True)
    answer = SnapshotsLoaded(near.id, record(1).record, [record(1)])
    assert loaded(near, answer, content) == []


def test_acknowledgements_never_shrink_and_are_never_beyond_what_was_sent():
    supply = Supply(sent_bytes=10, taken_bytes=4)
    for taken in (3, 11):
        with pytest.raises(UnexpectedMessage):
            supply.acknowledge(taken)
    supply.acknowledge(4)
    supply.acknowledge(10)
    supply.acknowledge(10)
    assert supply.window_bytes == UNACKNOWLEDGED_BYTES_MAX
