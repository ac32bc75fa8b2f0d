"""What a hostile member says and signs about forks, and how little comes of it."""

import pytest

from harness.pairs import is_gone, link_of, say, world_of
from harness.proofs import assert_proved
from p2pvault.core.kinds import Kind
from p2pvault.crdt.record import Record
from p2pvault.limits import JOURNALS_ON_WORD_MAX, JOURNALS_PER_DEVICE_MAX
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.journal import Journal, Writer, write_entry
from p2pvault.protocol.reconcile import Have, Verdict, encode_have
from p2pvault.types import Doubt, EntryHash, JournalHead, JournalId, RecordId

JUNK = EntryHash(b"z" * 32)


def of(word, author, *rest):
    return Kind.FORK, encode_fork(Fork(word, author, *rest))


def have(author, n, head=JUNK):
    return Kind.HAVE, encode_have(Have((JournalHead(author, n, head),), bytes(range(32))))


def proof(author, n, data):
    return Kind.FORK, encode_fork(Fork(Word.PROOF, author, (n,), entry=data))


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


def test_a_peer_is_believed_once_until_an_entry_shows_that_it_was_right():
    world, (ada, bob, cyd) = world_of(3)
    for number in range(20):
        world.put(ada, "notes/one", n=number)
        world.pass_time(100)
        author = ada.device.pipeline.author
        say(world, bob, ada, of(Word.CONTESTED, author))
        world.pass_time(2)
    assert ada.device.pipeline.journals == 2
    world.pass_time(100)
    assert world.value(cyd, "notes/one") == {"n": 19}


def test_lies_do_not_use_up_all_journals_however_often_a_device_restarts():
    world, (ada, bob) = world_of(2)
    for number in range(JOURNALS_ON_WORD_MAX + 3):
        world.put(ada, "notes/one", n=number)
        world.pass_time(60)
        say(world, bob, ada, have(ada.device.pipeline.author, 10**6))
        world.pass_time(2)
        world.restart(ada)
        world.pass_time(60)
    assert ada.device.pipeline.journals == JOURNALS_ON_WORD_MAX
    assert world.put(ada, "notes/one", n=-1)


def test_a_rolled_back_device_that_believes_nobody_is_shown_what_it_forgot():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/one", text="late")
    world.restore(ada, copy)
    ada.device.rollback._believed[bob.id] = ada.device.pipeline.author
    old = ada.device.pipeline.author
    world.pass_time(60)
    assert ada.device.pipeline.author != old
    assert world.value(ada, "notes/one") == {"text": "late"}
    assert ada.device.rollback._believed == {}
    world.put(ada, "notes/one", text="after")
    world.pass_time(60)
    assert_proved(world)


def test_two_branches_become_one_where_nobody_is_believed():
    world, (ada, bob) = world_of(2)
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/new", text="second life")
    ada.device.rollback._believed[bob.id] = ada.device.pipeline.author
    world.online(ada)
    world.pass_time(120)
    assert_proved(world)
    assert world.value(bob, "notes/new") == {"text": "second life"}
    assert world.value(ada, "notes/lost") == {"text": "first life"}


def next_of(ada, keys):
    """Write what comes next in ada's journal, and sign it."""
    pipeline, members = ada.device.pipeline, ada.device.members
    journal, head = pipeline._writer.journal, pipeline.durable.journals[pipeline.author]
    _, change = Record.create(pipeline.author, "notes", "elsewhere", {"a": 1})
    made = [(RecordId(b"f" * 16), change)]
    return write_entry(Writer(journal, keys), head, members.heads, 0, made)


def test_an_entry_of_ours_that_we_forgot_makes_us_draw_another_journal():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.run()
    author, forgotten = ada.device.pipeline.author, next_of(ada, ada.device.members.keys)
    link = say(world, bob, ada, (Kind.ENTRIES, encode_entries([forgotten.data])))
    world.run()
    assert not is_gone(link)
    assert ada.device.pipeline.author != author
    world.pass_time(60)
    assert world.value(ada, "notes/elsewhere") == {"a": 1}
    world.put(ada, "notes/one", text="late")
    world.restart(bob)  # whose device never held what was said in its name
    world.pass_time(60)
    assert_proved(world)


def test_an_entry_of_ours_that_we_did_not_sign_ends_the_link():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.run()
    author, forged = ada.device.pipeline.author, next_of(ada, bob.device.members.keys)
    link = say(world, bob, ada, (Kind.ENTRIES, encode_entries([forged.data])))
    world.run()
    assert is_gone(link)
    assert ada.device.pipeline.author == author


def lied_to():
    """Tell ada that bob holds another branch of her journal, up to where she asks for a proof."""
    world, (ada, bob, cyd) = world_of(3)
    for number in range(4):
        world.put(ada, f"notes/{number}", text="x")
    world.pass_time(20)
    author = ada.device.pipeline.author
    entry = ada.store.entries(0, 1 << 40)[-1]
    silence(bob)
    n = ada.device.pipeline.durable.journals[author].n
    return world, ada, bob, cyd, author, n, entry.data


