"""Members come, go and are refused: what the devices of a vault do about it, link by link."""

import pytest

from harness.pairs import effects_of, entries_of, is_gone, only, rename, say, world_of
from harness.world import World, put
from p2pvault.core import asks, io
from p2pvault.core.kinds import Kind
from p2pvault.errors import RevokedDevice, StoreFull
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.reconcile import Verdict


@pytest.mark.parametrize("seed", range(12))
def test_an_operation_is_not_told_on_a_link_that_has_not_said_what_it_knows(seed):
    """Otherwise it may arrive before those that it follows, which the peer would not forgive."""
    world, (ada, bob) = world_of(2, seed, shuffled=True)
    world.offline(bob)
    for name in ("first", "second"):
        rename(world, ada, name)
    world.online(bob)
    world.until(lambda: ada.linked(bob))
    rename(world, ada, "third")
    assert bob.device.members.name_of(ada.id) == "third"
    assert bob.reported("link_failed") == []


def test_a_revoked_device_loses_its_links_at_once_everywhere_and_an_epoch_starts():
    world, (ada, bob, cyd) = world_of(3)
    epoch = ada.device.members.membership.current.id
    world.ask(ada, lambda request: asks.RevokeRequested(request, "cyd"))
    world.run()
    assert not ada.linked(cyd)
    assert not bob.linked(cyd)
    for party in (ada, bob):
        assert party.device.members.membership.current.id != epoch
        assert party.device.members.membership.current.id in party.device.members.secrets
    assert ada.device.members.membership.current.id not in cyd.device.members.secrets
    world.pass_time(3_600)
    assert not ada.linked(cyd)
    assert not bob.linked(cyd)
    assert ada.linked(bob)


def test_a_removed_device_that_does_not_know_it_is_told_at_the_door_and_refused():
    world, (ada, bob, cyd) = world_of(3)
    world.offline(cyd)
    world.ask(ada, lambda request: asks.RevokeRequested(request, "cyd"))
    world.put(ada, "notes/secret", text="after")
    world.online(cyd)
    world.pass_time(600)
    assert not cyd.device.members.is_member
    for party in (ada, bob):
        assert not party.linked(cyd)
        refused = party.reported("link_failed")
        assert {report.fields["reason"] for report in refused} <= {"revoked_device"}
        assert len(refused) < 3, "it dials nobody any more"
    assert world.value(cyd, "notes/secret") is None
    assert len(cyd.device.members.secrets) == 1


def test_a_revoke_is_told_once_it_is_durable_and_ends_the_links_before_it_is_answered():
    """Told before, a crash could take it back, and its number would be used for something else."""
    world, (ada, bob) = world_of(2)
    ada.trace.clear()
    world.give(ada, asks.RevokeRequested(999, "bob"))
    world.step()
    assert only(io.Write, effects_of(ada)) == only(io.Hangup, effects_of(ada)) == []
    world.run()
    kinds = [type(each) for each in ada.trace]
    order = [kinds.index(each) for each in (io.Persisted, io.Write, io.Hangup, io.Answer)]
    assert order == sorted(order)
    assert ada.answers[999] == (bob.id, "bob")
    assert not bob.device.members.is_member


def test_a_revoke_that_finds_the_disk_full_ends_the_links_without_a_word():
    world, (ada, bob) = world_of(2)
    ada.disk_full = True
    ada.trace.clear()
    world.give(ada, asks.RevokeRequested(999, "bob"))
    world.run()
    assert not ada.linked(bob)
    assert bob.device.members.is_member
    assert isinstance(ada.answers[999], StoreFull)
    ada.disk_full = False
    world.pass_time(60)
    world.restart(ada)
    world.pass_time(60)
    assert not ada.device.members.membership.is_member(bob.id)
    assert ada.device.links.up() == []


def test_a_device_that_learns_of_its_own_removal_is_read_only_and_alone():
    world, (ada, bob, cyd) = world_of(3)
    world.part(ada, bob)
    world.part(ada, cyd)
    world.put(bob, "notes/one", text="mine")
    world.ask(ada, lambda request: asks.RevokeRequested(request, "bob"))
    operations = [each.data for each in ada.store.state().operations]
    (body,) = encode_operations(operations)
    say(world, cyd, bob, (Kind.OPERATIONS, body))
    world.run()
    assert bob.device.links.up() == []
    for make in (
        lambda request: asks.EditRequested(request, (put("notes/one", text="more"),)),
        lambda request: asks.RenameRequested(request, "cyd", "x"),
        lambda request: asks.RevokeRequested(request, "cyd"),
        lambda request: asks.AddressGiven(request, "cyd", cyd.address),
        lambda request: asks.PairingRequested(request, False, ()),
        lambda request: asks.WordsTyped(request, "a b"),
    ):
        with pytest.raises(RevokedDevice):
            world.ask(bob, make)
    world.pass_time(3_600)
    assert bob.device.links.up() == []
    assert world.value(bob, "notes/one") == {"text": "mine"}


def test_a33_entries_of_a_removed_device_that_a_member_took_before_it_knew_reach_everybody():
    world, (ada, bob, cyd) = world_of(3)
    world.part(ada, cyd)
    world.part(ada, bob)
    world.put(cyd, "notes/late", text="bob has it, ada has not")
    world.ask(ada, lambda request: asks.RevokeRequested(request, "cyd"))
    assert world.value(ada, "notes/late") is None
    world.heal()
    world.pass_time(60)
    assert world.value(ada, "notes/late") == {"text": "bob has it, ada has not"}
    assert ada.verdict(bob) is Verdict.EQUAL
    failures = [r for r in ada.reported("link_failed") if r.fields.get("device") == bob.id.hex()]
    assert failures == []
    assert ada.store.quarantine() == []


def test_a33_entries_of_a_removed_device_that_nobody_stated_are_quarantined():
    world, (ada, bob, cyd) = world_of(3)
    world.part(ada, cyd)
    world.part(bob, cyd)
    world.put(cyd, "notes/late", text="nobody has it")
    late = entries_of(cyd)[-1]
    world.ask(ada, lambda request: asks.RevokeRequested(request, "cyd"))
    world.run()
    link = say(world, ada, bob, (Kind.ENTRIES, encode_entries([late])))
    world.run()
    assert not is_gone(link)
    assert world.value(bob, "notes/late") is None
    assert [row.device for row in bob.store.quarantine()] == [cyd.id]


def test_a_member_that_slept_through_epochs_gets_their_secrets_and_goes_on():
    world, (ada, bob, *_) = world_of(4)
    world.offline(bob)
    for name in ("cyd", "dan"):
        world.ask(ada, lambda request, name=name: asks.RevokeRequested(request, name))
    world.online(bob)
    world.pass_time(10)
    assert bob.device.members.secrets == ada.device.members.secrets
    assert ada.linked(bob)


def test_a_stranger_that_brings_its_admission_is_let_in():
    """Bob was admitted by ada; cyd has never heard of him when he calls."""
    world = World()
    ada = world.found("ada")
    cyd = world.join("cyd", ada)
    world.run()
    world.pass_time(5)
    world.offline(cyd)
    bob = world.join("bob", ada)
    world.run()
    world.offline(ada)
    cyd.online = True
    world.give(bob, io.NetworkChanged((bob.address,)))
    world.give(cyd, io.NetworkChanged((cyd.address,)))
    world.give(bob, asks.AddressGiven(900, "cyd", cyd.address))
    world.run()
    world.pass_time(30)
    assert cyd.linked(bob)
    assert bob.id in cyd.device.members.membership.members
