"""Clocks that are wrong and machines that slept: nothing depends on the time of day."""

import json
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from harness import faulty
from harness.daemons import LOOPBACK, Device, Fleet, pair, wait_synced
from harness.faulty import Faults

REASON = faulty.unavailable()

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

YEAR_S = 365 * 86_400
NIGHT_S = 8 * 3_600
BEYOND_PATIENCE_S = 100
"""Longer than a silent peer is waited for (IDLE_S)."""


@dataclass(frozen=True)
class Timed:
    """A device and its clocks."""

    device: Device
    clocks: Faults


@pytest.fixture
def couple(fleet: Fleet) -> tuple[Timed, Timed]:
    laptop, phone = timed(fleet, "laptop"), timed(fleet, "phone")
    laptop.device.do("init", "--name", "laptop")
    laptop.device.start()
    phone.device.start()
    pair(laptop.device, phone.device)
    return laptop, phone


def timed(fleet: Fleet, name: str) -> Timed:
    clocks = Faults(fleet.directory, name, fleet.directory)
    return Timed(fleet.device(name, LOOPBACK, clocks.command), clocks)


def edit_both_ways(laptop: Device, phone: Device, what: str) -> None:
    laptop.do("set", f"notes/{what}", "laptop=1")
    phone.do("set", f"notes/{what}-too", "phone=1")
    wait_synced(laptop, phone)
    for device in (laptop, phone):
        assert device.value(f"notes/{what}") == {"laptop": "1"}
        assert device.value(f"notes/{what}-too") == {"phone": "1"}


def year_of_log(device: Device) -> int:
    """Return the year in which a device believes that it is."""
    timestamp = json.loads(device.daemon.log.seen[-1])["timestamp"]
    return datetime.fromisoformat(timestamp).year


@pytest.mark.parametrize(
    "ahead_s",
    [10 * YEAR_S, -10 * YEAR_S, 100 - int(time.time())],
    ids=["ten years ahead", "ten years back", "1970"],
)
def test_a_clock_that_jumps_changes_nothing(couple: tuple[Timed, Timed], ahead_s: int) -> None:
    laptop, phone = couple
    edit_both_ways(laptop.device, phone.device, "before")
    laptop.clocks.set_clock(ahead_s)
    edit_both_ways(laptop.device, phone.device, "jumped")
    assert not [line for line in phone.device.logs if '"link_down"' in line]
    laptop.device.stop()
    laptop.device.start()
    edit_both_ways(laptop.device, phone.device, "restarted")
    assert year_of_log(laptop.device) == datetime.fromtimestamp(time.time() + ahead_s, UTC).year
    laptop.clocks.set_clock(0)
    edit_both_ways(laptop.device, phone.device, "set right")
    # The clock of the first edit does not decide: what knows of an edit comes after it.
    laptop.clocks.set_clock(-abs(ahead_s))
    laptop.device.do("set", "notes/before", "laptop=2")
    wait_synced(laptop.device, phone.device)
    assert phone.device.value("notes/before") == {"laptop": "2"}


@pytest.mark.parametrize("ahead_s", [10 * YEAR_S, -10 * YEAR_S], ids=["ahead", "back"])
def test_devices_whose_clocks_differ_by_ten_years_pair_and_find_each_other(
    fleet: Fleet, ahead_s: int
) -> None:
    laptop, tablet = fleet.founder("laptop"), timed(fleet, "tablet")
    tablet.clocks.set_clock(ahead_s)
    tablet.device.start()
    pair(laptop, tablet.device)
    edit_both_ways(laptop, tablet.device, "paired")
    tablet.device.stop()
    tablet.device.start()
    edit_both_ways(laptop, tablet.device, "restarted")


def test_a_device_that_slept_through_the_night_catches_up(couple: tuple[Timed, Timed]) -> None:
    laptop, phone = couple
    edit_both_ways(laptop.device, phone.device, "evening")
    laptop.device.daemon.process.send_signal(signal.SIGSTOP)
    phone.clocks.pass_time(NIGHT_S)
    phone.device.do("set", "notes/night", "phone=1")
    phone.device.daemon.wait_event("link_down")
    laptop.clocks.sleep(NIGHT_S)
    laptop.device.daemon.process.send_signal(signal.SIGCONT)
    edit_both_ways(laptop.device, phone.device, "morning")
    assert laptop.device.value("notes/night") == {"phone": "1"}
    while laptop.device.daemon.wait_event("network_changed")["reason"] != "woken":
        pass


@pytest.mark.long
def test_a_device_that_stops_for_longer_than_its_peer_waits_catches_up(
    couple: tuple[Timed, Timed],
) -> None:
    laptop, phone = couple[0].device, couple[1].device
    laptop.daemon.process.send_signal(signal.SIGSTOP)
    phone.do("set", "notes/stopped", "phone=1")
    # The silence is what the peer has to notice, and a stopped process has no clock to jump.
    time.sleep(BEYOND_PATIENCE_S)
    phone.daemon.wait_event("link_down")
    laptop.daemon.process.send_signal(signal.SIGCONT)
    edit_both_ways(laptop, phone, "continued")
    assert laptop.value("notes/stopped") == {"phone": "1"}
