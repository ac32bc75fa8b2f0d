"""Daemons that are killed at random moments, hundreds of times, while both devices are written to.

A kill hits whatever is going on: a commit, a checkpoint, a handshake, the recovery after the kill
before. The writers know what was acknowledged; it has to be on both devices in the end.
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from harness.daemons import Device, wait_synced
from harness.ledger import Writer, note
from harness.soundness import assert_sound

pytestmark = pytest.mark.e2e

KILLS_A_RUN = 50
LIFE_S = 0.3
"""How long a daemon lives at most once it is ready: a few dozen writes."""

EARLY = 0.25
"""How many kills do not wait until the daemon is ready: they hit its recovery."""

WRITES_PER_S = 50.0
"""Of one writer; there are four."""


class Killer:
    """Kills one device's daemon again and again, and starts it anew."""

    def __init__(self, device: Device, kills: int, random: Random) -> None:
        self._device = device
        self._kills = kills
        self._random = random
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(self._kills * 10.0)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        for _ in range(self._kills):
            if self._random.random() > EARLY:
                self._device.daemon.wait_event("ready")
            # The moment is what is drawn here; nothing is waited for.
            time.sleep(self._random.uniform(0.0, LIFE_S))
            self._device.kill()
            self._device.launch()


@dataclass
class Couple:
    laptop: Device
    phone: Device

    @property
    def both(self) -> tuple[Device, Device]:
        return self.laptop, self.phone


@pytest.fixture(scope="module")
def steady(couple: tuple[Device, Device]) -> Couple:
    """A couple whose ports stay, so that a device that is back is found at once."""
    laptop, phone = couple
    for device in (laptop, phone):
        device.options = ("--listen", device.listening())
        device.stop()
        device.launch()
    return Couple(laptop, phone)


def kill_for_a_while(couple: Couple, run: int, random: Random) -> list[Writer]:
    writers = [
        Writer(
            device, f"run{run}-{device.name}-{'bulk' if bulk else 'one'}", WRITES_PER_S, bulk=bulk
        )
        for device in couple.both
        for bulk in (False, True)
    ]
    for writer in writers:
        writer.start()
    killers = [Killer(device, KILLS_A_RUN // 2, Random(random.random())) for device in couple.both]
    for killer in killers:
        killer.wait()
    for device in couple.both:
        device.daemon.wait_event("ready")
    for writer in writers:
        writer.finish()
    return writers


@pytest.fixture(scope="module")
def writers(steady: Couple) -> Iterator[list[Writer]]:
    """All writers so far: what was acknowledged in one run must be there after the others too."""
    everybody: list[Writer] = []
    yield everybody
    for device in steady.both:
        for writer in everybody:
            writer.check(device)


RUNS = [
    *range(4),
    *(pytest.param(run, marks=pytest.mark.long) for run in range(4, 24)),
]
"""200 kills, and 1 000 in the long ones."""


@pytest.mark.parametrize("run", RUNS)
def test_no_acknowledged_edit_is_lost_by_kills_at_random_moments(
    steady: Couple, writers: list[Writer], run: int
) -> None:
    seed = int.from_bytes(os.urandom(4))
    here = kill_for_a_while(steady, run, Random(seed))
    writers += here
    wait_synced(*steady.both)
    for device in steady.both:
        for writer in here:
            writer.check(device)
    assert steady.laptop.paths() == steady.phone.paths()
    for device in steady.both:
        device.stop()
        assert_sound(device.home)
        device.launch()
    answered, cut = sum(writer.answered for writer in here), sum(writer.cut for writer in here)
    assert answered > KILLS_A_RUN, "they come to write between the kills"
    assert cut > KILLS_A_RUN / 4, "and kills hit them"
    note(f"seed {seed}: {answered} writes acknowledged, {cut} cut short by {KILLS_A_RUN} kills")
