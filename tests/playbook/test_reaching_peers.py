"""Where a device looks for its peers, what it shows of itself, and whom it stops talking to."""

import pytest

from harness.pairs import effects_of, link_of, only, say, world_of
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Origin
from p2pvault.core.members import epochs_back
from p2pvault.crypto.schedule import gate_key
from p2pvault.errors import Refused
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    BACKOFF_MAX_S,
    GATE_EPOCHS_MAX,
    HANDSHAKE_S,
    RUNS_TWICE_S,
)
from p2pvault.protocol.introduction import Greeting, encode
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Address, Doubt, Role


def test_a_sighting_of_a_linked_peer_is_remembered_for_when_its_link_is_gone():
    """A peer that moved is sighted at its new place before its old link is known to be dead."""
    world, (ada, bob) = world_of(2)
    moved = Address("10.0.0.77", 4_077)
    bob.address = moved
    world.give(bob, io.NetworkChanged((moved,)))
    world.run()
    assert ada.linked(bob)
    world.part(ada, bob)
    ada.trace.clear()
    world.pass_time(5)
    assert moved in {dial.address for dial in only(io.Dial, effects_of(ada))}


@pytest.mark.parametrize("mover", [0, 1])
def test_a_device_that_moved_is_linked_again_before_the_old_link_is_known_to_be_dead(mover):
    """Whoever moved dials anew at once, whichever side dialled the link before."""
    world, parties = world_of(2)
    world.pass_time(2 * HANDSHAKE_S)
    moved, other = parties[mover], parties[1 - mover]
    world.strand(moved)
    moved.address = Address("10.0.0.77", 4_077)
    world.give(moved, io.NetworkChanged((moved.address,)))
    world.put(moved, "notes/moved", text="from elsewhere")
    world.pass_time(1)
    assert world.value(other, "notes/moved") == {"text": "from elsewhere"}
    assert_proved(world)


def test_a_device_that_moves_dials_where_its_link_leads_whatever_else_it_was_told():
    world, (ada, bob) = world_of(2)
    world.pass_time(2 * HANDSHAKE_S)
    mine, theirs = (ada, bob) if link_of(ada, bob).origin.dialled is not None else (bob, ada)
    elsewhere = Address("10.0.0.99", 4_099)
    world.ask(mine, lambda request: asks.AddressGiven(request, theirs.name, elsewhere))
    mine.trace.clear()
    world.give(mine, io.NetworkChanged((mine.address,)))
    world.run()
    assert {dial.address for dial in only(io.Dial, effects_of(mine))} == {theirs.address}


def test_a_device_that_moves_does_not_dial_the_port_from_which_it_was_dialled():
    """Nobody listens there: the system drew it for one stream."""
    world, (ada, bob) = world_of(2)
    world.pass_time(2 * HANDSHAKE_S)
    mine, theirs = (ada, bob) if link_of(ada, bob).origin.dialled is None else (bob, ada)
    link = link_of(mine, theirs)
    link.origin = Origin(Address(theirs.address.host, 50_000), None)
    mine.trace.clear()
    world.give(mine, io.NetworkChanged((mine.address,)))
    world.run()
    assert {dial.address for dial in only(io.Dial, effects_of(mine))} == {theirs.address}


def test_a_peer_that_is_sighted_elsewhere_is_dialled_there_at_once():
    world, (ada, bob) = world_of(2)
    world.pass_time(2 * HANDSHAKE_S)
    world.strand(bob)
    bob.address = Address("10.0.0.77", 4_077)
    ada.trace.clear()
    world.give(bob, io.NetworkChanged((bob.address,)))
    world.run()
    assert bob.address in {dial.address for dial in only(io.Dial, effects_of(ada))}


def test_a_peer_that_is_sighted_where_its_link_leads_is_not_dialled_again():
    world, (ada, bob) = world_of(2)
    ada.trace.clear()
    seen = bob.shown
    assert seen is not None
    world.give(ada, io.PeerSeen(seen.instance, seen.addresses, seen.addresses[0].port, seen.tag))
    world.run()
    assert only(io.Dial, effects_of(ada)) == []


