"""The beacon: which name is shown when, whose names are expected, and which sightings count."""

from harness.entropy import seeded
from harness.pairs import only, world_of
from p2pvault.core import asks, io
from p2pvault.core.beacon import Beacon
from p2pvault.limits import DISCOVERY_JITTER_S, DISCOVERY_RETRIES, DISCOVERY_SLOT_S
from p2pvault.types import Address, Instant

WHERE = (Address("10.0.0.1", 4_000), Address("fe80::1", 4_000))
NOW = Instant(1_000.0, 1_790_000_000_000)


def later(now: Instant, monotonic_s: float, wall_s: float | None = None) -> Instant:
    wall_s = monotonic_s if wall_s is None else wall_s
    return Instant(now.monotonic + monotonic_s, now.wall_ms + int(wall_s * 1_000))


def beacons(count: int = 2) -> list[Beacon]:
    _, parties = world_of(count)
    return [Beacon(it.device.members, it.device.book, seeded(it.name)) for it in parties]


def shown(effects) -> io.Advertise:
    (advertise,) = only(io.Advertise, effects)
    return advertise


def sighting(advertise: io.Advertise, **changes) -> io.PeerSeen:
    fields = {
        "instance": advertise.instance,
        "addresses": advertise.addresses,
        "port": advertise.addresses[0].port,
        "tag": advertise.tag,
    }
    return io.PeerSeen(**fields | changes)


def test_a_device_that_listens_expects_others_and_shows_itself():
    ada, bob = beacons()
    expect, advertise = ada.listen_on(NOW, WHERE)
    assert advertise.addresses == WHERE
    assert advertise.instance not in expect.names
    assert shown(bob.listen_on(NOW, WHERE)).instance in expect.names


def test_a_device_that_listens_nowhere_expects_others_only():
    ada, _ = beacons()
    (expect,) = ada.listen_on(NOW, ())
    assert len(expect.names) == 3 * DISCOVERY_RETRIES


def test_names_change_with_the_slot_and_not_before():
    ada, _ = beacons()
    first = shown(ada.listen_on(NOW, WHERE))
    until_slot_end_s = DISCOVERY_SLOT_S - NOW.wall_ms / 1_000 % DISCOVERY_SLOT_S
    pause_s = ada.next_slot_at - NOW.monotonic
    assert until_slot_end_s <= pause_s <= until_slot_end_s + DISCOVERY_JITTER_S
    assert shown(ada.refresh(later(NOW, until_slot_end_s - 1))).instance == first.instance
    assert shown(ada.rotate(later(NOW, pause_s))).instance != first.instance


def test_a_jump_of_the_wall_clock_never_stops_the_rotation():
    ada, _ = beacons()
    ada.listen_on(NOW, WHERE)
    for jump_s in (86_400.0 * 365 * 10, -86_400.0 * 365 * 10, -1.0, 0.0):
        now = later(NOW, 10, wall_s=jump_s)
        ada.rotate(now)
        assert (
            now.monotonic
            < ada.next_slot_at
            <= now.monotonic + DISCOVERY_SLOT_S + DISCOVERY_JITTER_S
        )
    ada.rotate(Instant(5.0, 0))
    assert ada.next_slot_at > 5.0


def test_devices_whose_clocks_differ_by_a_slot_know_each_other():
    ada, bob = beacons()
    ada.listen_on(NOW, WHERE)
    for minutes in (-15, 15):
        advertise = shown(bob.listen_on(later(NOW, 0, wall_s=60 * minutes), WHERE))
        assert ada.recognise(sighting(advertise)) is not None


def test_a_name_that_is_taken_is_replaced_a_few_times_in_a_slot():
    ada, bob = beacons()
    bob.listen_on(NOW, WHERE)
    names = [shown(ada.listen_on(NOW, WHERE)).instance]
    while effects := ada.taken(NOW, names[-1]):
        names.append(shown(effects).instance)
    assert len(set(names)) == len(names) == DISCOVERY_RETRIES
    assert all(name in bob._expected for name in names)
    assert shown(ada.rotate(later(NOW, DISCOVERY_SLOT_S))).instance not in names
    assert ada.taken(NOW, ada._instance), "a new slot, new names"


def test_news_of_a_name_that_is_shown_no_more_changes_nothing():
    ada, _ = beacons()
    old = shown(ada.listen_on(NOW, WHERE)).instance
    ada.rotate(later(NOW, DISCOVERY_SLOT_S))
    assert ada.taken(later(NOW, DISCOVERY_SLOT_S), old) == []


def test_a_genuine_sighting_says_who_and_where():
    ada, bob = beacons()
    ada.listen_on(NOW, WHERE)
    advertise = shown(bob.listen_on(NOW, WHERE))
    device, addresses = ada.recognise(sighting(advertise))
    assert device == bob._members.device
    assert addresses == WHERE


def test_p22_a_forged_sighting_is_ignored():
    ada, bob = beacons()
    ada.listen_on(NOW, WHERE)
    advertise = shown(bob.listen_on(NOW, WHERE))
    forged = (
        {"instance": "aaaaaaaaaaaaaaaa"},
        {"tag": b""},
        {"tag": advertise.tag[::-1]},
        {"port": 22},
        {"addresses": (Address("10.0.0.66", 4_000),)},
        {"addresses": (*WHERE, Address("10.0.0.66", 4_000))},
    )
    for changes in forged:
        assert ada.recognise(sighting(advertise, **changes)) is None


def test_a_new_epoch_changes_the_names_and_those_of_the_last_one_are_still_known():
    world, (ada, bob, cyd) = world_of(3)
    world.part(ada, bob)
    world.part(cyd, bob)  # cyd would tell bob that it is out, and bob start an epoch of his own
    before = ada.shown
    world.ask(ada, lambda request: asks.RevokeRequested(request, "cyd"))
    assert ada.shown.instance != before.instance
    assert bob.shown.instance in ada.expected, "bob does not know of the new epoch yet"
    assert ada.shown.instance not in cyd.expected
    assert cyd.shown is None, "a device that knows of its removal shows itself no more"


def test_a_device_takes_part_in_the_rotation_by_itself():
    world, (ada, bob) = world_of(2)
    before = ada.shown.instance
    world.pass_time(DISCOVERY_SLOT_S + DISCOVERY_JITTER_S + 1)
    assert ada.shown.instance != before
    assert ada.shown.instance in bob.expected
    taken = ada.shown.instance
    world.give(ada, io.AdvertiseFailed(taken))
    world.run()
    assert ada.shown.instance != taken


def test_a_sighting_that_nobody_genuine_made_is_a_line_for_debugging_only():
    world, (ada, bob) = world_of(2)
    world.give(ada, io.PeerSeen(bob.shown.instance, (Address("10.6.6.6", 66),), 66, b"forged"))
    world.run()
    assert [report.level for report in ada.reported("sighting_ignored")] == ["debug"]
    assert only(io.Dial, ada.trace) == []
