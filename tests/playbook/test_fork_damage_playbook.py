"""A branch that has to go, with a record in it whose copy here is damaged."""

from dataclasses import replace

import pytest

from harness.damage import held, loaded, spoiled
from harness.pairs import world_of
from harness.party import Party
from harness.pipelines import BOB, Bench, bob, one
from harness.proofs import assert_proved, rest
from harness.world import World, put
from p2pvault.core import arrears, asks, io, pipeline
from p2pvault.core.arrears import ARREARS, Arrear, arrears_of
from p2pvault.core.interest import INTEREST, Interest
from p2pvault.core.jobs import RetractJob
from p2pvault.core.restore import SnapshotsJob
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import inspect_snapshot
from p2pvault.limits import UPKEEP_PAUSE_S
from p2pvault.protocol.journal import Writer, write_entry
from p2pvault.types import AuthorId, Batch, Doubt, LinkId, StoredEntry, StoredRecord


def parted(count: int = 2, **first_life: object) -> tuple[World, list[Party]]:
    """Return devices of which the first was put back, unnoticed, while it was parted from bob.

    Its first life edited `notes/old` so, unless it did not at all.
    """
    world, parties = world_of(count)
    ada, bob = parties[:2]
    world.put(ada, "notes/old", before="a")
    world.pass_time(30)
    copy = world.copy(ada)
    for other in parties[2:]:
        world.offline(other)
    world.put(ada, "notes/lost", text="first life")
    if first_life:
        world.put(ada, "notes/old", **first_life)
    world.offline(ada)
    world.offline(bob)
    world.restore(ada, copy)
    return world, parties


def spoil(world: World, party: Party, path: str, at: int) -> None:
    """Turn a bit of a record while its device is off."""
    world.offline(party)
    party.store.damage(spoiled(held(party.store, path), at))
    world.restart(party)


def met(world: World, *parties: Party) -> None:
    """Let devices meet one after the other, and become equal."""
    for party in parties:
        world.online(party)
        world.pass_time(60)
    rest(world, 600)
    assert_proved(world)
    assert not any(party.reported("fork_not_mended") for party in world.parties)


@pytest.mark.parametrize("at", [0, 1])
def test_a_damaged_record_that_began_in_the_branch_is_made_again_from_its_entries(at: int):
    world, (ada, bob) = parted()
    world.put(ada, "notes/new", text="second life")
    world.put(ada, "notes/new", more="of it")
    spoil(world, ada, "notes/new", at)
    met(world, ada, bob)
    assert world.value(bob, "notes/new") == {"text": "second life", "more": "of it"}
    assert world.value(ada, "notes/lost") == {"text": "first life"}
    assert not ada.reported("record_damaged"), "nothing of it is missing"


def test_a_damaged_change_that_goes_is_taken_from_its_entry():
    world, (ada, bob) = parted()
    world.put(ada, "notes/old", after="b")
    spoil(world, ada, "notes/old", 1)
    met(world, ada, bob)
    assert world.value(bob, "notes/old") == {"before": "a", "after": "b"}
    assert not ada.reported("record_damaged")


def test_a_record_that_is_damaged_where_no_entry_helps_is_left_and_fetched():
    world, (ada, bob, cyd) = parted(3)
    world.online(ada)
    world.online(cyd)
    world.put(ada, "notes/old", after="b")
    world.pass_time(30)
    world.offline(cyd)
    spoil(world, ada, "notes/old", 0)
    met(world, ada, bob, cyd)
    assert world.value(ada, "notes/old") == {"before": "a", "after": "b"}
    assert ada.reported("record_damaged")
    assert cyd.reported("fork_mended"), "who held it sound repeated it"


def owed(party: Party) -> list[str]:
    return [name for name in party.store.state().meta if name.startswith(ARREARS)]


def test_what_nobody_else_holds_of_a_damaged_record_is_repeated_once_it_is_fetched():
    world, (ada, bob) = parted()
    world.put(ada, "notes/old", after="b", nested={"one": 1, "two": {"three": 3}})
    world.edit(ada, asks.Edit("notes/old", deletes=[("nested", "one")], puts=[(("c",), True)]))
    spoil(world, ada, "notes/old", 0)
    world.offline(bob)
    world.put(bob, "notes/old", before="meanwhile")
    met(world, ada, bob)
    value = {"before": "meanwhile", "after": "b", "nested": {"two": {"three": 3}}, "c": True}
    assert world.value(bob, "notes/old") == value
    assert ada.reported("record_damaged")
    assert owed(ada) == []


def test_it_is_owed_over_a_restart():
    world, (ada, bob) = parted()
    world.put(ada, "notes/old", after="b")
    spoil(world, ada, "notes/old", 0)
    world.online(bob)
    world.online(ada)
    world.until(lambda: bool(ada.reported("fork_mended")))
    world.offline(bob)
    world.run()
    assert len(owed(ada)) == 1
    world.restart(ada)
    met(world, ada, bob)
    assert world.value(bob, "notes/old") == {"before": "a", "after": "b"}
    assert owed(ada) == []


