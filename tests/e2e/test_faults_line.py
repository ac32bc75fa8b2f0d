"""Three devices in a line, A - B - C, on a network that keeps breaking, while one is killed.

A and C never meet: everything goes through B. Cuts are silent, as of a switch that lost power: no
interface goes down and no connection is closed.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import pytest

from harness import netns
from harness.daemons import Device, Fleet, pair, wait_synced
from harness.ledger import Writer, note
from harness.soundness import assert_sound

REASON = netns.unavailable()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.netns,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

LISTEN = ("--listen", ":47474")
"""Every device has a network of its own, so all have the same port and keep it."""

WRITES_PER_S = 50.0
CUT_S = 5.0
KILL_S = 3.0


@dataclass(frozen=True)
class Line:
    """The devices from left to right, and what joins them."""

    devices: list[Device]
    hosts: Sequence[netns.Host]
    segments: Sequence[netns.Segment]

    def settle(self) -> None:
        """Wait until each has proof that its neighbours hold the same."""
        a, b, c = self.devices
        for left, right in ((a, b), (b, c), (a, b)):
            wait_synced(left, right)


@pytest.fixture
def line(fleet: Fleet) -> Iterator[Line]:
    with netns.line(3) as (hosts, segments):
        devices = [
            fleet.device(name, LISTEN, host.command)
            for name, host in zip("abc", hosts, strict=True)
        ]
        a, b, c = devices
        a.do("init", "--name", "a")
        for device in devices:
            device.start()
        pair(a, b, admin=True)
        pair(b, c)
        made = Line(devices, hosts, segments)
        made.settle()
        yield made
        fleet.close()  # before their networks go


def test_partitions_that_nobody_is_told_of_heal(line: Line) -> None:
    a, b, c = line.devices
    line.segments[0].cut()
    a.do("set", "notes/left", "a=1")
    c.do("set", "notes/right", "c=1")
    wait_synced(b, c)
    assert b.refused("get", "notes/left") == (5, "not_found")
    line.segments[0].mend()
    line.segments[1].cut()
    wait_synced(a, b)
    assert a.value("notes/right") == {"c": "1"}
    assert c.refused("get", "notes/left") == (5, "not_found")
    line.segments[1].mend()
    line.settle()
    assert c.value("notes/left") == {"a": "1"}


def go_wrong(line: Line, seconds: float, random: Random) -> None:
    """Cut a segment every CUT_S for half of that, and kill a device every KILL_S."""
    began = time.monotonic()
    next_cut, next_mend, next_kill = 1.0, float("inf"), KILL_S
    while (now := time.monotonic() - began) < seconds:
        if now >= next_cut:
            random.choice(line.segments).cut()
            next_cut, next_mend = now + CUT_S, now + CUT_S / 2
        if now >= next_mend:
            mend(line)
            next_mend = float("inf")
        if now >= next_kill:
            victim = random.choice(line.devices)
            victim.kill()
            victim.start()
            next_kill = now + KILL_S
        time.sleep(0.05)  # The pace of the faults; nothing is waited for.
    mend(line)


def mend(line: Line) -> None:
    for segment in line.segments:
        segment.mend()


def torture(line: Line, seconds: float) -> None:
    seed = int.from_bytes(os.urandom(4))
    writers = [Writer(device, device.name * 3, WRITES_PER_S) for device in line.devices]
    for writer in writers:
        writer.start()
    go_wrong(line, seconds, Random(seed))
    for writer in writers:
        writer.finish()
    line.settle()
    for device in line.devices:
        for writer in writers:
            writer.check(device)
        assert device.paths() == line.devices[0].paths()
    for device in line.devices:
        device.stop()
        assert_sound(device.home)
    answered, cut = sum(w.answered for w in writers), sum(w.cut for w in writers)
    note(f"seed {seed}: {answered} writes acknowledged, {cut} cut short")


@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.long)])
def test_no_acknowledged_edit_is_lost_in_a_line_that_keeps_breaking(
    line: Line, seconds: int
) -> None:
    torture(line, seconds)


@pytest.fixture
def lossy(line: Line) -> Line:
    for host in line.hosts:
        try:
            host.netem("delay", "30ms", "10ms", "loss", "5%")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"needs the kernel's sch_netem: {error.stderr.strip()}")
    return line


def test_no_acknowledged_edit_is_lost_in_a_lossy_line(lossy: Line) -> None:
    torture(lossy, 10)
