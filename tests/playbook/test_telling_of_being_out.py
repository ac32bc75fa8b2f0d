"""A device that is outside tells whoever takes it for a member, where nobody else can."""

from harness.pairs import link_of, world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.kinds import Kind
from p2pvault.limits import BACKOFF_MAX_S, BACKOFF_MIN_S
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.membership.operation import Rename, sign_operation
from p2pvault.types import Address


def remove(world: World, party: Party, gone: Party) -> None:
    world.ask(party, lambda request: asks.RevokeRequested(request, gone.id.hex()))


def knows_outside(party: Party, gone: Party) -> bool:
    return not party.device.members.membership.is_member(gone.id)


def test_a_removed_device_tells_who_has_not_heard_of_it() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.offline(cyd)
    remove(world, bob, ada)
    assert not ada.device.members.is_member
    world.offline(bob)
    assert not knows_outside(cyd, ada)
    world.online(cyd)
    world.pass_time(BACKOFF_MAX_S)
    assert knows_outside(cyd, ada)
    assert not cyd.linked(ada)


def test_a_device_that_was_removed_while_it_was_away_hears_of_that_and_of_nothing_else() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.offline(cyd)
    remove(world, bob, cyd)
    world.ask(ada, lambda request: asks.RenameRequested(request, ada.id.hex(), "later"))
    epochs = [epoch.id for epoch in cyd.device.members.membership.epochs]
    world.online(cyd)
    world.pass_time(BACKOFF_MAX_S)
    members = cyd.device.members
    assert not members.is_member
    assert members.name_of(ada.id) != "later"
    assert [epoch.id for epoch in members.membership.epochs] == epochs
    assert not cyd.linked(ada)
    assert not cyd.linked(bob)


def contradict(world: World, party: Party, teller: Party) -> None:
    """Let a device hear of two operations in its name that have one number."""
    members = party.device.members
    header = members.log.header(members.device, 0)
    both = [
        sign_operation(header, Rename(members.device, name), members.keys.signing)
        for name in ("one", "other")
    ]
    link = link_of(teller, party)
    for body in encode_operations(both):
        world.write(teller, link.id, link.seal(Kind.OPERATIONS, body))


def test_a_suspended_device_gives_the_evidence_that_it_alone_has() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.offline(cyd)
    contradict(world, ada, bob)
    world.offline(bob)
    assert ada.device.members.is_suspended
    assert ada.id not in bob.device.members.membership.suspended
    world.online(cyd)
    world.pass_time(BACKOFF_MAX_S)
    assert ada.id in cyd.device.members.membership.suspended
    asked = lambda request: asks.ReinstateRequested(request, ada.id.hex())  # noqa: E731
    world.ask(cyd, asked)
    world.online(bob)
    world.pass_time(2 * BACKOFF_MAX_S)
    assert ada.device.members.is_member
    assert ada.linked(cyd)
    assert ada.linked(bob)


def test_nobody_but_a_member_is_told_by_a_device_that_is_out() -> None:
    """Two devices that are out have nothing to say to each other."""
    world, (ada, bob, cyd) = world_of(3)
    world.offline(cyd)
    remove(world, bob, cyd)
    remove(world, bob, ada)
    world.offline(bob)
    world.online(cyd)
    world.pass_time(BACKOFF_MAX_S)
    assert not knows_outside(cyd, ada)
    assert not knows_outside(cyd, cyd)


def test_a_suspended_device_that_moved_is_found_by_whoever_let_it_in_meanwhile() -> None:
    """It dials nobody, and nobody knows its address: it goes on showing its name."""
    world, (ada, bob, cyd) = world_of(3)
    contradict(world, ada, bob)
    world.pass_time(BACKOFF_MAX_S)
    world.offline(bob)
    assert ada.id in cyd.device.members.membership.suspended
    world.offline(ada)
    world.ask(cyd, lambda request: asks.ReinstateRequested(request, ada.id.hex()))
    ada.address = Address("10.1.0.1", 4_000)
    world.online(ada)
    world.pass_time(3 * BACKOFF_MIN_S)
    assert ada.device.members.is_member
    assert ada.linked(cyd)
