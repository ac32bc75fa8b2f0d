"""A device among others: what it does to its links, its store and its person, input by input."""

import pytest

from harness.entropy import seeded
from harness.pairs import is_gone, link_of, link_up, only, rename, say, world_of
from harness.proofs import assert_proved
from harness.world import put
from p2pvault.core import asks, io
from p2pvault.core.kinds import Kind
from p2pvault.crdt.record import Record
from p2pvault.errors import Refused, StoreCorrupt, StoreFull, VaultError
from p2pvault.limits import (
    EDITS_QUEUED_MAX,
    HANDSHAKE_S,
    HEARTBEAT_S,
    IDLE_S,
    LINK_AGE_MAX_S,
    RETRY_S,
)
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.journal import write_entry
from p2pvault.protocol.membership import Author
from p2pvault.protocol.membership.write import rename as write_rename
from p2pvault.protocol.reconcile import Have, Verdict, encode_have
from p2pvault.types import Address, EntryHash, JournalHead, LinkId, RecordId


def content_message(party):
    content = party.device.pipeline.durable
    heads = tuple(content.journals.values())
    return Kind.HAVE, encode_have(Have(heads, content.digest))


# Faults of peers ---------------------------------------------------------------------------


def test_what_came_before_a_bad_message_in_one_piece_is_carried_out():
    world, (ada, bob) = world_of(2)
    writer = ada.device.pipeline._writer
    _, change = Record.create(writer.journal.author, "notes", "two", {"text": "unheard"})
    entry = write_entry(writer, None, (), 0, [(RecordId(b"2" * 16), change)])
    say(world, ada, bob, (Kind.ENTRIES, encode_entries([entry.data])), (Kind.KNOWN, b"garbage"))
    world.run()
    assert world.value(bob, "notes/two") == {"text": "unheard"}
    world.put(bob, "notes/three", text="bob still writes")
    assert bob.reported("link_failed")


def test_operations_before_a_bad_message_become_durable():
    world, (ada, bob) = world_of(2)
    members = ada.device.members
    author = Author(members.keys, seeded("rename"), 0)
    (operation,) = write_rename(members.log, author, ada.id, "lovelace").added
    (body,) = encode_operations([operation.data])
    say(world, ada, bob, (Kind.OPERATIONS, body), (Kind.GREETING, b""))
    world.run()
    assert operation in bob.store.state().operations
    world.put(bob, "notes/three", text="bob still writes")


def test_what_is_bad_is_dropped_when_the_link_that_brought_it_is_gone_already():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="x")
    writer, link = ada.device.pipeline._writer, link_of(bob, ada)
    head = ada.device.pipeline.durable.journals[writer.journal.author]
    _, change = Record.create(writer.journal.author, "notes", "far", {})
    after = JournalHead(head.author, head.n + 5, head.hash)
    entry = write_entry(writer, after, (), 0, [(RecordId(bytes(16)), change)])
    data = link_of(ada, bob).seal(Kind.ENTRIES, encode_entries([entry.data]))
    effects = bob.device.handle(world.now, io.BytesReceived(link.id, data))
    assert len(only(io.LoadRecords, effects)) == 1
    effects += bob.device.handle(world.now, io.LinkDown(link.id))
    for effect in effects:
        world._perform(bob, effect)
    world.run()
    assert bob.reported("link_failed") == []
    assert bob.device.pipeline.durable.journals[head.author] == head
    world.put(bob, "notes/two", text="bob still writes")


def test_a_link_that_failed_fails_once_however_many_jobs_of_it_wait():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="x")
    writer = ada.device.pipeline._writer
    head = ada.device.pipeline.durable.journals[writer.journal.author]
    messages = []
    _, change = Record.create(writer.journal.author, "notes", "far", {})
    for n in range(head.n + 5, head.n + 8):
        after = JournalHead(head.author, n, head.hash)
        entry = write_entry(writer, after, (), 0, [(RecordId(bytes(16)), change)])
        messages.append((Kind.ENTRIES, encode_entries([entry.data])))
    say(world, ada, bob, *messages)
    world.run()
    assert [each.fields["reason"] for each in bob.reported("link_failed")] == ["unexpected"]


