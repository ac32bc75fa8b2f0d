"""Repair on one link: what is answered, and what ends the link of a peer that breaks a rule."""

from dataclasses import replace

import pytest

from harness.linkpairs import BOB_ID, heard, up
from harness.pipelines import bob
from harness.world import put
from p2pvault.core.book import Book
from p2pvault.core.content import Content
from p2pvault.core.inquiries import (
    CountsLoaded,
    LoadCounts,
    LoadRanges,
    LoadWhole,
    RangesLoaded,
    RepairRequested,
    WholeLoaded,
)
from p2pvault.core.io import Answer, Effect, Report, StatusChanged
from p2pvault.core.kinds import Kind
from p2pvault.core.recount import RecountJob, recounted
from p2pvault.core.repair import Repair
from p2pvault.core.restore import SnapshotsJob
from p2pvault.core.staging import Staged
from p2pvault.core.steps import Done
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.snapshot import inspect_snapshot
from p2pvault.crypto.envelope import Message
from p2pvault.errors import (
    ChangeRefused,
    LimitExceeded,
    MalformedMessage,
    RemoteProtocolError,
    UnexpectedMessage,
    VaultError,
)
from p2pvault.limits import (
    FEED_BYTES_MAX,
    RANGES_PER_MESSAGE_MAX,
    RECORDS_WANTED_MAX,
    REPAIR_INBOX_MAX,
    REPAIR_MESSAGES_MAX,
    REPAIR_RECORDS_MAX,
    REPAIR_ROUNDS_MAX,
)
from p2pvault.protocol.ranges import FIRST, RangeList, RangeState, RangeSum, encode_ranges
from p2pvault.protocol.reconcile import Verdict
from p2pvault.protocol.snapshot import (
    Records,
    RecordSnapshot,
    decode_records,
    decode_wanted,
    encode_records,
    encode_snapshots,
    encode_wanted,
)
from p2pvault.types import Batch, ChangeHash, DeviceId, Fingerprint, RecordId
from p2pvault.wire.codec import unpack

CONTENT = Content({}, {}, {}, 0)
SMALLEST, LARGEST = DeviceId(bytes(32)), DeviceId(b"\xff" * 32)


def record(number: int) -> RecordId:
    return RecordId(number.to_bytes(16, "big"))


class Side:
    """Ada's end of a link, with a device id of her choice, and bob's end to hear it."""

    def __init__(self, device: DeviceId = SMALLEST) -> None:
        self.book = Book(())
        self.repair = Repair(device, bytes(32), self.book)
        self.link, self.far = up()

    def differ(self) -> list[Effect]:
        self.book[BOB_ID].verdict = Verdict.CONTRADICTION
        return self.repair.consider(self.link, CONTENT)

    def hear(self, kind: Kind, body: bytes, content: Content = CONTENT):
        return self.repair.heard(self.link, Message(kind=kind, stream=0, body=body), content)

    def says(self, effects: list[Effect]) -> list[tuple[int, bytes]]:
        return [(message.kind, message.body) for message in heard(effects, self.far)]

    def asking(self, *numbers: int) -> None:
        """Have the link wait for records that were asked for."""
        self.link.mending.want([record(n) for n in numbers])
        assert [kind for kind, _ in self.says(self.took(0))] == [Kind.RECORDS_WANTED]

    def took(self, restored: int) -> list[Effect]:
        return self.repair.took(self.link, Done(STAGED, restored=restored))


STAGED = Staged(Batch(), CONTENT, (), (), frozenset(), ())


def test_fingerprints_are_counted_first_and_the_smaller_device_begins_to_search():
    for device, begins in ((SMALLEST, True), (LARGEST, False)):
        side = Side(device)
        begun = Report("warning", "repair_begun", {"device": BOB_ID.hex()})
        assert side.differ() == [begun, LoadCounts(side.link.id, bytes(32), 0)]
        assert side.differ() == [], "one at a time"
        effects = side.repair.found(side.link, CountsLoaded(side.link.id, (), 0))
        assert [type(effect) for effect in effects] == ([LoadRanges] if begins else [])


def test_nothing_is_searched_where_content_became_equal_while_it_was_counted():
    side = Side()
    side.differ()
    side.book[BOB_ID].verdict = Verdict.EQUAL
    assert side.repair.found(side.link, CountsLoaded(side.link.id, (), 0)) == []
    assert side.link.mending.is_idle


