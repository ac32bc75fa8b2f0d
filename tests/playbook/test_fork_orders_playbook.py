"""A branch has to go, and its search cannot begin at once: it begins as soon as it can."""

from harness.pairs import is_gone, link_of, say, world_of
from p2pvault.core.kinds import Kind
from p2pvault.crdt.record import Record
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.journal import Journal, Writer, write_entry
from p2pvault.protocol.reconcile import Have, encode_have
from p2pvault.types import Doubt, EntryHash, JournalHead, JournalId, RecordId

JUNK = EntryHash(b"z" * 32)


def fork(word, author, *rest):
    return Kind.FORK, encode_fork(Fork(word, author, *rest))


def have(author, n, head=JUNK):
    return Kind.HAVE, encode_have(Have((JournalHead(author, n, head),), bytes(range(32))))


def entry_of(party):
    """Return the first entry of another journal of a device, and that journal."""
    first = written(party, None, RecordId(b"g" * 16))
    return first.author, first


def entry_after(party, entry):
    """Return the next entry of that journal."""
    return written(party, entry.head, RecordId(b"h" * 16))


def written(party, after, record):
    members = party.device.members
    writer = Writer(Journal(members.vault, members.device, JournalId(b"y" * 16)), members.keys)
    _, change = Record.create(writer.journal.author, "notes", "made", {"a": 1})
    return write_entry(writer, after, members.heads, 0, [(record, change)])


def asked_of(world, party, peer):
    """Go on until a device has asked a peer where branches part, and answer that it is nowhere."""
    link = link_of(party, peer)
    world.until(lambda: link.talk.narrowing is not None)
    asked = link.talk.narrowing.asked
    say(world, peer, party, fork(Word.ANSWER, link.talk.author, asked, (JUNK,) * len(asked)))
    world.run()


def silenced():
    """Let ada hold an entry of bob's that no HAVE has named, and hear nothing more of him."""
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.pass_time(30)
    author, entry = entry_of(bob)
    say(world, bob, ada, (Kind.ENTRIES, encode_entries([entry.data])))
    bob.device.handle = lambda now, given: []
    world.run()
    assert author in ada.device.pipeline.durable.journals
    return world, ada, bob, author, entry


def test_an_order_that_comes_before_the_branch_is_named_is_carried_out_then():
    """As from an author whose own branch is not durable yet when it meets the other one."""
    world, ada, bob, author, _ = silenced()
    say(world, bob, ada, fork(Word.CONTESTED, author), fork(Word.GIVE_WAY, author))
    world.run()
    link = link_of(ada, bob)
    assert link.talk.narrowing is None, "there is nothing to compare with yet"
    say(world, bob, ada, have(author, 1))
    asked_of(world, ada, bob)
    assert ada.reported("fork_mended")
    assert author not in ada.device.pipeline.durable.journals


def test_an_order_is_moot_where_the_author_turns_out_to_hold_the_same():
    world, ada, bob, author, entry = silenced()
    link = link_of(ada, bob)
    say(world, bob, ada, fork(Word.CONTESTED, author), fork(Word.GIVE_WAY, author))
    say(world, bob, ada, have(author, 1, entry.hash))
    world.run()
    assert link.talk.narrowing is None
    assert not is_gone(link)
    assert author in ada.device.pipeline.durable.journals


def test_a_second_journal_is_searched_once_the_first_search_has_ended():
    world, (ada, bob, _) = world_of(3)
    world.put(ada, "notes/one", text="early")
    world.pass_time(30)
    world.restore(ada, world.copy(ada), Doubt.COPIED)
    world.put(ada, "notes/one", text="late")
    world.pass_time(60)
    content = ada.device.pipeline.durable
    heads = [head for head in content.journals.values() if content.devices[head.author] == ada.id]
    bob.device.handle = lambda now, given: []
    say(world, bob, ada, *(have(head.author, head.n + 1) for head in heads))
    say(world, bob, ada, *(fork(Word.CONTESTED, head.author) for head in heads))
    asked_of(world, ada, bob)
    link = link_of(ada, bob)
    first = link.talk.author
    say(world, bob, ada, fork(Word.PROOF, first, (2,)))
    world.run()
    assert ada.reported("fork_not_mended")
    say(world, bob, ada, have(first, 3))
    asked_of(world, ada, bob)
    assert link.talk.searched == {head.author for head in heads}


def test_what_arrives_while_a_branch_is_searched_is_no_other_branch():
    """The author asks to give way where there is nothing to give way to, and writes on."""
    world, ada, bob, author, entry = silenced()
    link = link_of(ada, bob)
    say(world, bob, ada, have(author, 1, entry.hash), fork(Word.GIVE_WAY, author))
    world.until(lambda: link.talk.narrowing is not None)
    say(world, bob, ada, (Kind.ENTRIES, encode_entries([entry_after(bob, entry).data])))
    say(world, bob, ada, fork(Word.ANSWER, author, (1,), (entry.hash,)))
    world.run()
    assert is_gone(link)
    assert not ada.reported("fork_mended")
    assert ada.device.pipeline.durable.journals[author].n == 2