@pytest.mark.parametrize("kind", [*Kind, 77])
def test_a_message_that_does_not_parse_ends_its_link_and_nothing_else(kind):
    world, (ada, bob, cyd) = world_of(3)
    link = say(world, ada, bob, (kind, b"\xc1"))
    world.run()
    assert is_gone(link)
    assert bob.linked(cyd)
    world.pass_time(10)
    assert_proved(world)


def test_a_peer_that_says_it_holds_what_nobody_wrote_is_not_believed_to_be_equal():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="x")
    head = next(iter(ada.device.pipeline.durable.journals.values()))
    lie = JournalHead(head.author, head.n, EntryHash(bytes(32)))
    bob_end = say(world, ada, bob, (Kind.HAVE, encode_have(Have((lie,), bytes(32)))))
    world.run()
    assert is_gone(bob_end), "the hash at a number that was said before has changed"


def test_equal_journals_with_other_content_are_an_error_that_is_shown():
    world, (ada, bob) = world_of(2)
    say(world, ada, bob, (Kind.HAVE, encode_have(Have((), b"c" * 32))))
    world.run()
    assert bob.verdict(ada) is Verdict.CONTRADICTION
    (report,) = bob.reported("content_differs")
    assert report.level == "error"
    say(world, ada, bob, content_message(ada))
    world.run()
    assert bob.verdict(ada) is Verdict.EQUAL


# Links -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_an_idle_pair_stays_linked_for_hours_with_few_words(seed):
    world, (ada, bob) = world_of(2, seed)
    world.pass_time(3 * LINK_AGE_MAX_S)
    assert_proved(world)
    beats = 3 * LINK_AGE_MAX_S / (0.8 * HEARTBEAT_S)
    for party in (ada, bob):
        assert len(only(io.Write, party.trace)) < 1.5 * beats


def test_links_are_replaced_by_new_ones_after_half_an_hour():
    world, (ada, bob) = world_of(2)
    before = link_of(ada, bob).id
    world.pass_time(1.3 * LINK_AGE_MAX_S)
    assert link_of(ada, bob).id != before
    assert sum(wire.open for wire in world.wires) == 1
    assert_proved(world)


def test_a_peer_that_falls_silent_is_given_up_after_three_heartbeats():
    world, (ada, bob) = world_of(2)
    bob.switched_off = True  # and none of its streams ends
    heard_s_ago = world.now.monotonic - link_of(ada, bob).last_heard
    world.pass_time(IDLE_S - heard_s_ago - 1)
    assert ada.linked(bob)
    world.pass_time(2)
    assert not ada.linked(bob)
    assert ada.reported("link_failed")[-1].fields["reason"] == "protocol"


def test_a_heartbeat_is_a_fresh_proof():
    world, (ada, bob) = world_of(2)
    proved = ada.device.book[bob.id].proved_at
    world.pass_time(2 * HEARTBEAT_S)
    standing = ada.device.book[bob.id]
    assert standing.proved_at > proved
    assert standing.last_seen_ms > world.now.wall_ms - 1.2 * HEARTBEAT_S * 1000


def test_p4_a_stream_that_says_nothing_is_dropped_in_the_handshake():
    world, (ada, _) = world_of(2)
    world.give(ada, io.LinkUp(LinkId(999), None, Address("10.9.9.9", 1)))
    world.pass_time(HANDSHAKE_S)
    assert io.Hangup(LinkId(999)) in ada.trace


def test_a_device_that_stops_closes_every_link_and_takes_no_new_one():
    world, (ada, bob, cyd) = world_of(3)
    world.give(ada, io.Stop())
    world.run()
    assert ada.device.links.up() == []
    assert not bob.linked(ada)
    assert not cyd.linked(ada)
    assert bob.reported("link_failed") == []
    world.give(ada, io.LinkUp(LinkId(999), None, Address("10.9.9.9", 1)))
    world.run()
    assert ada.trace[-1] == io.Hangup(LinkId(999))


