"""Devices that started epochs apart from each other, and have moved since: how they meet again."""

from collections.abc import Callable
from itertools import combinations

import pytest

from harness.pairs import effects_of, only, world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.limits import (
    BACKOFF_MAX_S,
    BACKOFF_MIN_S,
    DISCOVERY_JITTER_S,
    DISCOVERY_SLOT_S,
    GATE_EPOCHS_MAX,
    LINK_AGE_MAX_S,
)
from p2pvault.protocol.discovery import instance_name, slot_of
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Address, Role

SLOT_S = DISCOVERY_SLOT_S + DISCOVERY_JITTER_S


def remove(world: World, party: Party, *gone: Party) -> None:
    for each in gone:
        world.ask(party, lambda request, each=each: asks.RevokeRequested(request, each.name))


def apart(*, past: int = 0, more: int = 0) -> tuple[World, list[Party]]:
    """Let ada and bob, who are parted, remove the others, and move to where nobody was before.

    Args:
        past: Epochs that both know, beside the first.
        more: Epochs that bob starts beside his first.
    """
    world, (ada, bob, cyd) = world_of(3)
    old = [world.join(f"old {number}", ada) for number in range(past + more)]
    gone = [cyd, *old[past:]]
    world.run()
    world.pass_time(5)
    remove(world, ada, *old[:past])
    world.pass_time(5)
    for party in gone:
        world.offline(party)
        party.switched_off, party.shown = True, None
    world.part(ada, bob)
    remove(world, ada, cyd)
    remove(world, bob, *gone)
    for party in (ada, bob):
        party.address = Address(f"10.1.0.{party.address.host[-1]}", 4_000)
        world.give(party, io.NetworkChanged((party.address,)))
    world.run()
    return world, [ada, bob]


