"""The pipeline: this job, exactly these loads and batches, in this order."""

from dataclasses import replace

from harness.entropy import seeded
from harness.pipelines import BOB, Bench, answered, bob, one
from harness.world import put
from p2pvault.core.asks import Edit
from p2pvault.core.at_once import PlainJob
from p2pvault.core.folding import FoldJob
from p2pvault.core.io import LoadRecords, Persist, RecordsLoaded
from p2pvault.errors import (
    AmbiguousPath,
    BadValue,
    CrdtError,
    NoSuchRecord,
    StoreCorrupt,
    StoreFull,
)
from p2pvault.limits import (
    CHUNKS_BEFORE_FOLD,
    EDIT_RECORDS_MAX,
    FOLD_BYTES_MIN,
    RECORDS_CACHED_MAX,
)
from p2pvault.types import Batch, LinkId


def test_an_edit_loads_its_record_then_persists_then_is_answered():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", text="x")), LoadRecords)
    assert (load.ids, load.paths, load.prefixes) == ((), (("notes", "one"),), ())
    step = bench.load(load)
    persist = one(step, Persist)
    assert (step.done, step.failed) == (None, [])
    assert bench.pipeline.durable.last_arrival == 0
    assert bench.pipeline.newest.last_arrival == 1
    assert [entry.n for entry in persist.batch.entries] == [1]
    assert [write.replaces for write in persist.batch.records] == [True]
    step = bench.persist(persist)
    assert step.effects == []
    ((request, (edited,)),) = step.done.answers
    assert (request, edited.path, edited.created, edited.fields) == (
        1,
        "notes/one",
        True,
        ("text",),
    )
    (change,) = step.done.staged.changes
    assert (change.path, change.kind, change.device) == ("notes/one", "new", bench.journal.device)
    assert bench.pipeline.durable.last_arrival == 1
    assert bench.pipeline.durable.records == 1


def test_nested_fields_of_a_new_record_are_named_with_dots():
    bench = Bench()
    edit = Edit("notes/one", [(("a", "b"), 1), (("a", "c"), {}), (("d",), 2)])
    steps = bench.run(bench.edit(1, edit))
    ((_, (edited,)),) = steps[-1].done.answers
    assert edited.fields == ("a.b", "a.c", "d")


def test_jobs_that_wait_behind_a_batch_become_one_batch():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", n=1)), LoadRecords)
    for request in (2, 3, 4):
        assert bench.edit(request, put(f"notes/{request}", n=request)).effects == []
    assert bench.pipeline.backlog == 4
    first, second = bench.load(load).effects
    assert isinstance(first, Persist)
    assert second.paths == (("notes", "2"), ("notes", "3"), ("notes", "4"))
    assert bench.load(second).effects == [], "it is staged while the first is at the store"
    persist = one(bench.persist(first), Persist)
    assert len(persist.batch.entries) == 1
    assert len(persist.batch.records) == 3
    step = bench.persist(persist)
    assert [request for request, _ in step.done.answers] == [2, 3, 4]


