"""What a peer may not say about forks, and what a hostile one gets."""

from dataclasses import replace

import pytest

from harness.pairs import is_gone, link_of, say, world_of
from harness.pipelines import Bench, one
from harness.proofs import assert_proved
from harness.world import put
from p2pvault.core import io
from p2pvault.core.jobs import EntriesJob, RetractJob
from p2pvault.core.kinds import Kind
from p2pvault.errors import CrdtError, StoreFull, UnexpectedMessage
from p2pvault.node import reading
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import AuthorId
from p2pvault.wire.codec import pack


def of(world, word, author, *rest):
    return Kind.FORK, encode_fork(Fork(word, author, *rest))


def written():
    world, (ada, bob, cyd) = world_of(3)
    for party in (ada, bob, cyd):
        world.put(party, f"notes/{party.name}", text="x")
    world.pass_time(30)
    return world, ada, bob, cyd


@pytest.mark.parametrize("word", [Word.CONTESTED, Word.GIVE_WAY])
def test_a_journal_that_nobody_knows_cannot_have_forked(word):
    world, ada, bob, _ = written()
    link = say(world, ada, bob, of(world, word, AuthorId(bytes(16))))
    world.run()
    assert is_gone(link)


def test_an_answer_that_nobody_asked_for_ends_the_link():
    world, ada, bob, _ = written()
    author = ada.device.pipeline.author
    link = say(world, ada, bob, of(world, Word.ANSWER, author, (1,), (bytes(32),)))
    world.run()
    assert is_gone(link)


def test_only_its_author_decides_about_a_journal():
    world, ada, bob, cyd = written()
    link = say(world, ada, bob, of(world, Word.GIVE_WAY, cyd.device.pipeline.author))
    world.run()
    assert is_gone(link)
    assert world.value(bob, "notes/cyd") == {"text": "x"}


def test_a_question_is_answered_and_a_second_one_has_to_wait():
    world, ada, bob, cyd = written()
    author = cyd.device.pipeline.author
    link = say(world, ada, bob, of(world, Word.ASK, author, (1, 9)))
    bob.trace.clear()
    world.until(lambda: any(isinstance(each, io.HashesLoaded) for each in bob.trace))
    (answer,) = (each for each in bob.trace if isinstance(each, io.HashesLoaded))
    assert answer.hashes == (bob.device.pipeline.durable.journals[author].hash, b"")
    world.run()
    again = of(world, Word.ASK, author, (1,))
    world.pass_time(30)
    link = say(world, ada, bob, again, again)
    world.run()
    assert is_gone(link)


def test_a_peer_that_only_says_that_a_journal_forked_changes_nothing():
    world, ada, bob, cyd = written()
    say(world, ada, bob, of(world, Word.CONTESTED, cyd.device.pipeline.author))
    world.run()
    assert bob.verdict(ada) is Verdict.CONTRADICTION
    assert bob.verdict(cyd) is Verdict.EQUAL
    assert world.values(bob) == world.values(ada)


def test_a_peer_that_lies_about_our_own_journal_makes_us_draw_another_and_no_more():
    world, ada, bob, _ = written()
    old = bob.device.pipeline.author
    say(world, ada, bob, of(world, Word.CONTESTED, old))
    world.run()
    assert bob.device.pipeline.author != old
    world.pass_time(60)
    assert not bob.reported("fork_mended")
    assert world.value(ada, "notes/bob") == {"text": "x"}


def test_an_unreadable_disk_ends_the_link_that_asked():
    world, ada, bob, cyd = written()
    bob.unreadable = True
    link = say(world, ada, bob, of(world, Word.ASK, cyd.device.pipeline.author, (1,)))
    world.run()
    assert is_gone(link)


def test_a_word_that_a_device_runs_twice_with_something_in_it_is_malformed():
    world, ada, bob, _ = written()
    link = say(world, ada, bob, (Kind.RUNS_TWICE, pack([1])))
    world.run()
    assert is_gone(link)
    assert bob.device.clones.told_by is None


