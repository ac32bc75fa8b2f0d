"""What is forgotten, and what else is under way at that moment."""

from dataclasses import replace

import pytest

from harness.headers import forged
from harness.pairs import world_of
from p2pvault.core import asks, io
from p2pvault.core.folding import FoldJob
from p2pvault.core.jobs import EntriesJob, paced, size_of
from p2pvault.errors import LimitExceeded
from p2pvault.limits import ENTRY_CHANGES_MAX, MESSAGE_WORK_MAX, WORK_PER_ENTRY
from p2pvault.node.reading import load_records
from p2pvault.protocol.journal import decode_entry
from p2pvault.types import LinkId


def test_nothing_reads_the_store_while_what_is_forgotten_is_erased():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    (row,) = bob.store.rows("notes", None, 10)
    bob.trace.clear()
    world.give(bob, asks.ForgetRequested(901, "notes"))
    world.until(lambda: any(isinstance(e, io.Persist) and e.batch.erased for e in bob.trace))
    assert bob.store.rows("notes", None, 10) == [row], "it is not durable yet"
    assert bob.device.pipeline.submit(FoldJob((row.id,))).effects == []
    world.run()
    assert bob.store.rows("notes", None, 10) == []
    assert bob.device.pipeline.is_idle


def test_headers_are_work_as_well():
    """Else all that fits into a message would be one step of the device."""
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.run()
    vault, author = ada.device.members.vault, ada.device.pipeline.author
    made = [forged(ada, bob, author, "notes", by=by) for by in range(1, 3_001)]
    headers = tuple(decode_entry(data, vault) for data in made)
    job = EntriesJob(LinkId(1), headers)
    assert size_of(job) == len(headers)
    with pytest.raises(LimitExceeded):
        paced(job)
    most = MESSAGE_WORK_MAX // WORK_PER_ENTRY
    assert paced(replace(job, entries=headers[:most]))[0].work == most * WORK_PER_ENTRY
    pipeline = bob.device.pipeline
    (load,) = pipeline.submit(EntriesJob(LinkId(1), headers[:1])).effects
    for entry in headers[1:]:
        pipeline.submit(EntriesJob(LinkId(1), (entry,)))
    around = bob.device._circumstances(world.now)
    (persist, following) = pipeline.loaded(load_records(bob.store, load), around).effects
    assert len(persist.batch.entries) == 1
    assert len(pipeline._loading.jobs) == ENTRY_CHANGES_MAX
    assert isinstance(following, io.LoadRecords)
