"""What is forgotten, and what else is under way at that moment."""

from harness.pairs import world_of
from p2pvault.core import asks, io
from p2pvault.core.folding import FoldJob


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
