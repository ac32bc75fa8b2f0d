"""Record snapshots through the pipeline: merged, written, counted, and told to watchers."""

from dataclasses import replace

import pytest

from harness.pipelines import Bench, bob, one
from harness.world import put
from p2pvault.core import content
from p2pvault.core.content import FETCHING, JOURNAL_OWNER, Tally, content_of
from p2pvault.core.interest import INTEREST, Interest
from p2pvault.core.io import LoadRecords, Persist
from p2pvault.core.restore import SnapshotsJob, paced_snapshots
from p2pvault.core.steps import Step
from p2pvault.crdt.snapshot import Snapshot, inspect_snapshot
from p2pvault.errors import CrdtError, StoreFull
from p2pvault.limits import ENTRY_WORK_MAX
from p2pvault.protocol.bootstrap import CutHead, Fetching, encode_progress
from p2pvault.protocol.reconcile import UNSETTLED
from p2pvault.types import (
    AuthorId,
    Batch,
    DeviceId,
    EntryHash,
    LinkId,
    RecordId,
    RecordRow,
    StoredRecord,
)

PEER = DeviceId(b"p" * 32)


def held(bench: Bench, path: str) -> StoredRecord:
    (row,) = bench.store.find(*path.split("/"))
    (record,) = bench.store.records([row.id])
    return record


def whole(bench: Bench, path: str) -> tuple[RecordId, Snapshot]:
    record = held(bench, path)
    return record.row.id, inspect_snapshot(b"".join(record.chunks), record.row.heads)


def job(*records: tuple[RecordId, Snapshot], link: int = 7, received: int = 99) -> SnapshotsJob:
    return SnapshotsJob(LinkId(link), PEER, records, received)


def totals(bench: Bench) -> dict[str, tuple[int, int]]:
    """Count the fingerprints anew, from what the store holds."""
    tally = Tally(bytes(32), {})
    rows: list[RecordRow] = []
    for deleted in (False, True):
        rows += bench.store.rows(None, None, 10_000, deleted=deleted)
    for row in rows:
        tally.replace(None, row)
    return {print_.collection: (print_.total, print_.count) for print_ in tally.touched()}


def check_fingerprints(bench: Bench) -> None:
    stored = {f.collection: (f.total, f.count) for f in bench.store.collections()}
    assert stored == totals(bench)
    durable = bench.pipeline.durable.fingerprints
    assert {name: (f.total, f.count) for name, f in durable.items()} == stored


def last(steps: list[Step]) -> Step:
    return steps[-1]


def test_a_record_that_is_not_here_is_taken_as_it_came():
    there, here = bob(), Bench()
    there.written(put("notes/one", n=1), put("notes/one", n=2))
    load = one(here.pipeline.submit(job(whole(there, "notes/one"))), LoadRecords)
    assert load.ids == (held(there, "notes/one").row.id,)
    persist = one(here.load(load), Persist)
    (write,) = persist.batch.records
    assert (write.replaces, persist.batch.entries) == (True, ())
    assert write.chunk == b"".join(held(there, "notes/one").chunks)
    done = here.persist(persist).done
    assert done is not None
    assert (done.link, done.received_bytes) == (7, 99)
    ((change,)) = done.staged.changes
    assert (change.path, change.kind, change.device, change.fields) == (
        "notes/one",
        "new",
        PEER,
        ("n",),
    )
    assert held(here, "notes/one").row == held(there, "notes/one").row
    check_fingerprints(here)


def test_what_is_new_in_a_snapshot_is_appended_and_both_sides_changes_stay():
    there, here = bob(), Bench()
    first = there.written(put("notes/one", n=1))
    here.run(here.entries(7, *first))
    there.written(put("notes/one", m=2))
    here.written(put("notes/one", k=3))
    persist = None
    for step in here.run(here.pipeline.submit(job(whole(there, "notes/one")))):
        persist = next((e for e in step.effects if isinstance(e, Persist)), persist)
    assert persist is not None
    (write,) = persist.batch.records
    assert not write.replaces
    assert len(held(here, "notes/one").row.heads) == 2
    check_fingerprints(here)
    here.run(here.edit(5, put("notes/one", x=1)))
    assert len(held(here, "notes/one").row.heads) == 1