def test_a_new_link_is_not_called_equal_before_the_peer_has_spoken_on_it():
    world, (ada, bob) = world_of(2)
    world.offline(bob)
    world.put(ada, "notes/one", text="while bob is away")
    world.online(bob)
    link_up(world, ada, bob)
    assert ada.verdict(bob) is not Verdict.EQUAL
    assert bob.verdict(ada) is not Verdict.EQUAL
    world.run()
    assert_proved(world)


@pytest.mark.parametrize("seed", range(8))
def test_both_sides_keep_the_same_of_several_links_that_come_up_at_once(seed):
    world, (ada, bob) = world_of(2, seed, shuffled=True)
    world.offline(bob)
    bob.other_address, ada.other_address = Address("10.0.1.2", 4_000), Address("10.0.1.1", 4_000)
    world.ask(ada, lambda request: asks.AddressGiven(request, bob.id.hex(), bob.other_address))
    world.ask(bob, lambda request: asks.AddressGiven(request, ada.id.hex(), ada.other_address))
    world.pass_time(700)
    made = len(world.wires)
    world.heal()
    world.until(lambda: len(world.wires) >= made + 2)
    world.run()
    assert sum(wire.open for wire in world.wires) == 1
    assert_proved(world)


# The disk ----------------------------------------------------------------------------------


def test_an_edit_on_a_full_disk_is_refused_and_leaves_nothing_behind():
    world, (ada, bob) = world_of(2)
    ada.disk_full = True
    with pytest.raises(StoreFull):
        world.put(ada, "notes/one", text="x")
    ada.disk_full = False
    world.put(ada, "notes/one", text="y")
    assert world.value(bob, "notes/one") == {"text": "y"}
    assert_proved(world)


def test_a_receiver_with_a_full_disk_does_not_make_the_two_dial_each_other_in_a_loop():
    world, (ada, bob) = world_of(2)
    bob.disk_full = True
    world.put(ada, "notes/one", text="x")
    world.pass_time(600)
    assert len(bob.reported("link_failed")) < 30
    bob.disk_full = False
    world.pass_time(900)
    assert_proved(world)


def test_membership_operations_that_did_not_fit_are_written_later_and_in_order():
    world, (ada, _) = world_of(2)
    ada.disk_full = True
    with pytest.raises(StoreFull):
        rename(world, ada, "first")
    ada.disk_full = False
    request = world.edit(ada, put("notes/one", text="edits go on meanwhile"))
    world.give(ada, asks.RenameRequested(999, ada.id.hex(), "second"))
    world.run()
    assert not isinstance(ada.answers[request], VaultError)
    world.restart(ada)
    world.pass_time(RETRY_S + 1)
    assert ada.device.members.name_of(ada.id) in ("ada", "second")


def test_operations_behind_one_that_did_not_fit_wait_for_it():
    world, (ada, bob) = world_of(2)
    ada.disk_full = True
    for request, name in ((901, "first"), (902, "second"), (903, "third"), (904, "fourth")):
        world.give(ada, asks.RenameRequested(request, ada.id.hex(), name))
    world.run()
    ada.disk_full = False
    world.pass_time(RETRY_S + 1)
    world.restart(ada)
    world.pass_time(10)
    assert ada.device.members.name_of(ada.id) == "fourth"
    assert bob.device.members.name_of(ada.id) == "fourth"


def test_an_operation_is_told_to_nobody_before_it_is_durable():
    world, (ada, bob) = world_of(2)
    world.offline(bob)
    ada.disk_full = True
    with pytest.raises(StoreFull):
        rename(world, ada, "first")
    world.online(bob)
    link_up(world, ada, bob)
    world.run()
    assert bob.device.members.name_of(ada.id) == "ada"
    ada.disk_full = False
    world.pass_time(RETRY_S + 1)
    assert bob.device.members.name_of(ada.id) == "first"


def test_a_store_that_cannot_be_read_refuses_edits_and_ends_links_but_not_the_device():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="x")
    world.part(ada, bob)
    world.put(ada, "notes/two", text="y")
    ada.unreadable = True
    with pytest.raises(StoreCorrupt):
        world.put(ada, "notes/one", text="z")
    world.heal()
    world.pass_time(300)
    assert {report.fields["reason"] for report in ada.reported("load_failed")} == {"store_corrupt"}
    assert len(ada.reported("link_failed")) < 40, "the two do not dial each other in a loop"
    ada.unreadable = False
    world.pass_time(900)
    assert_proved(world)


