"""Headers and forks: a number that nobody signed proves nothing, and gives way."""

from dataclasses import replace

import pytest

from harness.headers import forged, signed_by
from harness.pairs import entries_of, is_gone, link_of, say, world_of
from harness.proofs import assert_proved
from p2pvault.core import asks, io
from p2pvault.core.at_once import EraseJob
from p2pvault.core.jobs import RetractJob
from p2pvault.core.kinds import Kind
from p2pvault.core.retraction import branch_of
from p2pvault.errors import LimitExceeded
from p2pvault.limits import BACKOFF_MAX_S, FORK_CHANGES_MAX, IDLE_S, JOURNALS_PER_DEVICE_MAX
from p2pvault.node.reading import load_branch, load_hashes, load_records
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.journal import author_id, outside_of
from p2pvault.protocol.reconcile import Have, Verdict, encode_have
from p2pvault.types import EntryHash, JournalHead, JournalId, StoredEntry
from p2pvault.wire.codec import pack, unpack

JUNK = EntryHash(b"z" * 32)


def forget(world, party, collection):
    return world.ask(party, lambda n: asks.ForgetRequested(n, collection))


def silence(party):
    party.device.handle = lambda now, given: []


def claims(author, n):
    return Kind.HAVE, encode_have(Have((JournalHead(author, n, JUNK),), bytes(range(32))))


def of(word, author, *rest, entry=b""):
    return Kind.FORK, encode_fork(Fork(word, author, *rest, entry=entry))


def test_a_header_is_no_proof_of_a_fork():
    world, (ada, bob, cyd) = world_of(3)
    for number in range(4):
        world.put(ada, f"notes/{number}", text="x")
    world.pass_time(20)
    author = ada.device.pipeline.author
    n = ada.device.pipeline.durable.journals[author].n
    header = forged(ada, bob, author, "notes")
    silence(bob)
    link = link_of(ada, bob)
    say(world, bob, ada, claims(author, n + 1), of(Word.CONTESTED, author))
    world.until(lambda: link.talk.narrowing is not None)
    asked = link.talk.narrowing.asked
    say(world, bob, ada, of(Word.ANSWER, author, asked, (JUNK,) * len(asked)))
    world.until(lambda: link.talk.narrowing.common is not None)
    say(world, bob, ada, of(Word.PROOF, author, (n + 1,), entry=header))
    world.run()
    assert is_gone(link)
    world.offline(bob)
    world.pass_time(120)
    assert not ada.reported("fork_mended")
    assert len(world.values(ada)) == 4
    assert ada.verdict(cyd) is Verdict.EQUAL


def test_a_header_of_the_journal_that_is_being_written_is_passed_over():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    author, before = ada.device.pipeline.author, ada.device.pipeline.durable.journals
    link = say(world, bob, ada, (Kind.ENTRIES, encode_entries([forged(ada, bob, author, "notes")])))
    world.run()
    assert ada.device.pipeline.author == author, "no new journal on what nobody signed"
    assert ada.device.pipeline.durable.journals == before
    assert not is_gone(link)
    world.put(ada, "notes/one", text="b")
    world.pass_time(IDLE_S)
    assert_proved(world)


def test_a_header_makes_no_word_believed_again():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(5)
    for number in range(4):
        author = ada.device.pipeline.author
        n = ada.device.pipeline.durable.journals[author].n
        say(world, bob, ada, claims(author, n + 1))
        world.run()
        world.put(ada, "notes/one", text=str(number))
        assert ada.device.pipeline.journals == 2
        say(world, bob, ada, (Kind.ENTRIES, encode_entries([forged(ada, bob, author, "notes")])))
        world.pass_time(BACKOFF_MAX_S)
    closed = next(a for a in ada.device.pipeline.durable.journals if a != author)
    assert ada.device.pipeline.durable.journals[closed].n > 1, "it was taken, and proves nothing"


def test_an_earlier_header_behind_a_later_one_makes_no_word_believed_again():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(5)
    author = ada.device.pipeline.author
    say(world, bob, ada, claims(author, 2))
    world.run()
    world.put(ada, "notes/one", text="b")
    first = forged(ada, bob, author, "notes")
    device, journal, n, _, *signed, names = unpack(first)
    second = pack([device, journal, n + 1, signed[0], *signed, names])
    both = [(Kind.ENTRIES, encode_entries(each)) for each in ([first, second], [first])]
    say(world, bob, ada, *both)
    world.pass_time(BACKOFF_MAX_S)
    journals, current = ada.device.pipeline.durable.journals, ada.device.pipeline.author
    assert journals[author].n == 3
    say(world, bob, ada, claims(current, journals[current].n + 1))
    world.run()
    assert ada.device.pipeline.author == current