def test_a_snapshot_of_what_is_held_leaves_no_trace():
    there, here = bob(), Bench()
    here.run(here.entries(7, *there.written(put("notes/one", n=1))))
    before = here.store.state()
    step = last(here.run(here.pipeline.submit(job(whole(there, "notes/one")))))
    assert step.done is not None
    assert (step.done.staged.changes, step.done.staged.batch.records) == ((), ())
    assert here.store.state() == before


@pytest.mark.parametrize("damage", ["lost chunk", "garbage", "wrong heads"])
def test_a_damaged_record_is_replaced(damage: str):
    there, here = bob(), Bench()
    here.run(here.entries(7, *there.written(put("notes/one", n=1), put("notes/one", n=2))))
    good = held(here, "notes/one")
    chunks = {
        "lost chunk": good.chunks[1:],
        "garbage": (b"\x00" * 40,),
        "wrong heads": good.chunks[:1],
    }[damage]
    here.store.damage(StoredRecord(good.row, chunks))
    here.restart()
    step = last(here.run(here.pipeline.submit(job(whole(there, "notes/one")))))
    assert (step.failed, held(here, "notes/one").row) == ([], good.row)
    assert b"".join(held(here, "notes/one").chunks) == b"".join(good.chunks)
    check_fingerprints(here)


def test_the_stores_copy_counts_and_not_the_loaded_one():
    there, here = bob(), Bench()
    here.run(here.entries(7, *there.written(put("notes/one", n=1), put("notes/one", n=2))))
    good = held(here, "notes/one")
    here.store.damage(StoredRecord(good.row, (b"\x00" * 40,)))
    here.run(here.pipeline.submit(job(whole(there, "notes/one"))))
    assert b"".join(held(here, "notes/one").chunks) == b"".join(good.chunks)


def test_a_snapshot_that_lies_fails_its_job_and_no_other():
    there, here = bob(), Bench()
    there.written(put("notes/one", n=1), put("notes/two", n=2))
    record, good = whole(there, "notes/one")
    _, other = whole(there, "notes/two")
    lie = Snapshot(good.heads, other.base, other.document, other.changes, 2, 2, other.authors)
    here.pipeline.submit(job(whole(there, "notes/two")))
    steps = here.run(here.pipeline.submit(job((record, lie), received=5)))
    assert steps == [Step()], "it waits behind the first"
    steps = here.run(Step(effects=[LoadRecords(1, (), (), ())]))
    failed = [failed for step in steps for failed in step.failed]
    assert [type(each.error) for each in failed] == [CrdtError]
    assert here.store.find("notes", "two")
    assert not here.store.find("notes", "one")
    check_fingerprints(here)


def test_jobs_of_one_link_become_one_batch_and_those_of_others_do_not():
    there, here = bob(), Bench()
    there.written(*[put(f"notes/{n}", n=n) for n in range(4)])
    here.pipeline.submit(job(whole(there, "notes/0")))
    for n, link in ((1, 7), (2, 7), (3, 8)):
        here.pipeline.submit(job(whole(there, f"notes/{n}"), link=link, received=n))
    first, second = here.load(LoadRecords(1, (), (), ())).effects
    assert isinstance(second, LoadRecords)
    assert len(second.ids) == 2
    here.run(Step(effects=[first, second]))
    assert len(here.store.rows(None, None, 10)) == 4
    check_fingerprints(here)