def test_a_member_that_says_that_another_runs_twice_ends_their_link_only():
    world, ada, bob, cyd = written()
    say(world, ada, bob, (Kind.RUNS_TWICE, pack([])))
    world.run()
    assert bob.device.clones.told_by == ada.id
    assert bob.linked(cyd)
    world.pass_time(60)
    assert bob.device.clones.told_by is None, "proved equal with ada since"


def test_a_branch_that_is_too_long_stays_contested_and_the_link_stays(monkeypatch):
    world, (ada, bob) = world_of(2)
    copy = world.copy(ada)
    for number in range(4):
        world.put(ada, "notes/one", text=f"first life {number}")
    world.offline(ada)
    world.restore(ada, copy)
    for number in range(4):
        world.put(ada, "notes/two", text=f"second life {number}")
    # 16 MiB of entries would take minutes to write here.
    monkeypatch.setattr(reading, "FORK_BYTES_MAX", 600)
    world.online(ada)
    world.pass_time(300)
    assert ada.reported("fork_not_mended")
    assert not ada.reported("link_failed")
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.CONTRADICTION
    assert world.value(ada, "notes/two") == {"text": "second life 3"}
    monkeypatch.undo()
    world.restart(ada)
    world.pass_time(120)
    assert_proved(world)


def test_entries_that_build_on_nothing_end_their_link_once_the_check_finds_no_fork():
    world, ada, bob, _ = written()
    link, forks = link_of(ada, bob), ada.device.forks
    (entry,) = bob_entries(world, bob)
    head = ada.device.pipeline.durable.journals[entry.author]
    link.talk.checks = {entry.author: head}
    job = EntriesJob(link.id, (entry,))
    link.inbound.add(len(entry.data), entry.head)
    assert forks.excuse(link, job, StoreFull("no room")) is None
    assert forks.excuse(link, job, CrdtError("something is missing")) == []
    assert link.inbound.size == 0
    asked = io.LoadHashes(link.id, entry.author, (head.n,), "check")
    with pytest.raises(UnexpectedMessage, match="never sent"):
        forks.loaded(link, io.HashesLoaded(asked, (head.hash,)))


def test_entries_that_came_before_the_check_was_over_are_taken_on_the_next_link():
    world, ada, bob, _ = written()
    link, forks = link_of(ada, bob), ada.device.forks
    job = EntriesJob(link.id, tuple(bob_entries(world, bob)))
    assert forks.excuse(link, job, CrdtError("something is missing")) is None
    assert not ada.device.book[bob.id].unforked, "it could not build on another branch"
    assert forks.excuse(link, replace(job, whole=True), CrdtError("something is missing")) is None
    assert ada.device.book[bob.id].unforked


def bob_entries(world, bob):
    author = bob.device.pipeline.author
    stored = (entry for entry in bob.store.entries(0, 1 << 40) if entry.author == author)
    return [decode_entry(entry.data, bob.device.members.vault) for entry in stored]


def test_entries_that_a_retraction_took_away_are_not_waited_for():
    world, ada, bob, _ = written()
    link = link_of(ada, bob)
    world.give(ada, io.EntriesLoaded(link.id, ()))
    world.run()
    world.put(ada, "notes/more", text="still sent")
    assert world.value(bob, "notes/more") == {"text": "still sent"}


def test_a_record_that_cannot_be_rebuilt_leaves_everything_as_it_was():
    """What depends on the branch is in an entry that is not kept any more."""
    bench = Bench()
    bench.written(put("notes/one", a=1), put("notes/one", b=2), put("notes/one", c=3))
    before = bench.store.state()
    load = one(bench.pipeline.submit(RetractJob(bench.journal.author, 2)), io.LoadBranch)
    entries = bench.store.entries(1, 1)
    assert [entry.n for entry in entries] == [2]
    read = one(bench.pipeline.branch_loaded(io.BranchLoaded(load.load, entries)), io.LoadRecords)
    (failed,) = bench.load(read).failed
    assert isinstance(failed.error, CrdtError)
    assert bench.store.state() == before
    (entry,) = bench.written(put("notes/one", d=4))
    assert entry.body.n == 1, "the journal that was to be cut is left for good"
    assert bench.store.state().meta["journal"] == entry.body.journal