def test_a_load_that_fails_for_a_link_that_is_gone_is_a_line_in_the_log():
    world, (ada, _) = world_of(2)
    world.give(ada, io.LoadFailed(StoreCorrupt("torn"), LinkId(999)))
    world.run()
    assert len(ada.reported("load_failed")) == 1


def test_a_stream_that_is_taken_before_its_link_is_up_feeds_nothing():
    world, (ada, _) = world_of(2)
    world.give(ada, io.LinkUp(LinkId(999), None, Address("10.9.9.9", 1)))
    world.give(ada, io.Writable(LinkId(999)))
    world.give(ada, io.LinkDown(LinkId(999)))
    world.run()
    assert only(io.LoadEntries, ada.trace) == []


def test_more_edits_than_the_disk_keeps_up_with_are_refused():
    world, (ada, _) = world_of(2)
    requests = [world.edit(ada, put("notes/one", n=n)) for n in range(EDITS_QUEUED_MAX + 10)]
    world.run()
    refused = [r for r in requests if isinstance(ada.answers[r], Refused)]
    assert 0 < len(refused) <= 10
    assert world.value(ada, "notes/one") is not None


# Local requests ----------------------------------------------------------------------------


def test_two_edits_of_one_record_in_one_request_are_one_entry():
    world, (ada, bob) = world_of(2)
    before = ada.device.pipeline.durable.last_arrival
    edits = (put("notes/one", a=1), put("notes/one", b=2))
    world.ask(ada, lambda request: asks.EditRequested(request, edits))
    assert ada.device.pipeline.durable.last_arrival == before + 1
    assert world.value(bob, "notes/one") == {"a": 1, "b": 2}
    assert_proved(world)


def test_a_delete_and_an_edit_in_one_request_make_the_path_anew():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", a=1)
    edits = (asks.Edit("notes/one", remove=True), put("notes/one", b=2))
    first, second = world.ask(ada, lambda request: asks.EditRequested(request, edits))
    assert (first.created, second.created) == (False, True)
    assert world.value(bob, "notes/one") == {"b": 2}
    assert ada.device.pipeline.durable.records == 1
    assert_proved(world)


def test_a_record_made_and_deleted_in_one_request_is_gone_everywhere():
    world, (ada, bob) = world_of(2)
    edits = (put("notes/one", a=1), asks.Edit("notes/one", remove=True))
    world.ask(ada, lambda request: asks.EditRequested(request, edits))
    assert world.value(bob, "notes/one") is None
    assert ada.device.pipeline.durable.records == 0
    assert_proved(world)


def test_a_request_fails_as_a_whole():
    world, (ada, _) = world_of(2)
    edits = (put("notes/one", a=1), asks.Edit("notes/none", remove=True))
    with pytest.raises(VaultError):
        world.ask(ada, lambda request: asks.EditRequested(request, edits))
    assert world.value(ada, "notes/one") is None


def test_a_hand_given_address_is_dialled_at_once_and_kept():
    world, (ada, bob) = world_of(2)
    given = Address("10.0.0.99", 4)
    world.ask(ada, lambda request: asks.AddressGiven(request, "bob", given))
    world.restart(ada)
    assert ada.device.book[bob.id].given == (given,)
    world.ask(ada, lambda request: asks.AddressGiven(request, "bob", given, forget=True))
    assert ada.device.book[bob.id].given == ()
    with pytest.raises(VaultError):
        world.ask(ada, lambda request: asks.AddressGiven(request, "ada", given))


def test_where_a_peer_accepts_links_is_durable_while_the_link_is_up():
    world, (ada, bob) = world_of(2)
    moved = Address("10.0.0.77", 4_077)
    world.offline(bob)
    bob.address = moved
    world.online(bob)
    link_up(world, ada, bob)
    world.run()
    assert moved in {address for row in ada.store.state().peers for address in row.seen}