def test_a_header_is_not_shown_as_a_proof():
    world, (ada, phone) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(IDLE_S)
    forget(world, phone, "notes")
    world.pass_time(1)
    (data,) = entries_of(phone)
    assert outside_of(data) == ("notes",)
    author = ada.device.pipeline.author
    said = io.LoadHashes(link_of(phone, ada).id, author, (1,), "prove")
    assert load_hashes(phone.store, said).entry == b""
    assert load_hashes(ada.store, said).entry == entries_of(ada)[0]


def test_whoever_holds_headers_only_gives_way_to_a_branch_that_others_hold():
    """The phone can prove nothing; bob holds what the author wrote in its second life."""
    world, (ada, bob, phone) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(IDLE_S)
    forget(world, phone, "notes")
    world.pass_time(1)
    copy = world.copy(ada)
    world.offline(bob)
    world.put(ada, "notes/lost", text="first life")
    world.pass_time(1)
    world.part(ada, phone)
    world.restore(ada, copy)
    world.online(bob)
    world.part(bob, phone)
    world.put(ada, "notes/new", text="second life")
    world.pass_time(IDLE_S)
    assert ada.verdict(bob) is Verdict.EQUAL
    world.mend()
    world.heal()
    world.pass_time(3 * BACKOFF_MAX_S)
    for one, other in ((ada, bob), (bob, phone), (phone, ada)):
        assert one.verdict(other) is other.verdict(one) is Verdict.EQUAL, (one.name, other.name)
    assert world.value(bob, "notes/new") == {"text": "second life"}
    assert not ada.reported("fork_mended"), "what others hold did not go"
    assert phone.reported("fork_mended")


@pytest.mark.heavy
def test_a_branch_of_headers_is_bounded_work():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    members = ada.device.members
    hash_, signature = signed_by(ada, bob)
    author = author_id(members.device, JournalId(b"j" * 16))
    fields = [members.device, b"j" * 16, 1, bytes(32), hash_, signature, ["notes"]]
    entry = StoredEntry(1, author, 1, hash_, pack(fields))
    with pytest.raises(LimitExceeded):
        branch_of([entry] * (FORK_CHANGES_MAX + 1), author, 1, members.vault)


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_about_to_be_erased_goes_with_its_branch_and_is_not_repeated(damaged: bool):
    """A step of erasing that was found before the retraction does nothing after it."""
    world, (ada, _, phone) = world_of(3)
    world.put(ada, "contacts/eve", phone="1")
    world.put(ada, "notes/one", text="a")
    world.pass_time(IDLE_S)
    phone.unreadable = True
    world.give(phone, asks.ForgetRequested(901, "notes"))
    world.until(lambda: phone.reported("erasing_failed"))
    phone.unreadable = False
    pipeline = phone.device.pipeline
    turn, author = pipeline.durable.interest.turn, ada.device.pipeline.author
    rows = tuple(phone.store.rows("notes", None, 10))
    assert rows
    (load,) = pipeline.submit(RetractJob(author, 2)).effects
    branch = pipeline.branch_loaded(load_branch(phone.store, load)).effects[0]
    around = phone.device._circumstances(world.now)
    read = load_records(phone.store, branch)
    if damaged:
        torn = [replace(stored, chunks=(b"nothing",)) for stored in read.records]
        read = replace(read, records=torn)
    (made,) = pipeline.loaded(read, around).effects
    phone.store.persist(made.batch)
    assert pipeline.persisted(made.id).done.staged.damaged == ()
    (persist,) = pipeline.submit(EraseJob(turn, rows)).effects
    assert isinstance(persist, io.Persist)
    assert persist.batch.erased == ()
    assert phone.store.rows("notes", None, 10) == []
    assert world.value(phone, "contacts/eve") == {"phone": "1"}
    totals = {each.collection: each.total for each in phone.store.collections()}
    assert totals["notes"] == 0
    assert made.batch.entries == (), "nothing of it is repeated here"


def test_headers_begin_no_more_journals_of_a_device_than_it_may_have():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.run()
    hash_, signature = signed_by(ada, bob)
    made = [
        pack([ada.id, bytes([n]) * 16, 1, bytes(32), hash_, signature, ["notes"]])
        for n in range(1, JOURNALS_PER_DEVICE_MAX + 1)
    ]
    link = say(world, ada, bob, (Kind.ENTRIES, encode_entries(made[:-1])))
    world.run()
    assert not is_gone(link)
    say(world, ada, bob, (Kind.ENTRIES, encode_entries(made[-1:])))
    world.run()
    assert is_gone(link)
    owners = bob.device.pipeline.durable.devices.values()
    assert sum(owner == ada.id for owner in owners) == JOURNALS_PER_DEVICE_MAX