def shown_keys(
    world: World, party: Party, seconds: float, after: Callable[[], None] = lambda: None
) -> list[int]:
    """Return which of its discovery keys each name is made with that a device shows from now on."""
    party.trace.clear()
    after()
    world.pass_time(seconds)
    slot = slot_of(world.now.wall_ms)
    names = {
        instance_name(key, near, 0, party.id): back
        for near in range(slot - int(seconds) // DISCOVERY_SLOT_S - 2, slot + 1)
        for back, key in enumerate(party.device.members.discovery_keys().values())
    }
    return [names[shown.instance] for shown in only(io.Advertise, effects_of(party))]


@pytest.mark.parametrize("more", [0, 1, 2])
def test_two_that_started_epochs_apart_find_each_other_within_two_slots(more: int) -> None:
    world, (ada, bob) = apart(more=more)
    assert ada.shown is not None
    assert bob.shown is not None
    assert ada.shown.instance not in bob.expected
    assert bob.shown.instance not in ada.expected
    world.mend()
    world.pass_time(2 * SLOT_S)
    assert ada.linked(bob)
    assert ada.device.members.log.heads == bob.device.members.log.heads
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL


@pytest.mark.parametrize("past", range(GATE_EPOCHS_MAX))
def test_who_shows_a_name_of_an_older_epoch_is_dialled_with_its_gate(past: int) -> None:
    """In the second round: the newest comes first, whoever says whatever."""
    world, (ada, bob) = apart(past=past, more=2)
    world.mend()
    for party in (ada, bob):
        party.trace.clear()
    world.until(lambda: any(only(io.PeerSeen, party.trace) for party in (ada, bob)))
    world.pass_time(3 * BACKOFF_MIN_S)
    assert ada.linked(bob)


def test_once_all_have_heard_of_an_epoch_only_its_names_are_shown() -> None:
    world, (ada, bob) = apart()
    world.mend()
    world.pass_time(2 * SLOT_S + 2 * LINK_AGE_MAX_S)
    for party in (ada, bob):
        assert set(shown_keys(world, party, 8 * SLOT_S)) == {0}


def test_a_removal_that_all_hear_of_at_once_shows_no_name_of_an_older_epoch() -> None:
    world, (ada, bob, cyd) = world_of(3)
    remove(world, ada, cyd)
    world.pass_time(5)
    for party in (ada, bob):
        assert set(shown_keys(world, party, 4 * SLOT_S)) == {0}


def test_a_device_that_is_admitted_later_knows_the_epoch_from_the_beginning() -> None:
    world, (ada, _, cyd) = world_of(3)
    remove(world, ada, cyd)
    world.pass_time(5)
    dan = world.join("dan", ada)
    world.offline(dan)
    dan.switched_off, dan.shown = True, None
    world.pass_time(5)
    assert set(shown_keys(world, ada, 4 * SLOT_S)) == {0}


def test_only_who_started_the_newest_epoch_shows_names_of_older_ones() -> None:
    world, (ada, bob, cyd, dan) = world_of(4)
    world.offline(dan)
    dan.switched_off, dan.shown = True, None
    remove(world, ada, cyd)
    world.pass_time(5)
    assert set(shown_keys(world, ada, 4 * SLOT_S)) == {0, 1}
    assert set(shown_keys(world, bob, 4 * SLOT_S)) == {0}


def test_a_device_that_moves_shows_the_newest_name_at_its_new_place() -> None:
    world, (ada, _) = apart()
    assert shown_keys(world, ada, SLOT_S)[0] == 1
    moved = io.NetworkChanged((Address("10.2.0.1", 4_000),))
    assert shown_keys(world, ada, 1, lambda: world.give(ada, moved)) == [0]
    assert shown_keys(world, ada, SLOT_S)[0] == 1


def test_a_new_epoch_is_shown_before_the_older_ones() -> None:
    world, (ada, bob, cyd, dan) = world_of(4)
    world.offline(dan)
    dan.switched_off, dan.shown = True, None
    remove(world, ada, cyd)
    assert shown_keys(world, ada, DISCOVERY_SLOT_S)[-1] == 1
    keys = shown_keys(world, ada, 3 * SLOT_S, lambda: remove(world, ada, bob))
    assert keys[:4] == [0, 2, 0, 1]


def test_epochs_that_many_started_beside_each_other_do_not_hide_the_one_before_them() -> None:
    """All admins hear of one removal from whom it is about, and start an epoch each.

    All but one of them then know of the others' epochs.
    """
    world, parties = world_of(4)
    ada, bob, cyd, dan = parties
    others = [ada, cyd, dan, world.join("eve", ada, Role.ADMIN)]
    old = world.join("old", ada)
    world.run()
    world.pass_time(5)
    for one, other in combinations([bob, *others], 2):
        world.part(one, other)
    remove(world, ada, old)
    world.pass_time(5)
    world.offline(old)
    old.switched_off, old.shown = True, None
    world.mend()
    for party in others:
        world.part(bob, party)
    world.pass_time(LINK_AGE_MAX_S)
    assert len(ada.device.members.membership.epochs) == 1 + len(others) > GATE_EPOCHS_MAX
    for party in (bob, *others):
        party.address = Address(f"10.1.0.{party.address.host.split('.')[-1]}", 4_000)
        world.give(party, io.NetworkChanged((party.address,)))
    world.run()
    world.mend()
    world.pass_time(2 * SLOT_S)
    assert any(bob.linked(party) for party in others)
    assert ada.device.members.log.heads == bob.device.members.log.heads


def test_where_neither_side_has_whoever_started_its_epoch_an_address_brings_them_together() -> None:
    """What remains: nobody shows an older name, and the gates of older epochs open all the same."""
    world, (ada, bob, cyd, dan) = world_of(4)
    old = world.join("old", ada)
    world.run()
    world.pass_time(5)
    world.offline(old)
    old.switched_off, old.shown = True, None
    for one in (ada, cyd):
        for other in (bob, dan):
            world.part(one, other)
    remove(world, ada, old)
    remove(world, bob, old)
    for starter in (ada, bob):
        world.offline(starter)
        starter.switched_off, starter.shown = True, None
    for party in (cyd, dan):
        party.address = Address(f"10.1.0.{party.address.host[-1]}", 4_000)
        world.give(party, io.NetworkChanged((party.address,)))
    world.run()
    world.mend()
    world.pass_time(4 * SLOT_S)
    assert not cyd.linked(dan)
    world.ask(cyd, lambda request: asks.AddressGiven(request, "dan", dan.address))
    world.pass_time(BACKOFF_MAX_S)
    assert cyd.linked(dan)
    assert cyd.device.members.log.heads == dan.device.members.log.heads