def test_a_batch_takes_no_more_edits_than_an_entry_holds():
    bench = Bench()
    load = one(bench.edit(0, put("notes/first", n=0)), LoadRecords)
    half = [put(f"notes/{n}", n=n) for n in range(EDIT_RECORDS_MAX // 2)]
    for request in (1, 2, 3):
        bench.edit(request, *half)
    _, load = bench.load(load).effects
    bench.load(load)
    assert bench.pipeline.backlog == 1


def test_edits_entries_and_plain_batches_keep_their_order_and_apart():
    bench, other = Bench(), bob()
    (entry,) = other.written(put("notes/bob", n=1))
    steps = [
        bench.edit(1, put("notes/one", n=1)),
        bench.pipeline.submit(PlainJob(7, Batch(meta={"a": b"b"}))),
        bench.entries(5, entry),
        bench.edit(2, put("notes/two", n=2)),
        bench.edit(3, put("notes/three", n=3)),
    ]
    done = [step.done for step in bench.run(steps[0]) if step.done is not None]
    assert [(d.answers and d.answers[0][0], d.plain, d.link) for d in done] == [
        (1, None, None),
        ((), 7, None),
        ((), None, LinkId(5)),
        (2, None, None),
    ]
    assert [request for request, _ in done[-1].answers] == [2, 3]
    assert bench.store.state().meta["a"] == b"b"


def test_entries_of_two_links_are_two_batches():
    bench, other = Bench(), bob()
    first, second, third = other.written(*(put(f"notes/{n}", n=n) for n in range(3)))
    start = bench.edit(1, put("notes/x", n=1))
    bench.entries(5, first)
    bench.entries(5, second)
    bench.entries(6, third)
    done = [step.done for step in bench.run(start) if step.done is not None]
    assert [(d.link, len(d.staged.entries)) for d in done] == [
        (None, 1),
        (LinkId(5), 2),
        (LinkId(6), 1),
    ]
    assert done[1].received_bytes == len(first.data) + len(second.data)


def test_a_record_made_in_a_batch_under_way_is_found_by_path_and_by_id():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", a=1)), LoadRecords)
    bench.edit(2, put("notes/one", b=2))
    first, load = bench.load(load).effects
    bench.loaded(RecordsLoaded(load.load, ()))
    step = bench.persist(first)
    identifier = step.done.answers[0][1][0].id
    second = one(step, Persist)
    load = one(bench.edit(3, Edit(f"id:{identifier.hex()[:20]}", [(("c",), 3)])), LoadRecords)
    bench.load(load)
    steps = bench.run(bench.persist(second))
    (found,) = steps[-1].done.answers[0][1]
    assert (found.id, found.created, found.fields) == (identifier, False, ("c",))
    assert bench.pipeline.durable.records == 1


def test_a_batch_that_became_durable_while_a_load_is_under_way_is_not_forgotten():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", a=1)), LoadRecords)
    bench.edit(2, put("notes/one", b=2))
    first, load = bench.load(load).effects
    bench.persist(first)
    persist = one(bench.loaded(RecordsLoaded(load.load, ())), Persist)
    step = bench.persist(persist)
    assert [edited.created for edited in step.done.answers[0][1]] == [False]


def test_two_records_that_arrive_with_one_path_make_it_ambiguous_before_they_are_durable():
    bench, other, third = Bench(), bob(), Bench(BOB, "third")
    entries = [*other.written(put("notes/one", a=1)), *third.written(put("notes/one", b=2))]
    load = one(bench.entries(5, *entries), LoadRecords)
    bench.edit(1, put("notes/one", c=3))
    _, load = bench.load(load).effects
    step = bench.loaded(RecordsLoaded(load.load, ()))
    (failed,) = step.failed
    assert isinstance(failed.error, AmbiguousPath)


def test_a_bad_edit_is_refused_and_those_beside_it_are_not():
    bench = Bench()
    load = one(bench.edit(0, put("notes/zero", n=0)), LoadRecords)
    bench.edit(1, put("notes/one", n=1))
    bench.edit(2, Edit("notes/none", remove=True))
    bench.edit(3, put("notes/three", n=3))
    steps = bench.run(bench.load(load))
    (failed,) = [failed for step in steps for failed in step.failed]
    assert (failed.job.request, type(failed.error)) == (2, NoSuchRecord)
    assert answered(steps) == [0, 1, 3]
    assert bench.store.count() == 3


def test_a_bad_edit_leaves_no_trace_of_its_good_part():
    bench = Bench()
    bench.run(bench.edit(1, put("notes/one", a=1)))
    bad = bench.run(
        bench.edit(2, put("notes/one", a=2), put("notes/one", a={"deep": float("nan")}))
    )
    assert isinstance(bad[-1].failed[0].error, BadValue)
    steps = bench.run(bench.edit(3, put("notes/one", a=1)))
    ((_, (edited,)),) = steps[-1].done.answers
    assert edited.fields == (), "it still is what it was"


def test_an_edit_that_changes_nothing_writes_nothing_and_is_answered():
    bench = Bench()
    bench.run(bench.edit(1, put("notes/one", a=1)))
    before = bench.store.state()
    steps = bench.run(bench.edit(2, put("notes/one", a=1)))
    assert answered(steps) == [2]
    assert bench.store.state() == before


def test_a_failed_batch_takes_the_one_staged_on_it_along():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", a=1)), LoadRecords)
    bench.edit(2, put("notes/one", b=2))
    bench.edit(3, put("notes/three", c=3))
    first, load = bench.load(load).effects
    bench.load(load)
    bench.edit(4, put("notes/one", d=4))
    step = bench.fail(first)
    assert [failed.job.request for failed in step.failed] == [1, 2, 3]
    assert all(isinstance(failed.error, StoreFull) for failed in step.failed)
    steps = bench.run(step)
    assert answered(steps) == [4]
    ((_, (edited,)),) = steps[-1].done.answers
    assert edited.created
    assert bench.pipeline.durable.last_arrival == 1


def test_a_failed_batch_makes_a_load_under_way_start_again():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", a=1)), LoadRecords)
    bench.edit(2, put("notes/one", b=2))
    first, stale = bench.load(load).effects
    step = bench.fail(first)
    assert step.effects == [], "the load under way is answered first"
    step = bench.loaded(RecordsLoaded(stale.load, ()))
    assert step.failed == []
    steps = bench.run(step)
    ((_, (edited,)),) = steps[-1].done.answers
    assert edited.created, "the record of the failed batch is not found any more"


def test_plain_batches_behind_a_failed_one_are_taken_back_with_it():
    bench = Bench()
    first = one(bench.pipeline.submit(PlainJob(1, Batch(meta={"a": b"1"}))), Persist)
    for name in (2, 3):
        bench.pipeline.submit(PlainJob(name, Batch(meta={"b": b"2"})))
    load = bench.edit(9, put("notes/one", a=1))
    step = bench.fail(first)
    assert [failed.job.name for failed in step.failed] == [1, 2, 3]
    assert load.effects == []
    assert answered(bench.run(step)) == [9]
    assert bench.store.state().meta.keys().isdisjoint("ab")


def test_plain_batches_outlive_a_failed_edit():
    bench = Bench()
    load = one(bench.edit(1, put("notes/one", a=1)), LoadRecords)
    bench.edit(2, put("notes/one", a=1))
    bench.pipeline.submit(PlainJob(7, Batch(meta={"a": b"1"})))
    first, _ = bench.load(load).effects
    step = bench.fail(first)
    assert [failed.job.request for failed in step.failed] == [1]


def test_a_load_that_fails_fails_its_jobs_and_the_next_go_on():
    bench = Bench()
    bench.edit(1, put("notes/one", a=1))
    bench.edit(2, put("notes/two", a=1))
    step = bench.pipeline.load_failed(StoreCorrupt("no"))
    assert [failed.job.request for failed in step.failed] == [1]
    assert answered(bench.run(step)) == [2]


def test_a_stored_record_that_does_not_load_fails_the_edit_and_not_the_device():
    bench = Bench()
    bench.run(bench.edit(1, put("notes/one", a=1)))
    bench.pipeline._replicas.clear()
    (stored,) = bench.store.records([row.id for row in bench.store.rows(None, None, 9)])
    torn = type(stored)(stored.row, (stored.chunks[0][:-1],))
    load = one(bench.edit(2, put("notes/one", b=1)), LoadRecords)
    step = bench.loaded(RecordsLoaded(load.load, (torn,)))
    assert isinstance(step.failed[0].error, CrdtError)
    assert answered(bench.run(bench.edit(3, put("notes/two", a=1)))) == [3]


def test_deleted_records_are_not_found_and_their_paths_are_free():
    bench = Bench()
    bench.run(bench.edit(1, put("notes/one", a=1)))
    steps = bench.run(bench.edit(2, Edit("notes/one", remove=True)))
    assert steps[-1].done.staged.changes[0].kind == "delete"
    bench.pipeline._replicas.clear()
    steps = bench.run(bench.edit(3, Edit("notes/one", remove=True)))
    assert isinstance(steps[-1].failed[0].error, NoSuchRecord)
    steps = bench.run(bench.edit(4, put("notes/one", b=1)))
    assert steps[-1].done.answers[0][1][0].created
    assert bench.pipeline.durable.records == 1


def test_a_record_of_many_chunks_is_named_and_folds_into_one():
    bench = Bench()
    crowded = []
    for n in range(CHUNKS_BEFORE_FOLD + 1):
        steps = bench.run(bench.edit(n, put("notes/one", n=n)))
        crowded.append(steps[-1].done.staged.crowded)
    assert not any(crowded[: CHUNKS_BEFORE_FOLD - 1])
    (row,) = bench.store.find("notes", "one")
    (before,) = bench.store.records([row.id])
    assert crowded[-1] == ((row.id, sum(map(len, before.chunks))),)
    content = bench.pipeline.durable
    done = bench.run(bench.pipeline.submit(FoldJob((row.id,))))[-1].done
    (after,) = bench.store.records([row.id])
    assert (after.row, len(after.chunks)) == (before.row, 1)
    assert bench.pipeline.durable == content
    assert (done.staged.changes, done.staged.crowded, done.link) == ((), (), None)
    bench.run(bench.edit(99, put("notes/one", n=99)))
    (after,) = bench.store.records([row.id])
    assert len(after.chunks) == 2


def test_a_record_with_a_long_tail_is_named_before_it_has_many_chunks():
    bench = Bench()
    for n in range(4):
        steps = bench.run(bench.edit(n, put("notes/one", blob=seeded(n)(2_000))))
    assert steps[-1].done.staged.crowded
    assert FOLD_BYTES_MIN < 8_000


def test_folding_waits_for_its_record_and_keeps_out_of_other_batches():
    bench = Bench()
    bench.run(bench.edit(1, put("notes/one", n=1)))
    bench.run(bench.edit(2, put("notes/one", n=2)))
    (row,) = bench.store.find("notes", "one")
    bench.pipeline._replicas.clear()
    load = one(bench.pipeline.submit(FoldJob((row.id,))), LoadRecords)
    assert load.ids == (row.id,)
    assert not bench.pipeline.is_idle
    bench.edit(3, put("notes/one", n=3))
    steps = bench.run(bench.load(load))
    batches = [step.done.staged.batch for step in steps if step.done is not None]
    assert [(len(b.records), len(b.entries), b.fingerprints == ()) for b in batches] == [
        (1, 0, True),
        (1, 1, False),
    ]
    assert bench.pipeline.is_idle


def test_a_damaged_record_is_not_folded():
    bench = Bench()
    bench.run(bench.edit(1, put("notes/one", n=1)))
    bench.run(bench.edit(2, put("notes/one", n=2)))
    (row,) = bench.store.find("notes", "one")
    bench.pipeline._replicas.clear()
    (stored,) = bench.store.records([row.id])
    load = one(bench.pipeline.submit(FoldJob((row.id,))), LoadRecords)
    torn = replace(stored, chunks=stored.chunks[:1])
    (failed,) = bench.loaded(RecordsLoaded(load.load, (torn,))).failed
    assert isinstance(failed.error, CrdtError)
    assert bench.store.records([row.id]) == [stored]


def test_the_cache_is_bounded_and_what_left_it_is_loaded_again():
    bench = Bench()
    for start in range(0, RECORDS_CACHED_MAX + 200, 100):
        edits = [put(f"notes/{n}", n=n) for n in range(start, start + 100)]
        bench.run(bench.edit(start, *edits))
    assert len(list(bench.pipeline._replicas)) <= RECORDS_CACHED_MAX
    steps = bench.run(bench.edit(9, put("notes/0", more=1)))
    assert steps[-1].done.answers[0][1][0].fields == ("more",)


def test_a_record_that_a_load_counts_on_does_not_leave_the_cache_meanwhile():
    bench, other = Bench(), bob()
    (made,) = bench.written(put("notes/old", a=1))
    other.run(other.entries(5, made))
    (edit,) = other.written(put("notes/old", b=2))
    crowd = [put(f"notes/{n}", n=n) for n in range(RECORDS_CACHED_MAX + 1)]
    persist = one(bench.load(one(bench.edit(1, *crowd), LoadRecords)), Persist)
    load = one(bench.entries(5, edit), LoadRecords)
    assert load.ids == (), "it is in the cache"
    bench.persist(persist)
    step = bench.loaded(RecordsLoaded(load.load, ()))
    assert step.failed == []
    assert one(step, Persist).batch.records[0].row.name == "old"


def test_nobody_who_watches_means_no_work_for_watchers():
    bench = Bench()
    bench.pipeline.watched = False
    steps = bench.run(bench.edit(1, put("notes/one", a=1)))
    assert steps[-1].done.staged.changes == ()


def test_an_edit_back_to_life_is_news_of_a_new_record():
    bench, other = Bench(), bob()
    (made,) = bench.written(put("notes/one", a=1))
    other.run(other.entries(5, made))
    (deletion,) = bench.written(Edit("notes/one", remove=True))
    (edit,) = other.written(put("notes/one", b=2))
    bench.run(bench.entries(5, edit))
    steps = other.run(other.entries(5, deletion))
    assert steps[-1].done.staged.changes[0].kind == "edit", "who did not know of it wins"
    assert bench.pipeline.durable.digest == other.pipeline.durable.digest
    assert bench.pipeline.durable.records == other.pipeline.durable.records == 1