def test_a_batch_that_was_refused_leaves_the_store_as_it_was():
    there, here = bob(), Bench()
    there.written(put("notes/one", n=1))
    load = one(here.pipeline.submit(job(whole(there, "notes/one"))), LoadRecords)
    step = here.fail(one(here.load(load), Persist))
    assert [type(failed.error) for failed in step.failed] == [StoreFull]
    assert here.pipeline.newest == here.pipeline.durable
    assert here.store.rows(None, None, 10) == []


def test_much_work_is_cut_into_parts_and_the_last_gives_the_bytes_back():
    def piece(number: int, work: int) -> tuple[RecordId, Snapshot]:
        record = RecordId(number.to_bytes(16, "big"))
        return record, Snapshot((), (), b"", (), 1, work, frozenset())

    half = ENTRY_WORK_MAX // 2
    parts = paced_snapshots(
        job(piece(1, half), piece(2, half), piece(3, 2 * half + 1), piece(4, 1))
    )
    assert [len(part.records) for part in parts] == [2, 1, 1]
    assert [part.received_bytes for part in parts] == [0, 0, 99]
    parts = paced_snapshots(job(*[piece(n, 1) for n in range(2_500)]))
    assert [len(part.records) for part in parts] == [1_000, 1_000, 500]


# All records of a cut ----------------------------------------------------------------------

CUT = (CutHead(AuthorId(b"j" * 16), PEER, 7, EntryHash(b"h" * 32)),)


def portion(after: RecordId | None, *records: tuple[RecordId, Snapshot]) -> SnapshotsJob:
    return SnapshotsJob(LinkId(7), PEER, records, 9, Fetching(CUT, after))


def two_records() -> list[tuple[RecordId, Snapshot]]:
    there = bob()
    there.written(put("notes/one", n=1), put("notes/two", n=2))
    return sorted([whole(there, "notes/one"), whole(there, "notes/two")], key=lambda it: it[0])


def test_how_far_a_cut_has_come_is_in_the_same_batch_as_its_records():
    here, (one_, two) = Bench(), two_records()
    for after, record in ((None, one_), (one_[0], two)):
        done = last(here.run(here.pipeline.submit(portion(after, record)))).done
        assert (done.fetched_bytes, done.received_bytes, done.restored) == (9, 9, 0)
        expected = Fetching(CUT, record[0])
        assert done.staged.batch.meta == {FETCHING: encode_progress(expected)}
        assert here.pipeline.durable.fetching == expected
        assert content_of(here.store.state()).fetching == expected
        assert here.pipeline.durable.digest == UNSETTLED


def test_records_behind_a_batch_that_failed_do_not_count_as_progress():
    here, (one_, two) = Bench(), two_records()
    load = one(here.pipeline.submit(portion(None, one_)), LoadRecords)
    here.pipeline.submit(portion(one_[0], two))
    first, load = here.load(load).effects
    failed = here.fail(first)
    assert [each.job.records for each in failed.failed] == [(one_,)]
    here.run(here.load(load))
    assert [stored.row.id for stored in here.store.records_behind(None, 1 << 20)] == [two[0]]
    unsettled = Fetching(CUT, None)
    assert here.pipeline.durable.fetching == unsettled, "a record is ahead of its journals"
    assert content_of(here.store.state()).fetching == unsettled


def test_a_portion_that_comes_again_does_not_take_progress_back():
    here, (one_, two) = Bench(), two_records()
    for after, record in ((None, one_), (one_[0], two), (None, one_)):
        here.run(here.pipeline.submit(portion(after, record)))
    assert here.pipeline.durable.fetching == Fetching(CUT, two[0])


