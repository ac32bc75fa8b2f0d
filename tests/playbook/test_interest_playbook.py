"""Interest where a peer lies, a disk fails, or a journal forks: bounded, and put right again."""

import pytest

from harness.pairs import is_gone, link_of, say, world_of
from harness.world import World, put
from p2pvault.core import asks, io
from p2pvault.core.at_once import EraseJob
from p2pvault.core.interest import Interest
from p2pvault.core.jobs import RetractJob
from p2pvault.core.kinds import Kind
from p2pvault.errors import BadPath, OnlyHere, Refused
from p2pvault.limits import (
    BACKOFF_MAX_S,
    ERASE_RETRY_S,
    IDLE_S,
    INTEREST_COLLECTIONS_MAX,
    PARTIAL_COLLECTIONS_MAX,
    UPKEEP_PAUSE_S,
)
from p2pvault.node.reading import load_branch
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.interest import Interests, Statement
from p2pvault.protocol.journal import Journal, Writer, header_of, outside_of, write_entry
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Batch, JournalId, RecordId


def interest(party) -> Interest:
    return party.device.pipeline.durable.interest


def forget(world: World, party, collection: str, *, anyway: bool = False) -> object:
    return world.ask(party, lambda n: asks.ForgetRequested(n, collection, anyway))


def keep(world: World, party, collection: str) -> object:
    return world.ask(party, lambda n: asks.KeepRequested(n, collection))


def headers(party, *collections: str, count: int = 1) -> list[bytes]:
    """Return headers of entries that a device signs and nobody gets whole."""
    device = party.device
    journal = Journal(device.members.vault, party.id, JournalId(b"x" * 16))
    writer, after, made = Writer(journal, device.members.keys), None, []
    for _ in range(count):
        entry = write_entry(writer, after, (), 0, [(RecordId(b"r" * 16), b"change")])
        after = entry.head
        made.append(header_of(entry.data, collections))
    return made


def test_statements_that_contradict_each_other_end_the_link() -> None:
    world, (ada, bob) = world_of(2)
    body = Interests().say(Statement(frozenset({"notes"})))
    assert body is not None
    link = say(world, ada, bob, (Kind.INTEREST, body), (Kind.INTEREST, b"\x90"))
    world.run()
    assert is_gone(link)


def test_a_header_of_nobody_ends_the_link_and_changes_nothing() -> None:
    world, (ada, bob) = world_of(2)
    (header,) = headers(ada, "notes")
    before = bob.store.state().journals
    link = say(world, ada, bob, (Kind.ENTRIES, encode_entries([header[:-8] + b"\xa6people1"])))
    world.run()
    assert is_gone(link)
    assert bob.store.state().journals == before


