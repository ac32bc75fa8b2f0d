"""A few bytes may change many large records, which are not loaded all in one go."""

from dataclasses import replace

from harness.pipelines import BOB, VAULT, Bench, one
from harness.world import put
from p2pvault.core import io
from p2pvault.core.steps import Step
from p2pvault.crdt.record import Record
from p2pvault.limits import TEXT_CHARACTERS_MAX
from p2pvault.protocol.journal import Entry, decode_entry
from p2pvault.types import AuthorId, LinkId

TEXT = "x " * (TEXT_CHARACTERS_MAX // 2)
RECORDS = 5
PORTIONS = 2
"""Two texts are more than a portion; the last of five goes with the batch."""


def large_records() -> tuple[Bench, Entry]:
    """Return a device with large records, none of them loaded, and an entry that changes all."""
    ada, bob = Bench(), Bench(BOB, "bob")
    for number, entry in enumerate(
        bob.written(*(put(f"notes/{n}", body=TEXT) for n in range(RECORDS)))
    ):
        ada.run(ada.entries(number, entry))
    ada.restart()
    after = bob.pipeline.durable.last_arrival
    bob.run(bob.edit(1, *(put(f"notes/{n}", n=1) for n in range(RECORDS))))
    (stored,) = bob.store.entries(after, 1)
    return ada, decode_entry(stored.data, VAULT)


def turn(bench: Bench, step: Step) -> Step:
    """Answer the load of a step."""
    load = one(step, io.LoadRecords)
    assert isinstance(load, io.LoadRecords)
    return bench.load(load)


def numbers(bench: Bench) -> list[object]:
    rows = bench.store.records([row.id for row in bench.store.rows("notes", None, 99)])
    loaded = [Record.load(AuthorId(bytes(16)), each.chunks, each.row.heads) for each in rows]
    return [record.value().get("n") for record in loaded]


def test_many_large_records_are_loaded_in_portions_and_changed_together() -> None:
    ada, entry = large_records()
    step = ada.entries(99, entry)
    for _ in range(PORTIONS):
        step = turn(ada, step)
        again = one(step, io.LoadRecords)
        assert isinstance(again, io.LoadRecords)
        assert not again.ids, "nothing but a turn of others"
    step = turn(ada, step)
    assert isinstance(one(step, io.Persist), io.Persist)
    ada.run(step)
    assert numbers(ada) == [1] * RECORDS


def test_a_damaged_one_among_them_is_left_to_the_batch() -> None:
    ada, entry = large_records()
    (stored,) = ada.store.records([entry.body.changes[0][0]])
    ada.store.damage(replace(stored, row=replace(stored.row, heads=())))
    steps = ada.run(ada.entries(99, entry))
    (done,) = [step.done for step in steps if step.done is not None]
    assert done.staged.damaged == (stored.row.id,)


def test_an_entry_whose_link_ends_meanwhile_is_dropped() -> None:
    ada, entry = large_records()
    step = turn(ada, ada.entries(99, entry))
    ada.pipeline.abandon(LinkId(99))
    assert turn(ada, step).effects == []
    assert ada.pipeline.is_idle
    assert numbers(ada) == [None] * RECORDS