def test_it_is_repeated_beside_what_stands_under_the_same_number():
    world, (ada, bob) = parted(first="life", before="A")
    world.put(bob, "notes/old", builds="on it")
    world.put(ada, "notes/old", second="life")
    spoil(world, ada, "notes/old", 0)
    world.online(ada)
    world.online(bob)
    met(world)
    value = {"before": "A", "first": "life", "builds": "on it", "second": "life"}
    assert world.value(bob, "notes/old") == value


def test_where_the_entry_that_began_it_is_not_shared_any_more_it_is_made_again():
    world, (ada, bob) = parted(first="life")
    world.put(bob, "notes/old", builds="on it")
    world.put(ada, "notes/old", second="life")
    spoil(world, ada, "notes/old", 0)
    world.pass_time(2 * UPKEEP_PAUSE_S)
    met(world, ada, bob)
    values = [value for value in world.values(bob).values() if "before" in value]
    assert {"before": "a", "second": "life"} in values
    assert {"before": "a", "first": "life", "builds": "on it"} in values


def test_a_deletion_that_nobody_else_holds_is_repeated():
    world, (ada, bob) = parted()
    world.edit(ada, asks.Edit("notes/old", remove=True))
    spoil(world, ada, "notes/old", 0)
    met(world, ada, bob)
    assert world.value(bob, "notes/old") is None
    assert owed(ada) == []


def test_what_others_hold_is_theirs_to_repeat_and_what_they_did_since_stands():
    world, (ada, bob, cyd) = parted(3)
    world.online(ada)
    world.put(ada, "notes/old", shared="old")
    world.put(cyd, "notes/old", beside="it")
    world.online(cyd)
    world.pass_time(60)
    world.offline(cyd)
    world.put(ada, "notes/old", own="ada's")
    spoil(world, ada, "notes/old", 0)
    world.put(cyd, "notes/old", shared="new")
    met(world, ada, bob, cyd)
    value = {"before": "a", "beside": "it", "shared": "new", "own": "ada's"}
    assert world.value(bob, "notes/old") == value
    assert owed(ada) == []


def test_more_than_can_be_kept_leaves_the_branch_contested(monkeypatch):
    world, (ada, bob) = parted()
    world.put(ada, "notes/old", after="b")
    spoil(world, ada, "notes/old", 0)
    monkeypatch.setattr(arrears, "ARREARS_BYTES_MAX", 100)
    world.online(bob)
    world.online(ada)
    world.pass_time(60)
    assert ada.reported("fork_not_mended")
    assert owed(ada) == []


def test_a_damaged_record_that_is_nowhere_afterwards_goes_whatever_is_wrong_with_its_entries():
    """Somebody made it a second time, which was not seen, as its copy was damaged by then."""
    bench, other = Bench(), bob()
    bench.written(put("notes/one", a=1), put("notes/two", b=2))
    (stored,) = bench.store.records([bench.store.find("notes", "two")[0].id])
    _, chunk = Record.create(other.journal.author, "notes", "two", {"lie": 1})
    made = write_entry(Writer(other.journal, BOB), None, (), 0, [(stored.row.id, chunk)])
    load = one(bench.pipeline.submit(RetractJob(bench.journal.author, 2)), io.LoadBranch)
    entries = bench.store.entries(1, 1 << 20)
    entries.append(StoredEntry(3, made.author, 1, made.hash, made.data))
    read = one(bench.pipeline.branch_loaded(io.BranchLoaded(load.load, entries)), io.LoadRecords)
    torn = replace(stored, chunks=(b"nothing",))
    persist = one(bench.loaded(io.RecordsLoaded(read.load, (torn,))), io.Persist)
    assert persist.batch.erased == (stored.row.id,)
    assert persist.batch.records == persist.batch.entries == ()
    assert bench.persist(persist).done.staged.damaged == (stored.row.id,)


def owing(*last: asks.Edit) -> tuple[Bench, StoredRecord]:
    """Return a bench that owes all edits of a record from the third on, and the record as it was.

    The third one is of the kind that reaches into what is nested, unless others are given.
    """
    bench = Bench()
    third = asks.Edit("notes/one", puts=[(("a", "x"), 3), (("c",), 4)], deletes=[("a", "y")])
    bench.written(put("notes/one", a={"x": 1, "y": 1}), put("notes/one", b=2))
    (row,) = bench.store.find("notes", "one")
    bench.written(*last or (third,))
    (before,) = bench.store.records([row.id])
    torn = replace(before, chunks=(b"nothing",))
    bench.run(step_of(bench, lambda _: torn, entries_after=2, n=3))
    assert len(owed_by(bench)) == 1
    bench.store.damage(torn)
    bench.restart()
    return bench, before