def test_a_portion_of_another_cut_counts_from_its_beginning_only():
    here, (one_, two) = Bench(), two_records()
    here.run(here.pipeline.submit(portion(None, one_)))
    other = (CutHead(AuthorId(b"k" * 16), PEER, 1, EntryHash(b"h" * 32)),)
    later = SnapshotsJob(LinkId(7), PEER, (two,), 9, Fetching(other, one_[0]))
    here.run(here.pipeline.submit(later))
    assert here.pipeline.durable.fetching == Fetching(CUT, one_[0])
    begun = SnapshotsJob(LinkId(7), PEER, (one_,), 9, Fetching(other, None))
    here.run(here.pipeline.submit(begun))
    assert here.pipeline.durable.fetching == Fetching(other, one_[0], CUT)


def test_parts_of_a_portion_follow_one_another():
    one_, two = two_records()
    heavy = [(r, replace(s, work=ENTRY_WORK_MAX)) for r, s in (one_, two)]
    parts = paced_snapshots(portion(None, *heavy))
    assert [part.begins for part in parts] == [Fetching(CUT, None), Fetching(CUT, one_[0])]


def test_entries_whose_changes_a_record_has_already_leave_its_chunks_alone():
    there, here = bob(), Bench()
    entries = there.written(put("notes/one", n=1), put("notes/one", n=2))
    here.run(here.pipeline.submit(job(whole(there, "notes/one"))))
    before = held(here, "notes/one")
    done = last(here.run(here.entries(5, *entries))).done
    assert len(done.staged.entries) == 2
    assert done.staged.batch.records == ()
    assert held(here, "notes/one") == before
    check_fingerprints(here)


def test_snapshots_of_a_repair_are_no_part_of_a_cut():
    here, (one_, two) = Bench(), two_records()
    done = last(here.run(here.pipeline.submit(job(one_, two)))).done
    assert (done.fetched_bytes, done.received_bytes, done.restored) == (0, 99, 2)
    assert here.pipeline.durable.fetching is None


def test_what_an_adopted_cut_leads_to_is_what_the_store_says_after_a_restart():
    here = Bench()
    here.run(here.edit(1, put("notes/mine", n=1)))
    here.run(here.pipeline.submit(portion(None, *two_records())))
    cut, before = CUT[0], here.pipeline.durable
    assert before.fetching is not None
    meta = {JOURNAL_OWNER + cut.author.hex(): cut.device, FETCHING: None}
    batch = Batch(adopted=(cut.head,), meta=meta)
    here.store.persist(batch)
    adopted, again = content.after(before, batch), content_of(here.store.state())
    assert adopted.devices[cut.author] == cut.device, "a removal has to find its journals"
    for name in ("journals", "devices", "bases", "fetching", "digest", "last_arrival"):
        assert getattr(adopted, name) == getattr(again, name), name


def forget_notes(bench: Bench) -> None:
    """Forget a collection, as of now; what is here of it stays until it is erased."""
    forgotten = Interest(frozenset({"notes"}), erasing={"notes": 0})
    bench.store.persist(Batch(meta={INTEREST: forgotten.to_bytes()}))
    bench.restart()


def test_a_snapshot_that_was_asked_for_before_its_collection_was_forgotten_brings_nothing():
    here, (one_, two) = Bench(), two_records()
    forget_notes(here)
    steps = here.run(here.pipeline.submit(portion(None, one_, two)))
    assert (last(steps).failed, last(steps).done.staged.batch.records) == ([], ())
    assert not here.store.records([one_[0], two[0]])
    assert here.pipeline.durable.fingerprints == {}
    assert here.pipeline.durable.fetching == Fetching(CUT, two[0]), "the cut goes on behind them"


def test_a_snapshot_changes_nothing_of_a_record_that_is_about_to_be_erased():
    there, here = bob(), Bench()
    here.run(here.entries(7, *there.written(put("notes/one", n=1))))
    there.written(put("notes/one", n=2))
    forget_notes(here)
    before = held(here, "notes/one")
    done = last(here.run(here.pipeline.submit(job(whole(there, "notes/one"))))).done
    assert (done.staged.batch.records, done.staged.changes) == ((), ())
    assert held(here, "notes/one") == before
    check_fingerprints(here)