def test_nothing_begins_while_journals_differ():
    side = Side()
    (head,) = Content(
        {e.author: e.head for e in bob().written(put("notes/one", n=1))}, {}, {}, 1
    ).journals.values()
    side.book[BOB_ID].verdict = Verdict.CONTRADICTION
    fork = replace(CONTENT, journals={head.author: head})
    assert side.repair.consider(side.link, fork) == []


def test_a_wrong_fingerprint_becomes_a_job_and_only_the_difference_is_applied():
    side = Side()
    side.differ()
    wrong = ((Fingerprint("notes", 7, 3), Fingerprint("notes", 5, 2)),)
    (job,) = side.repair.found(side.link, CountsLoaded(side.link.id, wrong, 0))
    assert job == RecountJob(side.link.id, wrong, 0)
    newer = replace(CONTENT, fingerprints={"notes": Fingerprint("notes", 107, 13)})
    staged = recounted(newer, job)
    assert staged.batch.fingerprints == (Fingerprint("notes", 105, 12),)
    (report,) = side.repair.took(side.link, Done(staged, recounted=1))
    assert report == Report("warning", "fingerprints_corrected", {"collections": 1})
    assert side.link.mending.is_idle


def test_a_search_is_begun_a_few_times_and_no_more():
    side = Side()
    side.differ()
    begun = 0
    effects = side.repair.found(side.link, CountsLoaded(side.link.id, (), 0))
    while effects:
        begun += 1
        (load,) = effects
        answer = RangesLoaded(side.link.id, load.parts, (RangeState(b"x" * 16, ()),))
        side.repair.found(side.link, answer)
        assert side.differ() == [], "the peer's answer is awaited"
        assert side.hear(Kind.RANGES, encode_ranges(())) == []
        effects = side.differ()
    assert begun == REPAIR_ROUNDS_MAX


def test_ranges_are_answered_and_what_the_peer_holds_otherwise_is_asked_for():
    side = Side()
    theirs = RangeList(FIRST, None, ((record(1), b"a" * 16), (record(2), b"b" * 16)), asks=False)
    (load,) = side.hear(Kind.RANGES, encode_ranges([theirs]))
    assert load == LoadRanges(side.link.id, bytes(32), (theirs,))
    state = RangeState(b"x" * 16, ((record(1), b"a" * 16),))
    found = RangesLoaded(side.link.id, (theirs,), (state,))
    (_, answer), (_, wish) = side.says(side.repair.found(side.link, found))
    assert answer == encode_ranges(())
    assert decode_wanted(wish) == (record(2),)


def test_records_are_asked_for_again_until_all_came_or_none_does():
    side = Side()
    side.asking(1, 2, 3)
    ((one,)) = bob().written(put("notes/one", n=1))
    author = replace(CONTENT, journals={one.author: one.head})
    (_, chunk) = one.body.changes[0]
    heads = (inspect(chunk).hash,)
    (body,) = encode_snapshots([RecordSnapshot(record(2), heads, chunk)])
    job = side.hear(Kind.RECORDS, encode_records(body, is_last=True), author)
    snapshot = inspect_snapshot(chunk, heads)
    assert job == SnapshotsJob(side.link.id, BOB_ID, ((record(2), snapshot),), received_bytes=0)
    side.link.mending.want([record(3)])
    assert side.took(0) == [], "what came is durable first"
    ((kind, wish),) = side.says(side.took(1))
    assert (kind, decode_wanted(wish)) == (Kind.RECORDS_WANTED, (record(1), record(3)))
    assert side.book[BOB_ID].repaired == 1
    assert side.hear(Kind.RECORDS, encode_records(b"", is_last=True)) == [StatusChanged()]
    assert side.link.mending.is_idle, "the peer does not hold the others either"


def test_a_record_by_an_author_who_is_not_known_yet_waits_for_its_entries():
    side = Side()
    side.asking(2)
    (_, chunk) = bob().written(put("notes/one", n=1))[0].body.changes[0]
    snapshot = RecordSnapshot(record(2), (inspect(chunk).hash,), chunk)
    (body,) = encode_snapshots([snapshot])
    assert side.hear(Kind.RECORDS, encode_records(body, is_last=True)) == [StatusChanged()]
    assert side.link.mending.is_idle


def test_an_answer_may_come_in_several_messages():
    side = Side()
    side.asking(1, 2)
    bench = bob()
    entries = bench.written(put("notes/one", n=1), put("notes/two", n=2))
    known = replace(CONTENT, journals=bench.pipeline.durable.journals)
    for number, entry in enumerate(entries, start=1):
        ((_, chunk),) = entry.body.changes
        whole = RecordSnapshot(record(number), (inspect(chunk).hash,), chunk)
        (body,) = encode_snapshots([whole])
        last = number == len(entries)
        job = side.hear(Kind.RECORDS, encode_records(body, is_last=last), known)
        assert [each for each, _ in job.records] == [record(number)]
        assert side.link.mending.awaiting is not last
    assert side.took(2) == [StatusChanged()]
    assert side.link.mending.is_idle, "all came, so nothing is asked for again"


