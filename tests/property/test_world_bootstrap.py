"""New devices join in a storm, where no entry is kept any more: all end up equal and know it."""

from random import Random

import pytest

from harness.entropy import seeded
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World, put
from p2pvault.errors import VaultError
from p2pvault.limits import BACKOFF_MAX_S, KIB, UPKEEP_PAUSE_S

NAMES = [f"notes/{letter}" for letter in "abcdef"]


class Storm:
    """One seed: a vault whose entries are dropped again and again, and devices that come late."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(seed, shuffled=True)
        self.parties = [self.world.found("ada")]
        self.asked: dict[tuple[Party, int], str] = {}
        self.serial = 0
        for number in range(self.random.choice([0, 3, 8])):
            blob = seeded((seed, number))(240 * KIB)
            self.world.put(self.parties[0], f"large/{number}", blob=blob)
        for name in NAMES:
            self.world.put(self.parties[0], name, first=name)

    def join(self) -> None:
        """Add a device; its sponsor is anybody who is there and is an admin."""
        self.world.heal()
        self.world.pass_time(3 * UPKEEP_PAUSE_S)
        name = ("bob", "cyd", "dan")[len(self.parties) - 1]
        self.parties.append(self.world.join(name, self.parties[0]))

    def rage(self, moves: int) -> None:
        faults = [self.crash, self.crash_soon, self.cut, self.mend, self.fill, self.free, self.wait]
        rates = [self.random.choice([0, 1, 3]) for _ in faults]
        for _ in range(moves):
            party = self.random.choice(self.parties)
            (move,) = self.random.choices([self.edit, *faults], [8, *rates])
            move(party)
            for _ in range(self.random.randrange(60)):
                self.world.step()

    def edit(self, party: Party) -> None:
        self.serial += 1
        name = self.random.choice(NAMES)
        request = self.world.edit(party, put(name, **{f"f{self.serial}": self.serial}))
        self.asked[party, request] = f"f{self.serial}"

    def crash(self, party: Party) -> None:
        self.world.restart(party)

    def crash_soon(self, party: Party) -> None:
        party.crash_at = party.effects_done + self.random.randrange(1, 40)

    def cut(self, party: Party) -> None:
        other = self.random.choice(self.parties)
        if other is not party:
            self.world.part(party, other)

    def mend(self, _: Party) -> None:
        self.world.mend()
        for party in self.parties:
            self.world.online(party)

    def fill(self, party: Party) -> None:
        party.disk_full = True

    def free(self, _: Party) -> None:
        for party in self.parties:
            party.disk_full = False

    def wait(self, _: Party) -> None:
        self.world.pass_time(self.random.choice([1, 10, 100]))

    def settle(self) -> None:
        self.world.run()
        self.world.heal()
        self.world.pass_time(2 * BACKOFF_MAX_S)

    def check(self) -> None:
        assert_proved(self.world)
        written = {
            name
            for (party, request), name in self.asked.items()
            if request in party.answers and not isinstance(party.answers[request], VaultError)
        }
        for party in self.parties:
            held = {name for value in self.world.values(party).values() for name in value}
            assert written <= held, party.name
            assert not party.reported("content_differs"), party.name
            assert party.device.pipeline.durable.fetching is None, party.name


@pytest.mark.parametrize("seed", range(24))
def test_devices_that_come_late_in_a_storm_become_equal(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(storm.random.choice([1, 2, 3])):
        storm.join()
        storm.rage(30)
    storm.settle()
    storm.check()
