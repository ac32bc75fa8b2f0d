"""A device that was admitted by a suspended one, which has not heard of that, and is gone."""

from harness.pairs import rename, world_of
from harness.proofs import are_proved
from p2pvault.core.asks import AddressGiven


def test_it_meets_the_others_once_it_knows_where_one_is():
    """The others went on to an epoch of which it knows no name, and cannot know it."""
    world, (ada, bob, cyd) = world_of(3)
    copy = world.copy(ada)
    world.offline(bob)
    rename(world, ada, "once")
    world.pass_time(5)
    world.offline(ada)
    world.offline(cyd)
    world.restore(ada, copy)
    world.online(ada)
    world.online(bob)
    rename(world, ada, "again")
    world.pass_time(30)
    world.offline(ada)
    world.online(cyd)
    world.pass_time(30)
    for party in (bob, cyd):
        assert ada.id in party.device.members.membership.suspended
        world.offline(party)
    world.online(ada)
    dan = world.join("dan", ada)
    world.pass_time(30)
    assert not ada.device.members.membership.suspended
    world.offline(ada)
    for party in (bob, cyd):
        world.online(party)
    world.pass_time(3_600)
    assert not dan.linked(bob)
    assert not dan.linked(cyd)
    world.ask(dan, lambda request: AddressGiven(request, bob.id.hex(), bob.address))
    world.pass_time(120)
    assert are_proved([bob, cyd, dan])