def test_an_address_that_leads_to_somebody_else_is_forgotten():
    world, (ada, bob, cyd) = world_of(3)
    old = bob.address
    world.offline(bob)
    bob.switched_off, bob.shown = True, None
    cyd.address = old
    world.give(ada, io.NetworkChanged((ada.address,)))
    world.pass_time(30)
    assert ada.linked(cyd)
    assert old not in ada.device.book[bob.id].seen
    link = link_of(ada, cyd).id
    world.pass_time(2 * BACKOFF_MAX_S)
    assert link_of(ada, cyd).id == link


def test_no_member_makes_others_dial_hosts_elsewhere_in_the_network():
    world, (ada, bob) = world_of(2)
    near = Address("192.168.7.7", 4_007)
    far = (Address("8.8.8.8", 25), Address("mail.example.org", 25), Address("2606:4700::1", 25))
    greeting = Greeting(world.now.wall_ms, (*far, near), bob.device.clones.run)
    say(world, bob, ada, (Kind.GREETING, encode(greeting)))
    world.run()
    assert ada.device.book[bob.id].seen[0] == near
    bob.address, bob.switched_off, bob.shown = near, True, None
    world.offline(bob)
    ada.trace.clear()
    world.pass_time(2 * BACKOFF_MAX_S)
    dialled = {dial.address for dial in only(io.Dial, effects_of(ada))}
    assert near in dialled
    assert not dialled & set(far)


def test_whoever_gives_an_address_is_told_whose_it_is_now():
    world, (ada, bob) = world_of(2)
    address, prefix = Address("10.0.0.99", 4_099), bob.id.hex()[:8]
    for forget in (False, True):
        given = world.ask(ada, lambda n, f=forget: asks.AddressGiven(n, prefix, address, f))
        assert given == (bob.id, "bob")


def test_a_person_cannot_give_a_device_more_addresses_than_are_kept():
    world, (ada, bob) = world_of(2)
    given = [Address("10.0.0.99", port) for port in range(1, ADDRESSES_PER_PEER_MAX + 2)]
    for address in given[:-1]:
        world.ask(ada, lambda request, address=address: asks.AddressGiven(request, "bob", address))
    with pytest.raises(Refused):
        world.ask(ada, lambda request: asks.AddressGiven(request, "bob", given[-1]))
    assert set(ada.device.book[bob.id].given) == set(given[:-1])
    world.ask(ada, lambda request: asks.AddressGiven(request, "bob", given[0]))
    world.ask(ada, lambda request: asks.AddressGiven(request, "bob", given[0], forget=True))
    world.ask(ada, lambda request: asks.AddressGiven(request, "bob", given[-1]))
    world.restart(ada)
    assert set(ada.device.book[bob.id].given) == set(given[1:])


def test_a_removed_device_that_knows_it_shows_no_name_any_more():
    """Its name would never change again, and so follow it through every network."""
    world, (ada, bob) = world_of(2)
    world.restart(bob)
    world.run()
    assert bob.shown is not None
    world.part(ada, bob)
    world.ask(ada, lambda request: asks.RevokeRequested(request, "bob"))
    learned = bob.device.members.learn([each.data for each in ada.store.state().operations])
    assert learned.operations
    world.give(bob, io.NetworkChanged((bob.address,)))
    world.run()
    assert bob.shown is None


def test_a_device_without_an_address_shows_nothing():
    world, (ada, _) = world_of(2)
    world.give(ada, io.NetworkChanged(()))
    world.run()
    assert ada.shown is None
    ada.trace.clear()
    world.give(ada, io.NetworkChanged(()))
    world.run()
    assert only(io.Withdraw, effects_of(ada)) == []
    world.give(ada, io.NetworkChanged((ada.address,)))
    world.run()
    assert ada.shown is not None


def test_a_device_whose_admission_falls_loses_its_links_at_once():
    """Bob admits cyd while ada removes bob: whoever knows both takes cyd for no member."""
    world = World()
    ada = world.found("ada")
    bob, dan = world.join("bob", ada, Role.ADMIN), world.join("dan", ada)
    world.run()
    world.pass_time(5)
    world.part(ada, bob)
    world.part(ada, dan)
    cyd = world.join("cyd", bob)
    world.part(ada, cyd)
    world.run()
    world.pass_time(30)
    assert dan.linked(cyd)
    cyd.switched_off = True  # else it would close its links itself, being honest
    world.ask(ada, lambda request: asks.RevokeRequested(request, "bob"))
    world.mend()
    world.part(ada, bob)
    world.part(ada, cyd)
    world.pass_time(30)
    assert dan.linked(ada)
    assert not dan.linked(bob)
    assert not dan.linked(cyd)


