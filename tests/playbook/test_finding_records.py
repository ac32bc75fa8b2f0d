"""Which records the store is asked for, and that none is missed whose state is under way."""

import pytest

from harness.memory_store import MemoryStore
from harness.pairs import only, world_of
from p2pvault.core import asks, io
from p2pvault.errors import AmbiguousPath
from p2pvault.node.reading import load_records
from p2pvault.types import Batch, ChangeHash, RecordId, RecordRow, RecordWrite


def stored(number: int, *, deleted: bool) -> RecordWrite:
    heads = (ChangeHash(bytes(32)),)
    row = RecordRow(RecordId(bytes([number]) * 16), "todo", "milk", deleted, heads)
    return RecordWrite(row, b"chunk", replaces=True)


def test_records_that_were_deleted_are_not_loaded_for_their_path():
    """A list whose items come and go has thousands of them under one path."""
    store = MemoryStore()
    store.persist(Batch(records=tuple(stored(n, deleted=n != 7) for n in range(1, 20))))
    by_path = load_records(store, io.LoadRecords(1, (), (("todo", "milk"),), ()))
    assert [record.row.id for record in by_path.records] == [RecordId(bytes([7]) * 16)]
    by_prefix = load_records(store, io.LoadRecords(1, (), (), ("0",)))
    assert [record.row.id for record in by_prefix.records] == [RecordId(bytes([7]) * 16)]


def test_a_deleted_record_is_loaded_where_it_is_asked_for_by_its_id():
    store = MemoryStore()
    store.persist(Batch(records=(stored(1, deleted=True),)))
    found = load_records(store, io.LoadRecords(1, (RecordId(b"\1" * 16),), (), ()))
    assert len(found.records) == 1


@pytest.mark.parametrize("seed", range(12))
def test_a_record_that_a_batch_under_way_brings_back_is_found_by_its_path(seed):
    """Ada deletes it, bob edits it meanwhile; ada edits the path while bob's entry is written."""
    world, (ada, bob) = world_of(2, seed, shuffled=True)
    world.put(ada, "todo/milk", n=1)
    world.part(ada, bob)
    world.ask(
        ada, lambda request: asks.EditRequested(request, (asks.Edit("todo/milk", remove=True),))
    )
    world.put(bob, "todo/milk", n=2)
    (row,) = bob.store.find("todo", "milk")
    ada.trace.clear()
    world.heal()
    world.until(lambda: any(each.batch.records for each in only(io.Persist, ada.trace)))
    world.give(ada, asks.EditRequested(999, (asks.Edit("todo/milk", ((("m",), 3),)),)))
    world.run()
    (edited,) = ada.answers[999]
    assert (edited.id, edited.created) == (row.id, False)
    assert world.value(ada, "todo/milk") == {"n": 2, "m": 3}


def test_all_that_lies_at_a_path_is_found_there_after_a_start():
    """Two devices made the same path apart; a person says which one by its id."""
    world, (ada, bob) = world_of(2)
    world.part(ada, bob)
    for party in (ada, bob):
        world.put(party, "todo/milk", by=party.name)
    world.heal()
    world.pass_time(60)
    ids = [row.id for row in ada.store.find("todo", "milk")]
    world.restart(ada)
    with pytest.raises(AmbiguousPath) as refused:
        world.put(ada, "todo/milk", n=1)
    assert all(record.hex() in str(refused.value) for record in ids)
    assert len(ids) == 2
    for record in ids:
        world.put(ada, f"id:{record.hex()}", n=1)
    assert all(value["n"] == 1 for value in world.values(ada).values())