def test_what_does_not_fit_one_message_is_sent_when_the_peer_has_nothing_more_to_compare():
    side = Side()
    sixteenths = [RangeSum(record(n << 8), record(n + 1 << 8), b"o" * 16) for n in range(16)]
    theirs = [RangeSum(record(n << 12), record(n + 1 << 12), b"t" * 16) for n in range(65)]
    (load,) = side.hear(Kind.RANGES, encode_ranges(theirs))
    assert load.parts == tuple(theirs)
    states = (RangeState(b"o" * 16, None, tuple(sixteenths)),) * 65
    found = side.repair.found(side.link, RangesLoaded(side.link.id, load.parts, states))
    ((_, first),) = side.says(found)
    assert len(unpack(first)[0]) == RANGES_PER_MESSAGE_MAX
    ((kind, rest),) = side.says(side.hear(Kind.RANGES, encode_ranges(())))
    assert (kind, len(unpack(rest)[0])) == (Kind.RANGES, 65 * 16 - RANGES_PER_MESSAGE_MAX)
    assert not side.link.mending.is_idle, "the peer owes an answer"
    assert side.hear(Kind.RANGES, encode_ranges(())) == []
    assert side.link.mending.is_idle


def test_at_most_so_many_are_asked_for_at_once_and_noted():
    side = Side()
    side.link.mending.want([record(n) for n in range(100_000)])
    assert len(side.link.mending.wanted) == REPAIR_RECORDS_MAX
    ((_, wish),) = side.says(side.took(0))
    assert len(decode_wanted(wish)) == RECORDS_WANTED_MAX


def test_records_are_served_in_one_answer_when_the_stream_has_room():
    side = Side()
    side.link.feed.untaken_bytes = 2 * FEED_BYTES_MAX
    assert side.hear(Kind.RECORDS_WANTED, encode_wanted([record(1), record(2)])) == []
    side.link.feed.untaken_bytes = 0
    (load,) = side.repair.serve(side.link)
    assert load == LoadWhole(side.link.id, (record(1), record(2)), FEED_BYTES_MAX)
    assert side.repair.serve(side.link) == []
    big = RecordSnapshot(record(1), HEADS, bytes(3 << 20))
    found = WholeLoaded(side.link.id, (big,), (record(2),))
    report, *messages = side.repair.found(side.link, found)
    assert report == Report("error", "record_damaged", {"record": record(2).hex()})
    assert side.link.feed.untaken_bytes == sum(len(each.data) for each in messages)
    *answers, (kind, wish) = side.says(messages)
    assert [decode_records(body).is_last for _, body in answers] == [False] * 5 + [True]
    assert (kind, decode_wanted(wish)) == (Kind.RECORDS_WANTED, (record(2),)), "ours is damaged"
    side.link.feed.untaken_bytes = 0
    (load,) = side.hear(Kind.RECORDS_WANTED, encode_wanted([record(7)]))
    nothing = WholeLoaded(side.link.id, (), ())
    ((_, body),) = side.says(side.repair.found(side.link, nothing))
    assert decode_records(body) == Records(b"", is_last=True)


HEADS = (ChangeHash(bytes(32)),)
SNAPSHOT = next(encode_snapshots([RecordSnapshot(record(1), HEADS, b"garbage")]))


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (Kind.RECORDS, encode_records(b"", is_last=True), UnexpectedMessage),
        (Kind.RECORDS, encode_records(SNAPSHOT, is_last=True), UnexpectedMessage),
        (Kind.RECORDS_WANTED, encode_wanted([]), MalformedMessage),
        (Kind.RECORDS_WANTED, encode_wanted([record(1), record(1)]), MalformedMessage),
        (
            Kind.RECORDS_WANTED,
            encode_wanted([record(n) for n in range(RECORDS_WANTED_MAX + 1)]),
            LimitExceeded,
        ),
        (Kind.RANGES, b"\xc0", MalformedMessage),
    ],
)
def test_a15_what_nobody_asked_for_or_makes_no_sense_is_refused(
    kind: Kind, body: bytes, error: type[RemoteProtocolError]
):
    with pytest.raises(error):
        Side().hear(kind, body)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (encode_records(SNAPSHOT, is_last=True), ChangeRefused),
        (
            encode_records(
                next(encode_snapshots([RecordSnapshot(record(9), HEADS, b"x")])),
                is_last=False,
            ),
            UnexpectedMessage,
        ),
        (encode_records(b"\xc0", is_last=True), MalformedMessage),
        (encode_records(b"", is_last=False), MalformedMessage),
        (
            encode_records(
                next(encode_snapshots([RecordSnapshot(record(1), HEADS, bytes(1 << 20))])),
                is_last=True,
            ),
            MalformedMessage,
        ),
    ],
)
def test_an_answer_that_breaks_a_rule_is_refused(body: bytes, error: type[VaultError]):
    side = Side()
    side.asking(1)
    with pytest.raises(error):
        side.hear(Kind.RECORDS, body)


