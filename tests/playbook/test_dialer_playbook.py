"""The dialer: rounds over addresses, pauses that grow, and the bounds on dials under way."""

import pytest

from harness.batches import device
from harness.entropy import seeded
from p2pvault.core.dialer import Dialer
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    BACKOFF_MAX_S,
    BACKOFF_MIN_S,
    DIALS_MAX,
    DIALS_PER_DEVICE_MAX,
    LINK_SETTLED_S,
)
from p2pvault.types import Address

ADA, BOB = device(1), device(2)


def at(number: int) -> Address:
    return Address("10.0.0.1", number)


def dialer() -> Dialer:
    return Dialer(seeded("dialer"))


def addresses(dials) -> list[Address]:
    return [dial.address for dial in dials]


def fail(dialer: Dialer, dials) -> None:
    for dial in dials:
        dialer.failed(dial.attempt)


def test_a_round_tries_every_address_a_few_at_a_time():
    it = dialer()
    wanted = {ADA: [at(n) for n in range(6)]}
    first = it.plan(0.0, wanted)
    assert addresses(first) == [at(n) for n in range(DIALS_PER_DEVICE_MAX)]
    assert it.plan(0.0, wanted) == []
    it.failed(first[0].attempt)
    assert addresses(it.plan(0.0, wanted)) == [at(4)]
    fail(it, first[1:])
    assert addresses(it.plan(0.0, wanted)) == [at(5)]


def test_pauses_between_rounds_double_up_to_their_bound():
    it, now, pauses = dialer(), 0.0, []
    for _ in range(14):
        fail(it, it.plan(now, {ADA: [at(1)]}))
        assert it.plan(now, {ADA: [at(1)]}) == []
        pauses.append(it.deadline() - now)
        now = it.deadline()
    for number, pause in enumerate(pauses):
        expected = min(BACKOFF_MIN_S * 2**number, BACKOFF_MAX_S)
        assert 0.8 * expected <= pause <= 1.2 * expected


def test_a_round_does_not_begin_before_its_time():
    it = dialer()
    fail(it, it.plan(0.0, {ADA: [at(1)]}))
    early = it.deadline() - 0.01
    assert it.plan(early, {ADA: [at(1)]}) == []
    assert len(it.plan(it.deadline(), {ADA: [at(1)]})) == 1


def test_no_round_begins_while_a_dial_of_the_one_before_is_under_way():
    it = dialer()
    first, second = it.plan(0.0, {ADA: [at(1), at(2)]})
    it.failed(first.attempt)
    assert it.plan(2 * BACKOFF_MAX_S, {ADA: [at(1), at(2)]}) == []
    it.failed(second.attempt)
    assert len(it.plan(2 * BACKOFF_MAX_S, {ADA: [at(1), at(2)]})) == 2


def test_dials_are_bounded_over_all_devices_and_those_that_wait_do_not_wake_anybody():
    it = dialer()
    wanted = {device(n): [at(10 * n + k) for k in range(6)] for n in range(5)}
    first = it.plan(0.0, wanted)
    assert len(first) == DIALS_MAX
    assert it.deadline() == float("inf"), "what waits for room is not due at any time"
    assert it.plan(100.0, wanted) == []
    it.failed(first[0].attempt)
    assert len(it.plan(100.0, wanted)) == 1
    assert len({dial.attempt for dial in first}) == DIALS_MAX


def test_every_device_gets_its_turn():
    it, seen = dialer(), set()
    wanted = {device(n): [at(10 * n + k) for k in range(6)] for n in range(5)}
    dials = it.plan(0.0, wanted)
    for _ in range(40):
        seen |= {dial.device for dial in dials}
        fail(it, dials)
        dials = it.plan(0.0, wanted)
    assert seen == set(wanted)


def test_a_sighting_starts_over_with_the_sighted_address_first():
    it = dialer()
    for _ in range(6):
        fail(it, it.plan(it.deadline() if it.deadline() < 1e9 else 0.0, {ADA: [at(1)]}))
    now = it.deadline() - 1.0
    it.sighted(now, ADA, (at(2),))
    assert addresses(it.plan(now, {ADA: [at(1)]})) == [at(2), at(1)]


