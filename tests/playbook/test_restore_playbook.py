"""Record snapshots through the pipeline: merged, written, counted, and told to watchers."""

import pytest

from harness.pipelines import Bench, bob, one
from harness.world import put
from p2pvault.core.content import Tally
from p2pvault.core.io import LoadRecords, Persist
from p2pvault.core.pipeline import Step
from p2pvault.core.restore import SnapshotsJob, paced_snapshots
from p2pvault.crdt.snapshot import Snapshot, inspect_snapshot
from p2pvault.errors import CrdtError, StoreFull
from p2pvault.limits import ENTRY_OPERATIONS_MAX
from p2pvault.types import DeviceId, LinkId, RecordId, RecordRow, StoredRecord

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


def test_a_snapshot_that_lies_fails_its_job_and_no_other():
    there, here = bob(), Bench()
    there.written(put("notes/one", n=1), put("notes/two", n=2))
    record, good = whole(there, "notes/one")
    _, other = whole(there, "notes/two")
    lie = Snapshot(good.heads, other.base, other.document, other.changes, 2, other.authors)
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
    def piece(number: int, operations: int) -> tuple[RecordId, Snapshot]:
        record = RecordId(number.to_bytes(16, "big"))
        return record, Snapshot((), (), b"", (), operations, frozenset())

    half = ENTRY_OPERATIONS_MAX // 2
    parts = paced_snapshots(
        job(piece(1, half), piece(2, half), piece(3, 2 * half + 1), piece(4, 1))
    )
    assert [len(part.records) for part in parts] == [2, 1, 1]
    assert [part.received_bytes for part in parts] == [0, 0, 99]
    parts = paced_snapshots(job(*[piece(n, 1) for n in range(2_500)]))
    assert [len(part.records) for part in parts] == [1_000, 1_000, 500]
