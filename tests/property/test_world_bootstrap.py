"""New devices join in a storm, where no entry is kept any more: all end up equal and know it."""

from random import Random

import pytest

from harness.entropy import seeded
from harness.party import Party
from harness.proofs import assert_proved, settle
from harness.weather import Weather
from harness.world import World, put
from p2pvault.errors import VaultError
from p2pvault.limits import KIB, UPKEEP_PAUSE_S

pytestmark = pytest.mark.heavy

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
        Weather(self.world, self.parties, self.random).go_on(moves, {self.edit: 8})

    def edit(self, party: Party) -> None:
        self.serial += 1
        name = self.random.choice(NAMES)
        request = self.world.edit(party, put(name, **{f"f{self.serial}": self.serial}))
        self.asked[party, request] = f"f{self.serial}"

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
    settle(storm.world)
    storm.check()