def test_p22_sightings_do_not_make_a_device_be_dialled_more_than_once_a_second():
    it = dialer()
    fail(it, it.plan(10.0, {ADA: [at(1)]}))
    for tenth in range(9):
        it.sighted(10.0 + tenth / 10, ADA, (at(2),))
        assert it.plan(10.0 + tenth / 10, {ADA: [at(1)]}) == []
    assert it.plan(10.0 + BACKOFF_MIN_S, {ADA: [at(1)]}) != []


def test_p22_sighted_addresses_are_bounded():
    it = dialer()
    it.sighted(0.0, ADA, tuple(at(n) for n in range(100)))
    dials = []
    for _ in range(100):
        new = it.plan(0.0, {ADA: []})
        dials += new
        fail(it, new)
    assert len(dials) == ADDRESSES_PER_PEER_MAX


def test_a_change_of_our_network_starts_over_with_everybody():
    it = dialer()
    for now in (0.0, 2.0, 6.0):
        fail(it, it.plan(now, {ADA: [at(1)], BOB: [at(2)]}))
    it.hurry(8.0)
    assert addresses(it.plan(8.0, {ADA: [at(1)], BOB: [at(2)]})) == [at(1), at(2)]


def test_a_device_that_is_reached_is_dialled_no_more():
    it = dialer()
    (dial,) = it.plan(0.0, {ADA: [at(1)]})
    assert it.taken(dial.attempt).device == ADA
    it.reached(0.0, ADA)
    assert it.plan(0.0, {}) == []
    assert it.deadline() == float("inf")


def test_a_link_that_lived_is_dialled_again_at_once():
    it = dialer()
    it.reached(0.0, ADA)
    it.lost(LINK_SETTLED_S, ADA, orderly=False)
    assert len(it.plan(LINK_SETTLED_S, {ADA: [at(1)]})) == 1


def test_links_that_break_at_once_are_dialled_ever_more_rarely():
    it, now, pauses = dialer(), 0.0, []
    for _ in range(12):
        it.reached(now, ADA)
        it.lost(now, ADA, orderly=False)
        assert it.plan(now, {ADA: [at(1)]}) == []
        pauses.append(it.deadline() - now)
        now = it.deadline()
        (dial,) = it.plan(now, {ADA: [at(1)]})
        it.taken(dial.attempt)
    for broken, pause in enumerate(pauses):
        doubled = min(BACKOFF_MIN_S * 2**broken, BACKOFF_MAX_S)
        assert 0.8 * doubled <= pause <= 1.2 * doubled


def test_an_orderly_end_is_no_setback():
    it = dialer()
    it.reached(0.0, ADA)
    it.lost(1.1, ADA, orderly=True)
    assert len(it.plan(1.1, {ADA: [at(1)]})) == 1


def test_a_link_that_is_closed_in_order_at_once_is_one():
    it = dialer()
    it.reached(0.0, ADA)
    it.lost(0.1, ADA, orderly=True)
    assert it.plan(0.1, {ADA: [at(1)]}) == []


def test_a_linked_device_is_dialled_again_to_renew_but_not_twice():
    it = dialer()
    (dial,) = it.again(ADA, at(1))
    assert it.again(ADA, at(1)) == []
    it.failed(dial.attempt)
    assert len(it.again(ADA, at(1))) == 1


def test_a_renewal_waits_for_room():
    it = dialer()
    it.plan(0.0, {device(n): [at(k) for k in range(4)] for n in range(5)})
    assert it.again(device(9), at(1)) == []


@pytest.mark.parametrize("forgotten", [ADA, BOB])
def test_whoever_is_not_wanted_any_more_is_forgotten(forgotten):
    it = dialer()
    fail(it, it.plan(0.0, {ADA: [at(1)], BOB: [at(2)]}))
    wanted = {ADA: [at(1)], BOB: [at(2)]}
    del wanted[forgotten]
    it.plan(100.0, wanted)
    assert set(it._targets) == set(wanted)
