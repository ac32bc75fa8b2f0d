"""Two branches of a journal whose author will not come any more: the devices decide."""

import pytest

from harness.branches import split_journal
from harness.pairs import is_gone, link_of, link_up, say, world_of
from harness.proofs import assert_proved
from harness.world import put
from p2pvault.core import asks
from p2pvault.core.kinds import Kind
from p2pvault.crdt.record import Record
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.journal import Journal, Writer, decode_entry, write_entry
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import EntryHash, RecordId


def parted(first=3, second=2, seed=0):
    """Let bob hold one branch of ada's journal and cyd another, build on them, and ada be gone."""
    world, parties = world_of(3, seed)
    ada, bob, cyd = parties
    world.put(ada, "notes/one", text="early")
    world.run()
    author = split_journal(world, parties, first, second)
    world.put(cyd, "notes/second", cyd="builds on it")
    world.online(bob)
    world.put(bob, "notes/first", bob="builds on it")
    world.pass_time(300)
    return world, ada, bob, cyd, author


def remove(world, party, gone):
    world.ask(party, lambda request: asks.RevokeRequested(request, gone.id.hex()))


def assert_one(world, ada, bob, cyd):
    """Check that the two are equal, and that nothing is lost that either held."""
    world.parties.remove(ada)
    assert_proved(world)
    for party in (bob, cyd):
        held = list(world.values(party).values())
        assert {"text": "early"} in held
        assert any(value.get("bob") == "builds on it" for value in held)
        assert any(value.get("cyd") == "builds on it" for value in held)
    forked = [party.reported("journal_forked") for party in (bob, cyd)]
    mended = [party.reported("fork_mended") for party in (bob, cyd)]
    assert all(forked)
    assert sum(map(len, mended)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_devices_that_removed_the_author_decide_when_they_meet(seed):
    world, ada, bob, cyd, _ = parted(seed=seed)
    remove(world, bob, ada)
    world.mend()
    world.pass_time(900)
    assert_one(world, ada, bob, cyd)


@pytest.mark.parametrize("seed", range(3))
def test_devices_that_are_linked_decide_when_the_author_is_removed(seed):
    world, ada, bob, cyd, _ = parted(seed=seed)
    world.mend()
    link_up(world, bob, cyd)
    world.pass_time(60)
    assert bob.verdict(cyd) is cyd.verdict(bob) is Verdict.CONTRADICTION
    remove(world, cyd, ada)
    world.pass_time(900)
    assert_one(world, ada, bob, cyd)


def test_it_does_not_matter_which_branch_is_the_longer_one():
    for first, second in ((1, 1), (1, 70), (70, 1)):
        world, ada, bob, cyd, _ = parted(first, second)
        remove(world, bob, ada)
        world.mend()
        world.pass_time(900)
        assert_one(world, ada, bob, cyd)


def test_the_branch_with_the_smaller_hash_stands_whoever_holds_it():
    world, ada, bob, cyd, author = parted()
    entries = [party.store.entries(0, 1 << 40) for party in (bob, cyd)]
    branches = [{e.n: e.hash for e in held if e.author == author} for held in entries]
    remove(world, cyd, ada)
    world.mend()
    world.pass_time(900)
    assert_one(world, ada, bob, cyd)
    stands = min(branches, key=lambda branch: branch[2])
    assert bob.device.pipeline.durable.journals[author].hash == stands[max(stands)]


@pytest.mark.parametrize("crash_at", range(1, 40, 3))
def test_a_crash_at_any_effect_while_it_is_decided_loses_nothing(crash_at):
    world, ada, bob, cyd, _ = parted()
    remove(world, bob, ada)
    for party in (bob, cyd):
        party.crash_at = party.effects_done + crash_at
    world.mend()
    world.pass_time(1_500)
    world.parties.remove(ada)
    assert_proved(world)


def test_edits_go_on_while_it_is_decided():
    world, ada, bob, cyd, _ = parted()
    remove(world, bob, ada)
    world.mend()
    for number in range(20):
        world.edit(bob, put(f"notes/bob{number}", text="under way"))
        world.edit(cyd, put(f"notes/cyd{number}", text="under way"))
        world.pass_time(1)
    world.pass_time(900)
    for party in (bob, cyd):
        for number in range(20):
            assert world.value(party, f"notes/bob{number}") == {"text": "under way"}
            assert world.value(party, f"notes/cyd{number}") == {"text": "under way"}
    assert_one(world, ada, bob, cyd)


# What a hostile member says about the journal of a device that is gone ----------------------


def least(n):
    """Return a hash that is smaller than any entry's."""
    return EntryHash(bytes(31) + bytes([n]))


def lied_to():
    """Let cyd say that it holds a branch of ada's journal that stands, up to bob's question."""
    world, (ada, bob, cyd) = world_of(3)
    for number in range(3):
        world.put(ada, f"notes/{number}", text="x")
    world.pass_time(20)
    author = ada.device.pipeline.author
    world.offline(ada)
    remove(world, bob, ada)
    world.pass_time(5)
    cyd.device.handle = lambda now, given: []
    link = link_of(bob, cyd)
    say(world, cyd, bob, (Kind.FORK, encode_fork(Fork(Word.CONTESTED, author))))
    world.until(lambda: link.talk.narrowing is not None)
    asked = link.talk.narrowing.asked
    answer = Fork(Word.ANSWER, author, asked, tuple(least(n) for n in asked))
    say(world, cyd, bob, (Kind.FORK, encode_fork(answer)))
    world.until(lambda: link.talk.narrowing.shown == 1)
    return world, bob, cyd, author, link


def first_of(party, author):
    return next(e.data for e in party.store.entries(0, 1 << 40) if (e.author, e.n) == (author, 1))


def prove(world, cyd, bob, author, data):
    proof = Fork(Word.PROOF, author, (1,), entry=data)
    say(world, cyd, bob, (Kind.FORK, encode_fork(proof)))
    world.run()
    assert not bob.reported("fork_mended")
    assert {row.name for row in bob.store.rows(None, None, 9)} == {"0", "1", "2"}


def test_without_an_entry_nothing_is_taken_out():
    world, bob, cyd, author, link = lied_to()
    prove(world, cyd, bob, author, b"")
    assert bob.reported("fork_not_mended")
    assert not is_gone(link)


def test_an_entry_that_is_held_here_proves_nothing():
    world, bob, cyd, author, link = lied_to()
    prove(world, cyd, bob, author, first_of(bob, author))
    assert is_gone(link)


def test_an_entry_that_its_author_did_not_sign_proves_nothing():
    world, bob, cyd, author, link = lied_to()
    members = cyd.device.members
    body = decode_entry(first_of(bob, author), members.vault).body
    journal = Journal(members.vault, body.device, body.journal)
    _, change = Record.create(author, "notes", "forged", {"a": 1})
    changes = [(RecordId(b"f" * 16), change)]
    forged = write_entry(Writer(journal, members.keys), None, members.heads, 0, changes)
    assert forged.author == author
    prove(world, cyd, bob, author, forged.data)
    assert is_gone(link)
