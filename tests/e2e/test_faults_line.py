"""Three devices in a line, A - B - C, on a network that keeps breaking, while one is killed.

A and C never meet: everything goes through B. Cuts are silent, as of a switch that lost power: no
interface goes down and no connection is closed.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import pytest

from harness import netns
from harness.cable import Cable
from harness.cable_host import Quality
from harness.daemons import Device, Fleet, pair, wait_synced
from harness.ledger import RECONNECT_S, Writer, note, values
from harness.soundness import assert_no_number_twice, assert_same, assert_sound
from p2pvault.control.caller import connect
from p2pvault.control.home import find_home
from p2pvault.control.messages import Json

REASON = netns.line_unavailable()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.netns,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

LISTEN = ("--listen", ":47474")
"""Every device has a network of its own, so all have the same port and keep it."""

RECORDS = 1_000
WRITES_PER_S = 50.0
LOSS, DELAY_S, JITTER_S, REORDER = 0.02, 0.02, 0.005, 0.01


@dataclass(frozen=True)
class Ordeal:
    """How long a line is tried, and how often something happens to it.

    Attributes:
        seconds: In all.
        cut_s: Between cuts of a cable, each of which lasts half of that.
        kill_s: Between kills of a device.
    """

    seconds: float
    cut_s: float
    kill_s: float


BRIEF = Ordeal(12.0, cut_s=3.0, kill_s=3.5)
LASTING = Ordeal(60.0, cut_s=5.0, kill_s=10.0)


@dataclass(frozen=True)
class Line:
    """The devices from left to right, and what joins them."""

    devices: list[Device]
    cables: Sequence[Cable]

    def settle(self) -> None:
        """Wait until each has proof that its neighbours hold the same."""
        a, b, c = self.devices
        for left, right in ((a, b), (b, c), (a, b)):
            wait_synced(left, right)

    def become(self, quality: Quality) -> None:
        for cable in self.cables:
            cable.become(quality)

    def mend(self) -> None:
        for cable in self.cables:
            cable.mend()


@pytest.fixture(scope="module")
def line(shared: Fleet) -> Iterator[Line]:
    with netns.line(3) as (hosts, cables):
        devices = [
            shared.device(name, LISTEN, host.command)
            for name, host in zip("abc", hosts, strict=True)
        ]
        a, b, c = devices
        a.do("init", "--name", "a")
        for device in devices:
            device.start()
        pair(a, b, admin=True)
        pair(b, c)
        made = Line(devices, cables)
        made.settle()
        yield made
        shared.close()  # before their networks go


def test_partitions_that_nobody_is_told_of_heal(line: Line) -> None:
    a, b, c = line.devices
    line.cables[0].cut()
    a.do("set", "notes/left", "a=1")
    c.do("set", "notes/right", "c=1")
    wait_synced(b, c)
    assert b.refused("get", "notes/left") == (5, "not_found")
    line.cables[0].mend()
    line.cables[1].cut()
    wait_synced(a, b)
    assert a.value("notes/right") == {"c": "1"}
    assert c.refused("get", "notes/left") == (5, "not_found")
    line.cables[1].mend()
    line.settle()
    assert c.value("notes/left") == {"a": "1"}


def make_records(device: Device) -> list[str]:
    """Make the records that all devices write, and return their paths."""
    paths = [f"shared/{number:04}" for number in range(RECORDS)]
    rows: list[Json] = [{"path": path, "value": {"text": path * 20}} for path in paths]
    with connect(find_home(device.home), RECONNECT_S) as caller:
        caller.call("set_many", records=rows)
    return paths


def go_wrong(line: Line, ordeal: Ordeal, random: Random) -> None:
    """Cut one cable after the other, and kill devices."""
    began = time.monotonic()
    next_cut, next_mend, next_kill = 1.0, float("inf"), ordeal.kill_s / 2
    while (now := time.monotonic() - began) < ordeal.seconds:
        if now >= next_cut:
            random.choice(line.cables).cut()
            next_cut, next_mend = now + ordeal.cut_s, now + ordeal.cut_s / 2
        if now >= next_mend:
            line.mend()
            next_mend = float("inf")
        if now >= next_kill:
            victim = random.choice(line.devices)
            victim.kill()
            victim.start()
            next_kill = now + ordeal.kill_s
        time.sleep(0.05)  # The pace of the faults; nothing is waited for.
    line.mend()


def check_all(line: Line, writers: Sequence[Writer]) -> None:
    """Check that all hold the same, and all that was acknowledged."""
    found = [values(device, "shared") for device in line.devices]
    for device, held in zip(line.devices, found, strict=True):
        assert len(held) == RECORDS
        assert held == found[0], device.name
        for writer in writers:
            writer.check_values(device, held)
    homes = [device.home for device in line.devices]
    for device in line.devices:
        device.stop()
        assert_sound(device.home)
    assert_same(*homes)
    assert_no_number_twice(*homes)
    for device in line.devices:
        device.start()


@pytest.mark.parametrize("ordeal", [BRIEF, pytest.param(LASTING, marks=pytest.mark.long)])
def test_no_acknowledged_edit_is_lost_in_a_lossy_line_that_keeps_breaking(
    line: Line, ordeal: Ordeal
) -> None:
    seed = int.from_bytes(os.urandom(4))
    note(f"seed {seed}")
    shared = make_records(line.devices[0])
    line.settle()
    line.become(Quality(LOSS, DELAY_S, JITTER_S, REORDER, seed))
    writers = [Writer(each, each.name, WRITES_PER_S, shared=shared) for each in line.devices]
    for writer in writers:
        writer.start()
    go_wrong(line, ordeal, Random(seed))
    for writer in writers:
        writer.finish()
    over = time.monotonic()
    line.settle()
    settled_s = time.monotonic() - over
    line.become(Quality())
    tallies = [cable.count() for cable in line.cables]
    assert sum(tally.lost for tally in tallies), "the line was lossy"
    assert sum(tally.cut_off for tally in tallies), "and cut"
    check_all(line, writers)
    for device in line.devices:
        assert device.ask("status")["problems"] == []
    answered, cut = sum(w.answered for w in writers), sum(w.cut for w in writers)
    note(f"{answered} writes acknowledged, {cut} cut short; settled after {settled_s:.1f} s")
    note(f"frames of the two cables: {tallies}")
