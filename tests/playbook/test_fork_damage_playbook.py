"""A branch that has to go, with a record in it whose copy here is damaged."""

from dataclasses import replace

import pytest

from harness.damage import held
from harness.pairs import world_of
from harness.party import Party
from harness.pipelines import Bench, one
from harness.proofs import assert_proved, rest
from harness.world import World, put
from p2pvault.core import io
from p2pvault.core.jobs import RetractJob
from p2pvault.crdt.record import Record
from p2pvault.types import StoredRecord


def spoiled(stored: StoredRecord, at: int) -> StoredRecord:
    """Return a record with a bit turned in one of its chunks."""
    chunk = bytearray(stored.chunks[at])
    chunk[-1] ^= 1
    chunks = list(stored.chunks)
    chunks[at] = bytes(chunk)
    return replace(stored, chunks=tuple(chunks))


def parted(count: int = 2) -> tuple[World, list[Party]]:
    """Return devices of which the first was put back, unnoticed, while it was parted from bob."""
    world, parties = world_of(count)
    ada, bob = parties[:2]
    world.put(ada, "notes/old", before="a")
    world.pass_time(30)
    copy = world.copy(ada)
    for other in parties[2:]:
        world.offline(other)
    world.put(ada, "notes/lost", text="first life")
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


def step_of(bench: Bench, chunks_of, entries_after: int = 1):
    """Retract the second entry of a bench's journal, with its record as some damage left it."""
    load = one(bench.pipeline.submit(RetractJob(bench.journal.author, 2)), io.LoadBranch)
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
