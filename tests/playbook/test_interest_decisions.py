"""What a person decides about collections: done before it is answered, and never on half of it."""

import pytest

from harness.pairs import link_of, world_of
from harness.party import Party
from harness.proofs import assert_proved, rest
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.kinds import Kind
from p2pvault.errors import StoreFull, VaultError
from p2pvault.limits import BACKOFF_MAX_S, IDLE_S
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.membership.operation import Rename, sign_operation

Asked = type[asks.KeepRequested | asks.ForgetRequested]


def forget(world: World, party: Party) -> None:
    world.ask(party, lambda n: asks.ForgetRequested(n, "notes"))


def keep(world: World, party: Party) -> None:
    world.ask(party, lambda n: asks.KeepRequested(n, "notes"))


def partial(party: Party) -> frozenset[str]:
    return party.device.pipeline.durable.interest.partial


def suspend(world: World, party: Party, teller: Party) -> None:
    """Let a device hear of two operations in its name that have one number, and tell of it."""
    members = party.device.members
    header, key = members.log.header(members.device, 0), members.keys.signing
    names = ("one", "other")
    both = [sign_operation(header, Rename(members.device, name), key) for name in names]
    link = link_of(teller, party)
    for body in encode_operations(both):
        world.write(teller, link.id, link.seal(Kind.OPERATIONS, body))
    world.pass_time(BACKOFF_MAX_S)
    assert party.device.members.is_suspended


@pytest.mark.parametrize("asked", [asks.KeepRequested, asks.ForgetRequested])
def test_what_is_asked_twice_is_answered_when_it_is_durable(asked: Asked) -> None:
    world, (ada, _) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(1)
    if asked is asks.KeepRequested:
        forget(world, ada)
    before = ada.device.pipeline.durable.interest.forgotten
    ada.disk_full = True
    for request in (901, 902):
        extra = {"anyway": True} if asked is asks.ForgetRequested else {}
        world.give(ada, asked(request, "notes", **extra))
    world.run()
    assert isinstance(ada.answers[901], StoreFull)
    assert isinstance(ada.answers[902], VaultError)
    assert ada.device.pipeline.durable.interest.forgotten == before


def test_one_collection_is_proved_whole_while_another_is_about_to_be_forgotten() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.ask(bob, lambda n: asks.ForgetRequested(n, "photos"))
    world.pass_time(IDLE_S)
    for given in (asks.KeepRequested(901, "photos"), asks.ForgetRequested(902, "notes")):
        world.give(bob, given)
    world.run()
    assert bob.answers.keys() >= {901, 902}
    assert partial(bob) == frozenset()
    world.put(bob, "photos/one", n=1)
    assert world.value(ada, "photos/one") == {"n": 1}
    assert_proved(world)


def test_what_a_suspended_device_alone_may_hold_is_missing_until_it_is_in_again() -> None:
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", text="a")
    world.pass_time(IDLE_S)
    forget(world, ada)
    forget(world, bob)
    suspend(world, cyd, ada)
    keep(world, ada)
    keep(world, bob)
    world.pass_time(IDLE_S)
    assert partial(ada) == partial(bob) == {"notes"}
    world.ask(ada, lambda n: asks.ReinstateRequested(n, cyd.id.hex()))
    rest(world, 2 * BACKOFF_MAX_S)
    assert_proved(world)
    assert partial(ada) == partial(bob) == frozenset()
    assert world.value(ada, "notes/one") == world.value(bob, "notes/one") == {"text": "a"}
    assert not [party for party in world.parties if party.reported("content_differs")]


def test_a_device_whose_only_other_one_is_suspended_is_not_alone() -> None:
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="a")
    world.pass_time(IDLE_S)
    forget(world, ada)
    suspend(world, bob, ada)
    keep(world, ada)
    assert partial(ada) == {"notes"}
    world.ask(ada, lambda n: asks.ReinstateRequested(n, bob.id.hex()))
    rest(world, 2 * BACKOFF_MAX_S)
    assert_proved(world)
    assert world.value(ada, "notes/one") == {"text": "a"}
    assert not bob.reported("content_differs")