def test_devices_still_find_each_other_after_all_of_them_moved_at_once():
    world, (ada, bob) = world_of(2)
    for party, host in ((ada, "10.1.0.1"), (bob, "10.1.0.2")):
        party.address = Address(host, 4_000)
        world.give(party, io.NetworkChanged((party.address,)))
    world.run()
    world.part(ada, bob)
    world.run()
    world.mend()
    world.pass_time(30)
    assert_proved(world)


def test_a_member_that_slept_through_more_epochs_than_are_tried_at_once_comes_back():
    world = World()
    ada = world.found("ada")
    bob = world.join("bob", ada)
    others = [world.join(f"old {number}", ada) for number in range(GATE_EPOCHS_MAX + 2)]
    world.run()
    world.pass_time(5)
    world.offline(bob)
    for other in others:
        world.ask(ada, lambda request, other=other: asks.RevokeRequested(request, other.name))
        other.switched_off = True
    assert bob.device.members.membership.current.id not in ada.device.members.membership.gates(
        ada.device.members.secrets
    )
    world.online(bob)
    world.pass_time(4 * BACKOFF_MAX_S)
    assert bob.device.members.secrets == ada.device.members.secrets
    assert ada.verdict(bob) is Verdict.EQUAL


def test_a_sleeper_that_was_refused_as_a_copy_is_met_again_by_the_gate_that_opened_last() -> None:
    """It is told nothing of the epochs that it slept through, and dialled ever more rarely."""
    world = World()
    ada = world.found("ada")
    bob = world.join("bob", ada)
    others = [world.join(f"old {number}", ada) for number in range(2 * GATE_EPOCHS_MAX)]
    world.run()
    twin = world.clone(bob, "twin", Doubt.COPIED)
    world.until(lambda: ada.device.clones.runs_twice(bob.id))
    world.offline(twin)
    world.parties.remove(twin)
    world.offline(bob)
    for other in others:
        world.ask(ada, lambda request, other=other: asks.RevokeRequested(request, other.name))
        other.switched_off = True
    world.online(bob)
    bob.reports.clear()
    world.until(lambda: bool(bob.reported("link_up")))
    world.run()
    assert bob.device.members.secrets != ada.device.members.secrets, "it is refused once more"
    world.pass_time(RUNS_TWICE_S + 4 * BACKOFF_MAX_S)
    assert ada.verdict(bob) is Verdict.EQUAL


@pytest.mark.parametrize("known", [1, 2, 3, 4, 5, 8, 11, 30])
def test_gates_are_tried_so_that_a_sleeper_is_met_early_wherever_it_fell_asleep(known):
    """It tries the newest few that it knows; those are neighbours, or all that there were."""
    tried = [epochs_back(turn, known) for turn in range(2 * known)]
    assert set(tried[::2]) == {0}
    assert set(tried) == set(range(known)), "whatever it knows, it is met in the end"
    rounds = -(-known // GATE_EPOCHS_MAX)
    for newest in range(known):
        kept = set(range(newest, min(newest + GATE_EPOCHS_MAX, known)))
        assert kept & set(tried[1 : 2 * rounds : 2])


def test_the_gate_by_which_a_device_was_met_is_tried_in_every_fourth_round_and_none_is_left_out():
    world = World()
    ada = world.found("ada")
    for number in range(2 * GATE_EPOCHS_MAX):
        other = world.join(f"old {number}", ada)
        world.ask(ada, lambda request, other=other: asks.RevokeRequested(request, other.name))
        other.switched_off = True
    members = ada.device.members
    gates = [gate_key(members.secrets[epoch.id]) for epoch in members.membership.epochs]
    for met in members.membership.epochs[1:]:
        tried = [members.gate_for(turn, met.id) for turn in range(4 * len(gates))]
        assert set(tried[::2]) == {gates[0]}
        assert {members.epoch_of(gate) for gate in tried[1::4]} == {met.id}
        assert set(tried[3::4]) == set(gates[1:])
