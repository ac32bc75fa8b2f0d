"""A new journal: why it was drawn and where the old one ended, as it is kept over restarts."""

from harness.pairs import link_of, say, world_of
from harness.pipelines import Bench, one
from harness.proofs import assert_proved
from harness.world import put
from p2pvault.core import io
from p2pvault.core.kinds import Kind
from p2pvault.core.rollback import Memory, memory_of
from p2pvault.node.status import problems
from p2pvault.protocol.reconcile import Have, encode_have
from p2pvault.types import Doubt, EntryHash, JournalHead


def kept(bench: Bench) -> Memory:
    return memory_of(bench.store.state().meta)


def test_where_the_old_journal_ended_is_durable_with_the_new_one() -> None:
    bench = Bench()
    old = bench.pipeline.author
    bench.written(put("notes/one", a=1), put("notes/one", a=2))
    bench.run(bench.pipeline.renew(Doubt.PEER))
    bench.written(put("notes/two", b=1))
    assert kept(bench) == Memory(Doubt.PEER, {old: 2})


def test_what_is_on_its_way_to_the_store_is_counted_with_the_old_journal() -> None:
    bench = Bench()
    old = bench.pipeline.author
    bench.written(put("notes/one", a=1))
    load = one(bench.edit(1, put("notes/one", a=2)), io.LoadRecords)
    persist = one(bench.load(load), io.Persist)
    bench.run(bench.pipeline.renew(Doubt.PEER))
    bench.run(bench.persist(persist))
    bench.written(put("notes/two", b=1))
    assert kept(bench) == Memory(Doubt.PEER, {old: 2})


def test_a_notice_that_was_settled_does_not_come_back() -> None:
    world, (ada, _) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/one", text="late")
    world.restore(ada, copy)
    world.pass_time(120)
    assert_proved(world)
    assert ada.device.rollback.notice is None
    world.put(ada, "notes/two", text="after")
    world.restart(ada)
    assert ada.device.rollback.notice is None
    world.pass_time(120)
    assert [one.code for one in problems(ada.device)] == []


def test_who_forgot_all_that_it_wrote_draws_a_new_journal_on_the_first_word_of_it() -> None:
    world, (ada, bob) = world_of(2)
    author = ada.device.pipeline.author
    assert author not in ada.device.pipeline.durable.journals
    bob.device.handle = lambda now, given: []
    have = Have((JournalHead(author, 1, EntryHash(b"z" * 32)),), bytes(32))
    say(world, bob, ada, (Kind.HAVE, encode_have(have)))
    world.run()
    assert link_of(ada, bob).device == bob.id
    assert ada.device.pipeline.author != author