def test_a_peer_must_wait_for_answers():
    side = Side()
    side.hear(Kind.RECORDS_WANTED, encode_wanted([record(1)]))
    with pytest.raises(UnexpectedMessage):
        side.hear(Kind.RECORDS_WANTED, encode_wanted([record(2)]))
    body = encode_ranges([RangeSum(FIRST, None, bytes(16))])
    loads = [side.hear(Kind.RANGES, body) for _ in range(REPAIR_INBOX_MAX)]
    assert [len(each) for each in loads] == [1, 0, 0, 0], "one comparison at a time"
    with pytest.raises(UnexpectedMessage):
        side.hear(Kind.RANGES, body)


def test_a_repair_that_never_ends_meets_a_bound():
    side = Side()
    empty = encode_ranges(())
    for _ in range(REPAIR_MESSAGES_MAX):
        side.hear(Kind.RANGES, empty)
    with pytest.raises(LimitExceeded):
        side.hear(Kind.RANGES, empty)


def test_answers_are_bounded_by_what_was_asked_for_alone():
    side = Side()
    side.asking(1)
    side.link.mending.messages = REPAIR_MESSAGES_MAX
    side.hear(Kind.RECORDS, encode_records(b"", is_last=True))
    with pytest.raises(UnexpectedMessage):
        side.hear(Kind.RECORDS, encode_records(b"", is_last=True))


def test_equality_ends_a_repair_with_a_report():
    side = Side()
    side.differ()
    side.book[BOB_ID].verdict = Verdict.EQUAL
    side.book[BOB_ID].repaired = 4
    side.link.mending.rounds = REPAIR_ROUNDS_MAX
    (report,) = side.repair.consider(side.link, CONTENT)
    assert report == Report("warning", "repair_done", {"device": BOB_ID.hex(), "records": 4})
    assert side.repair.consider(side.link, CONTENT) == []
    assert side.link.mending.rounds == 0, "the next repair has all its searches again"


def test_what_is_durable_is_counted_and_shown_and_what_is_damaged_is_named():
    side = Side()
    staged = replace(STAGED, damaged=(record(5),))
    named = Report("error", "record_damaged", {"record": record(5).hex()})
    for restored, shown in ((2, [StatusChanged()]), (3, [StatusChanged()]), (0, [])):
        side.link.mending.staged = restored
        done = Done(staged, restored=restored)
        assert side.repair.took(side.link, done) == [named, *shown]
    assert side.book[BOB_ID].repaired == 5


def test_nothing_more_is_asked_for_while_an_answer_is_awaited():
    side = Side()
    side.asking(1)
    side.link.mending.want([record(2)])
    assert side.took(0) == []
    assert list(side.link.mending.wanted) == [record(2)]


def test_every_linked_device_is_asked_for_what_a_person_wants_repaired():
    side, other = Side(), Side()
    asked = RepairRequested(7, (record(1),), (), 0)
    *writes, answer = side.repair.asked([side.link, other.link], asked)
    assert answer == Answer(7, ())
    for end, write in zip((side, other), writes, strict=True):
        ((kind, wish),) = end.says([write])
        assert (kind, decode_wanted(wish)) == (Kind.RECORDS_WANTED, (record(1),))


def test_a_difference_that_others_corrected_meanwhile_is_not_applied_again():
    wrong = ((Fingerprint("notes", 7, 3), Fingerprint("notes", 5, 2)),)
    before = replace(CONTENT, fingerprints={"notes": Fingerprint("notes", 7, 3)})
    first = recounted(before, RecountJob(None, wrong, before.corrections))
    assert first.content.fingerprints == {"notes": Fingerprint("notes", 5, 2)}
    assert first.content.corrections == before.corrections + 1, "later ones go on from it"
    second = recounted(first.content, RecountJob(None, wrong, before.corrections))
    assert (second.batch, second.content) == (Batch(), first.content)