def contradict(world, ada, bob, author, n):
    link = link_of(ada, bob)
    say(world, bob, ada, *([have(author, n)] if n else []), of(Word.CONTESTED, author))
    asked = asked_of(world, ada, bob)
    say(world, bob, ada, of(Word.ANSWER, author, asked, (JUNK,) * len(asked)))
    world.until(lambda: link.talk.narrowing is None or link.talk.narrowing.common is not None)
    return link


def check_unharmed(world, ada, bob, cyd):
    world.offline(bob)
    world.pass_time(120)
    assert not ada.reported("fork_mended")
    assert len(world.values(ada)) == len(world.values(cyd)) == 4
    assert ada.verdict(cyd) is cyd.verdict(ada) is Verdict.EQUAL


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_lie_about_our_journal_without_an_entry_takes_nothing_out(beyond):
    world, ada, bob, cyd, author, n, _ = lied_to()
    theirs = n + beyond
    link = contradict(world, ada, bob, author, theirs if beyond else 0)
    say(world, bob, ada, of(Word.PROOF, author, (link.talk.narrowing.theirs,)))
    world.run()
    assert ada.reported("fork_not_mended")
    assert not is_gone(link)
    assert link.talk.narrowing is None
    say(world, bob, ada, of(Word.CONTESTED, author))
    world.run()
    assert link.talk.narrowing is None, "it is searched for once a link"
    check_unharmed(world, ada, bob, cyd)


def test_an_entry_that_we_hold_proves_no_other_branch():
    world, ada, bob, cyd, author, n, entry = lied_to()
    link = contradict(world, ada, bob, author, 0)
    say(world, bob, ada, proof(author, n, entry))
    world.run()
    assert is_gone(link)
    check_unharmed(world, ada, bob, cyd)


def test_an_entry_with_another_number_or_another_signature_proves_nothing():
    world, ada, bob, cyd, author, n, entry = lied_to()
    link = contradict(world, ada, bob, author, n + 1)
    say(world, bob, ada, proof(author, n + 1, entry))
    world.run()
    assert is_gone(link)
    check_unharmed(world, ada, bob, cyd)

    world, ada, bob, cyd, author, n, entry = lied_to()
    forged = next_of(ada, bob.device.members.keys)
    link = contradict(world, ada, bob, author, n + 1)
    say(world, bob, ada, proof(author, n + 1, forged.data))
    world.run()
    assert is_gone(link)
    check_unharmed(world, ada, bob, cyd)


def test_a_proof_is_moot_once_another_link_led_to_the_retraction():
    world, ada, bob, cyd, author, _, _ = lied_to()
    link = contradict(world, ada, bob, author, 0)
    ada.device.forks._retracting.add(author)
    say(world, bob, ada, of(Word.PROOF, author, (link.talk.narrowing.theirs,)))
    world.run()
    assert not is_gone(link)
    assert link.talk.narrowing is None
    assert not ada.reported("fork_not_mended")
    check_unharmed(world, ada, bob, cyd)


def test_a_proof_is_moot_for_a_closed_journal_in_which_more_has_come_since():
    world, ada, bob, cyd, author, n, _ = lied_to()
    another = next_of(ada, ada.device.members.keys)
    link = contradict(world, ada, bob, author, n + 1)
    ada.device.rollback._memory.closed[author] = n - 1
    say(world, bob, ada, proof(author, n + 1, another.data))
    world.run()
    assert not is_gone(link)
    check_unharmed(world, ada, bob, cyd)


def test_a_proof_that_nobody_asked_for_ends_the_link():
    world, ada, bob, _, author, n, entry = lied_to()
    link = say(world, bob, ada, proof(author, n, entry))
    world.run()
    assert is_gone(link)


def test_an_entry_is_shown_once_a_link():
    world, (ada, bob) = world_of(2)
    world.put(bob, "notes/two", n=1)
    world.run()
    author = bob.device.pipeline.author
    silence(bob)
    link = say(world, bob, ada, of(Word.PROVE, author, (1,)))
    world.run()
    assert not is_gone(link)
    say(world, bob, ada, of(Word.PROVE, author, (1,)))
    world.run()
    assert is_gone(link)


def test_a_retraction_that_would_begin_a_journal_too_many_is_not_made():
    world, (ada, bob) = world_of(2)
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    for number in range(JOURNALS_PER_DEVICE_MAX):
        world.put(ada, "notes/one", n=number)
        world.restore(ada, world.copy(ada), Doubt.COPIED)
    world.online(ada)
    world.pass_time(600)
    assert ada.device.pipeline.journals == JOURNALS_PER_DEVICE_MAX
    assert ada.reported("fork_not_mended")
    assert not bob.reported("link_failed")
    assert ada.verdict(bob) is Verdict.CONTRADICTION