def as_of(
    bench: Bench, stored: StoredRecord, changes: int, actor: AuthorId | None = None
) -> Record:
    """Return a record as it was after so many changes; the bench goes on with it, or another."""
    heads = (inspect(stored.chunks[changes - 1]).hash,)
    return Record.load(actor or bench.journal.author, stored.chunks[:changes], heads)


def test_a_copy_that_lacks_what_the_owed_edits_need_is_taken_and_they_stay_owed():
    bench, before = owing()
    steps = bench.run(restored(bench, before, as_of(bench, before, 1)))
    assert steps[-1].done.staged.damaged == (before.row.id,)
    assert len(owed_by(bench)) == 1
    steps = bench.run(restored(bench, before, as_of(bench, before, 2)))
    assert len(steps[-1].done.staged.entries) == 1
    assert steps[-1].done.arrived == (), "the peer does not hold what is repeated here"
    assert owed_by(bench) == []
    (now,) = bench.store.records([before.row.id])
    assert loaded(now).value() == {"a": {"x": 3}, "b": 2, "c": 4}


def test_what_was_written_and_deleted_is_there_again_deleted():
    bench, before = owing(put("notes/one", c=4), asks.Edit("notes/one", remove=True))
    bench.run(restored(bench, before, as_of(bench, before, 2)))
    (now,) = bench.store.records([before.row.id])
    assert loaded(now).deleted
    assert loaded(now).value() == {"a": {"x": 1, "y": 1}, "b": 2, "c": 4}


def test_what_others_deleted_meanwhile_and_was_deleted_here_stays_so():
    bench, before = owing(put("notes/one", c=4), asks.Edit("notes/one", remove=True))
    elsewhere = as_of(bench, before, 2, bob().journal.author)
    elsewhere.delete()
    bench.run(restored(bench, before, elsewhere))
    (now,) = bench.store.records([before.row.id])
    assert loaded(now).deleted
    assert loaded(now).value() == {"a": {"x": 1, "y": 1}, "b": 2, "c": 4}


def test_nothing_is_repeated_in_what_is_not_kept():
    bench, before = owing()
    forgotten = Interest(forgotten=frozenset({"notes"})).to_bytes()
    bench.store.persist(Batch(meta={INTEREST: forgotten}))
    bench.restart()
    steps = bench.run(restored(bench, before, as_of(bench, before, 2)))
    assert len(owed_by(bench)) == 1
    assert [failed for step in steps for failed in step.failed] == []


def test_nothing_is_repeated_in_a_journal_that_peers_would_not_take(monkeypatch):
    bench, before = owing()
    monkeypatch.setattr(pipeline, "JOURNALS_PER_DEVICE_MAX", 0)
    bench.run(bench.pipeline.renew(Doubt.COPIED))
    bench.run(restored(bench, before, as_of(bench, before, 2)))
    assert len(owed_by(bench)) == 1


def test_what_two_retractions_took_is_repeated_in_one():
    first, second = Arrear(b"a", b"b"), Arrear(b"c", b"d")
    assert first.joined(second) == Arrear(b"ac", b"bd")
    assert arrears_of({ARREARS + "00" * 16: second.to_bytes()}) == {bytes(16): second}


def owed_by(bench: Bench) -> list[str]:
    return [name for name in bench.store.state().meta if name.startswith(ARREARS)]


def restored(bench: Bench, stored: StoredRecord, as_is: Record):
    """Let a copy of a record come, as a repair brings one."""
    snapshot = inspect_snapshot(as_is.snapshot(), as_is.heads)
    records = ((stored.row.id, snapshot),)
    return bench.pipeline.submit(SnapshotsJob(LinkId(5), bench.journal.device, records, 0))


def step_of(bench: Bench, chunks_of, entries_after: int = 1, n: int = 2):
    """Retract an entry of a bench's journal, with its record as some damage left it."""
    load = one(bench.pipeline.submit(RetractJob(bench.journal.author, n)), io.LoadBranch)
    entries = bench.store.entries(entries_after, 1 << 20)
    read = one(bench.pipeline.branch_loaded(io.BranchLoaded(load.load, entries)), io.LoadRecords)
    return bench.loaded(
        io.RecordsLoaded(read.load, [*map(chunks_of, bench.store.records(read.ids))])
    )


def test_what_is_sound_of_a_record_is_enough_where_the_entries_have_the_rest():
    bench = Bench()
    bench.written(put("notes/one", a=1), put("notes/one", b=2), put("notes/one", c=3))
    step = step_of(bench, lambda stored: replace(stored, chunks=stored.chunks[:1]))
    bench.run(step)
    (stored,) = bench.store.records([bench.store.find("notes", "one")[0].id])
    record = Record.load(bench.journal.author, stored.chunks, stored.row.heads)
    assert record.value() == {"a": 1, "b": 2, "c": 3}
    assert step.effects[0].batch.entries[0].n == 1, "in a journal of its own"
