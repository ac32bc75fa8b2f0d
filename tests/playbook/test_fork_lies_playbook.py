"""What a hostile member says and signs about forks, and how little comes of it."""

from harness.pairs import is_gone, link_of, say, world_of
from p2pvault.core.kinds import Kind
from p2pvault.crdt.record import Record
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.journal import Journal, Writer, write_entry
from p2pvault.protocol.reconcile import Have, encode_entries, encode_have
from p2pvault.types import EntryHash, JournalHead, JournalId, RecordId

JUNK = EntryHash(b"z" * 32)


def of(word, author, *rest):
    return Kind.FORK, encode_fork(Fork(word, author, *rest))


def have(author, n, head=JUNK):
    return Kind.HAVE, encode_have(Have((JournalHead(author, n, head),), bytes(range(32))))


def silence(party):
    """Let a device do nothing any more, so that all that comes of it is what a test says."""
    party.device.handle = lambda now, given: []


def asked_of(world, party, liar):
    """Go on until a device has asked the liar where branches part, and return the numbers."""
    link = link_of(party, liar)
    world.until(lambda: link.talk.narrowing is not None)
    return link.talk.narrowing.asked


def test_a_second_answer_to_one_question_ends_the_link():
    for entries in (1, 100):
        world, (ada, bob) = world_of(2)
        for number in range(entries):
            world.put(bob, "notes/two", n=number)
        world.pass_time(30)
        author, link = bob.device.pipeline.author, link_of(ada, bob)
        silence(bob)
        say(world, bob, ada, have(author, entries + 1), of(Word.GIVE_WAY, author))
        asked = asked_of(world, ada, bob)
        answer = of(Word.ANSWER, author, asked, (JUNK,) * len(asked))
        say(world, bob, ada, answer, answer)
        world.pass_time(5)
        assert is_gone(link)


def test_a_branch_with_a_change_of_a_record_that_nobody_has_is_taken_out():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.pass_time(30)
    members = bob.device.members
    writer = Writer(Journal(members.vault, members.device, JournalId(b"y" * 16)), members.keys)
    author = writer.journal.author
    record, _ = Record.create(author, "notes", "ghost", {"a": 1})
    change = record.commit({"a": 2})
    entry = write_entry(writer, None, members.heads, 0, [(RecordId(b"g" * 16), change)])
    say(world, bob, ada, (Kind.ENTRIES, encode_entries([entry.data])))
    world.run()
    assert author in ada.device.pipeline.durable.journals
    silence(bob)
    say(world, bob, ada, have(author, 1), of(Word.GIVE_WAY, author))
    asked = asked_of(world, ada, bob)
    say(world, bob, ada, of(Word.ANSWER, author, asked, (JUNK,)))
    world.run()
    assert ada.reported("fork_mended")
    assert author not in ada.device.pipeline.durable.journals
    assert world.value(ada, "notes/one") == {"text": "early"}