def test_more_names_than_a_device_remembers_end_the_link() -> None:
    world, (ada, bob) = world_of(2)
    many = [f"c{number:03}" for number in range(200)]
    made = headers(ada, *many, count=1)
    world.run()
    for turn in range(PARTIAL_COLLECTIONS_MAX // 200 + 1):
        names = [f"{turn}{name}" for name in many]
        made = headers(ada, *names, count=turn + 1)
        link = say(world, ada, bob, (Kind.ENTRIES, encode_entries(made[-1:])))
        world.run()
    assert is_gone(link)
    assert len(interest(bob).partial) <= PARTIAL_COLLECTIONS_MAX


def test_a_header_leaves_a_mark_until_the_proof() -> None:
    world, (ada, bob) = world_of(2)
    say(world, ada, bob, (Kind.ENTRIES, encode_entries(headers(ada, "notes"))))
    world.run()
    assert interest(bob).partial == {"notes"}
    assert bob.verdict(ada) is not Verdict.EQUAL


def test_a_header_of_a_removed_device_is_refused_and_not_kept() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(cyd, "notes/one", text="a")
    made = headers(cyd, "notes", count=2)
    world.offline(cyd)
    world.ask(ada, lambda n: asks.RevokeRequested(n, cyd.id.hex()))
    world.pass_time(IDLE_S)
    say(world, ada, bob, (Kind.ENTRIES, encode_entries(made)))
    world.pass_time(1)
    assert bob.device.pipeline.durable.quarantine.rows == {}
    assert bob.device.pipeline.durable.quarantine.marks
    assert interest(bob).partial == set()
    world.put(ada, "notes/two", text="b")
    assert world.value(bob, "notes/two") == {"text": "b"}


def test_what_a_quarantined_entry_says_of_a_forgotten_collection_is_not_repeated() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(cyd, "contacts/eve", phone="1")
    world.pass_time(1)
    forget(world, bob, "notes")
    world.part(cyd, ada)
    world.part(cyd, bob)
    world.ask(ada, lambda n: asks.RevokeRequested(n, cyd.id.hex()))
    edits = (put("notes/late", text="x"), put("contacts/late", phone="2"))
    world.ask(cyd, lambda n: asks.EditRequested(n, edits))
    entry = cyd.store.entries(0, 1 << 40)[-1]
    world.pass_time(1)
    say(world, ada, bob, (Kind.ENTRIES, encode_entries([entry.data])))
    world.run()
    assert len(bob.device.pipeline.durable.quarantine.rows) == 1
    world.ask(bob, lambda n: asks.SettleQuarantine(n, None, repeat=True))
    world.pass_time(IDLE_S)
    assert world.value(bob, "contacts/late") == {"phone": "2"}
    assert world.value(ada, "contacts/late") == {"phone": "2"}
    assert world.value(bob, "notes/late") is None


def test_a_branch_of_headers_is_taken_out_again() -> None:
    """A rolled back author, and a phone that has headers of what it forgot."""
    world, (ada, bob, phone) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    forget(world, phone, "notes")
    copy = world.copy(ada)
    world.put(ada, "notes/two", text="b")
    world.put(ada, "contacts/eve", phone="1")
    world.offline(bob)
    world.restore(ada, copy)
    world.part(ada, phone)
    world.put(ada, "notes/three", text="c")
    world.mend()
    world.heal()
    world.pass_time(2 * BACKOFF_MAX_S)
    for one, other in ((ada, bob), (bob, phone), (phone, ada)):
        assert one.verdict(other) is Verdict.EQUAL, (one.name, other.name)
    assert world.value(phone, "contacts/eve") == world.value(ada, "contacts/eve") == {"phone": "1"}
    assert world.value(bob, "notes/three") == {"text": "c"}
    keep(world, phone, "notes")
    world.pass_time(2 * IDLE_S)
    assert interest(phone) == Interest(turn=interest(phone).turn, agreed=frozenset({"notes"}))
    assert world.values(phone) == world.values(ada) == world.values(bob)


def test_a_link_that_ends_while_its_word_is_awaited_ends_the_wait() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    link = link_of(bob, ada)
    world.strand(bob)
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.pass_time(1)
    assert 901 not in ada.answers
    world.pass_time(3 * IDLE_S)
    assert isinstance(ada.answers[901], OnlyHere)
    assert link_of(bob, ada) is not link
    assert interest(ada) == Interest()
    assert ada.verdict(bob) is Verdict.EQUAL


def test_an_edit_in_the_middle_of_forgetting_keeps_the_collection() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.edit(ada, put("notes/one", text="b"))
    world.edit(bob, put("notes/one", title="c"))
    world.pass_time(IDLE_S)
    assert type(ada.answers[901]) is Refused, "bob still vouches: nothing would have been lost"
    assert world.value(ada, "notes/one") == {"text": "b", "title": "c"}


def test_what_another_one_keeps_at_the_same_time_is_no_reason_to_fear_a_loss() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.put(ada, "photos/one", text="p")
    forget(world, bob, "photos")
    world.pass_time(1)
    world.give(bob, asks.KeepRequested(902, "photos"))
    world.until(lambda: interest(bob).partial == {"photos"})
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.pass_time(IDLE_S)
    assert type(ada.answers[901]) is Refused
    assert world.value(ada, "notes/one") == {"text": "a"}
    assert forget(world, ada, "notes") == ()


def test_one_that_differs_for_no_known_reason_is_no_help() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    ada.device.book[bob.id].verdict = Verdict.CONTRADICTION
    with pytest.raises(OnlyHere):
        forget(world, ada, "notes")


@pytest.mark.parametrize("name", ["", "a/b", "x" * 65])
def test_what_is_no_name_of_a_collection_is_refused(name: str) -> None:
    world, (ada, _) = world_of(2)
    for ask in (forget, keep):
        with pytest.raises(BadPath):
            ask(world, ada, name)


def test_what_is_so_already_is_answered_at_once() -> None:
    world, (ada, bob) = world_of(2)
    assert keep(world, ada, "notes") == ()
    forget(world, ada, "notes")
    turn = interest(ada).turn
    assert forget(world, ada, "notes") == ()
    assert interest(ada).turn == turn
    assert interest(bob) == Interest()


def test_there_is_a_bound_to_what_is_forgotten() -> None:
    world, (ada, _) = world_of(2)
    for number in range(INTEREST_COLLECTIONS_MAX):
        forget(world, ada, f"c{number}", anyway=True)
    with pytest.raises(Refused, match="at most"):
        forget(world, ada, "one more", anyway=True)


def test_a_device_without_others_keeps_again_without_a_mark() -> None:
    world = World()
    ada = world.found("ada")
    world.put(ada, "notes/one", text="a")
    forget(world, ada, "notes", anyway=True)
    keep(world, ada, "notes")
    assert interest(ada).partial == set()
    world.put(ada, "notes/two", text="b")


def test_a_proof_that_the_disk_refuses_comes_again() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    forget(world, bob, "notes")
    world.offline(bob)
    keep(world, bob, "notes")
    world.online(bob)
    world.until(lambda: world.value(bob, "notes/one") is not None)
    bob.disk_full = True
    world.pass_time(1)
    assert interest(bob).partial == {"notes"}
    bob.disk_full = False
    world.pass_time(2 * IDLE_S)
    assert interest(bob).partial == set()


def test_erasing_rests_while_the_store_cannot_be_read() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    request = 901
    world.give(bob, asks.ForgetRequested(request, "notes"))
    world.until(lambda: request in bob.answers)
    bob.unreadable = True
    world.pass_time(1)
    assert bob.reported("erasing_failed")
    assert interest(bob).erasing
    bob.unreadable = False
    world.put(bob, "contacts/eve", phone="1")
    world.pass_time(1)
    assert interest(bob).erasing == {}
    assert bob.store.rows("notes", None, 10) == []


def test_erasing_that_the_disk_refuses_goes_on_later() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.give(bob, asks.ForgetRequested(901, "notes"))
    world.until(lambda: 901 in bob.answers)
    bob.disk_full = True
    world.pass_time(1)
    assert bob.reported("erasing_failed")
    bob.disk_full = False
    world.put(bob, "contacts/eve", phone="1")
    world.pass_time(1)
    assert bob.store.rows("notes", None, 10) == []


@pytest.mark.parametrize("collection", ["notes", "photos"], ids=["a record", "nothing there"])
def test_erasing_that_the_disk_refuses_goes_on_where_nothing_else_is_written(collection) -> None:
    """Also where nothing is left but to say that it is done."""
    world = World()
    ada = world.found("ada")
    world.put(ada, "notes/one", text="a")
    world.pass_time(2 * UPKEEP_PAUSE_S)
    world.give(ada, asks.ForgetRequested(901, collection, anyway=True))
    world.until(lambda: 901 in ada.answers)
    ada.disk_full = True
    world.pass_time(1)
    assert interest(ada).erasing
    ada.disk_full = False
    world.pass_time(ERASE_RETRY_S)
    assert interest(ada).erasing == {}
    assert ada.store.rows(collection, None, 10) == []


def test_keeping_again_in_the_middle_of_erasing_stops_it() -> None:
    world, (ada, bob) = world_of(2)
    edits = tuple(put(f"notes/{number}", n=number) for number in range(200))
    world.ask(ada, lambda n: asks.EditRequested(n, edits))
    world.pass_time(1)
    world.give(bob, asks.ForgetRequested(901, "notes"))
    world.until(lambda: 0 < len(bob.store.rows("notes", None, 500)) < 200)
    world.give(bob, asks.KeepRequested(902, "notes"))
    world.pass_time(2 * IDLE_S)
    assert interest(bob).partial == interest(bob).forgotten == set()
    assert len(bob.store.rows("notes", None, 500)) == 200
    assert bob.verdict(ada) is Verdict.EQUAL


def test_an_acknowledged_forgetting_is_kept_over_a_restart() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.give(bob, asks.ForgetRequested(901, "notes"))
    world.until(lambda: 901 in bob.answers)
    world.restart(bob)
    world.pass_time(IDLE_S)
    assert interest(bob).forgotten == {"notes"}
    assert bob.store.rows("notes", None, 10) == []
    assert bob.verdict(ada) is Verdict.EQUAL
    assert not [each for each in bob.trace if isinstance(each, io.PersistFailed)]


def test_a_branch_of_which_a_keeper_has_headers_only_stays_contested() -> None:
    """What they changed may be in records here, by a fetch, and could not be taken out again."""
    world, (ada, bob) = world_of(2)
    say(world, ada, bob, (Kind.ENTRIES, encode_entries(headers(ada, "notes"))))
    world.run()
    branch = bob.store.entries(0, 1 << 40)[-1]
    pipeline = bob.device.pipeline
    (load,) = pipeline.submit(RetractJob(branch.author, branch.n)).effects
    assert isinstance(load, io.LoadBranch)
    step = pipeline.branch_loaded(load_branch(bob.store, load))
    assert [failed.error.code for failed in step.failed] == ["missing_changes"]


def test_two_that_lack_something_of_each_other_know_when_nobody_has_more() -> None:
    world, (ada, bob) = world_of(2)
    for party, other in ((ada, bob), (bob, ada)):
        say(world, party, other, (Kind.ENTRIES, encode_entries(headers(party, "notes"))))
        world.run()
    assert interest(ada).partial == interest(bob).partial == {"notes"}
    for party, other in ((ada, bob), (bob, ada)):
        entry = headers(party, "notes")
        say(world, other, party, (Kind.ENTRIES, encode_entries(entry)))
    world.pass_time(2 * IDLE_S)
    assert interest(ada).partial == interest(bob).partial == set()
    assert ada.verdict(bob) is Verdict.EQUAL


def test_one_of_two_vouchers_is_enough() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    world.strand(bob)
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.pass_time(1)
    assert ada.answers[901] == ()
    assert cyd.store.rows("notes", None, 10)


def test_the_second_of_two_vouchers_is_waited_for() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    world.give(cyd, asks.ForgetRequested(902, "notes"))
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.pass_time(IDLE_S)
    outcomes = [ada.answers[901], cyd.answers[902]]
    assert () in outcomes
    holders = [party for party in (ada, bob, cyd) if party.store.rows("notes", None, 10)]
    assert bob in holders
    assert len(holders) == 3 - outcomes.count(())


def test_an_entry_about_what_was_erased_before_stays_whole() -> None:
    world, (ada, bob) = world_of(2)
    world.ask(ada, lambda n: asks.EditRequested(n, (put("notes/one", n=1), put("photos/one", n=1))))
    world.pass_time(1)
    forget(world, bob, "photos")
    world.pass_time(1)
    forget(world, bob, "notes")
    world.pass_time(1)
    (entry,) = bob.store.entries(0, 1 << 40)
    assert outside_of(entry.data) == ()
    assert bob.store.rows(None, None, 10) == []


def test_records_that_were_about_to_be_erased_stay_where_the_collection_is_kept_again() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.give(bob, asks.ForgetRequested(901, "notes"))
    world.until(lambda: interest(bob).forgotten == {"notes"})
    world.give(bob, asks.KeepRequested(902, "notes"))
    world.pass_time(IDLE_S)
    assert world.value(bob, "notes/one") == {"text": "a"}
    pipeline = bob.device.pipeline
    rows = tuple(bob.store.rows("notes", None, 10))
    (persist,) = pipeline.submit(EraseJob(interest(bob).turn - 1, rows)).effects
    assert isinstance(persist, io.Persist)
    assert persist.batch == Batch()


def test_when_the_last_voucher_is_lost_the_collection_is_kept() -> None:
    world, (ada, bob, _) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    world.strand(ada)
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.pass_time(1)
    assert 901 not in ada.answers
    world.part(ada, bob)
    world.pass_time(3 * IDLE_S)
    assert isinstance(ada.answers[901], OnlyHere)
    assert world.value(ada, "notes/one") == {"text": "a"}


def test_whoever_is_no_voucher_may_leave_in_the_middle() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    forget(world, cyd, "notes")
    world.strand(bob)
    world.give(ada, asks.ForgetRequested(901, "notes"))
    world.part(ada, cyd)
    world.pass_time(1)
    assert 901 not in ada.answers, "bob's word is still awaited"
    world.pass_time(3 * IDLE_S)
    assert isinstance(ada.answers[901], OnlyHere)
