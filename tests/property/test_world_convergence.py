"""Two to four devices under everything that goes wrong; afterwards all hold the same and know it.

Each seed draws its own mix of faults. What was acknowledged must be there in the end, on every
device, whatever crashed, was cut off or had no room.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from harness.pairs import world_of
from harness.party import Party
from harness.proofs import assert_no_number_twice, assert_proved, settle
from harness.weather import Weather
from harness.world import World, put
from p2pvault.core import asks
from p2pvault.errors import AmbiguousPath, VaultError

pytestmark = pytest.mark.heavy

NAMES = [f"notes/{letter}" for letter in "abcdef"]


@dataclass
class Storm:
    """One seed's run: what was asked of whom, and the faults in between."""

    world: World
    parties: list[Party]
    random: Random
    asked: dict[tuple[str, int], str] = field(default_factory=dict)
    serial: int = 0

    def run(self, steps: int) -> None:
        weather = Weather(self.world, self.parties, self.random)
        weather.go_on(steps, {self.edit: 12, self.edit_many: 2, self.delete: 2})

    def edit(self, party: Party) -> None:
        """Add a field that nobody else writes, so that it can be looked for in the end."""
        self.serial += 1
        name = self.random.choice(NAMES)
        request = self.world.edit(party, put(name, **{f"f{self.serial}": self.serial}, last=name))
        self.asked[party.name, request] = f"f{self.serial}"

    def edit_many(self, party: Party) -> None:
        edits = []
        for name in self.random.sample(NAMES, 3):
            self.serial += 1
            edits.append(put(f"{name}/{party.name}", **{f"f{self.serial}": "x" * 300}))
        request = self.world.edit(party, *edits)
        self.asked[party.name, request] = f"f{self.serial}"

    def delete(self, party: Party) -> None:
        self.world.edit(party, asks.Edit(self.random.choice(NAMES), remove=True))

    def acknowledged(self) -> set[str]:
        """Return the fields of all edits that were answered with success."""
        answers = {
            (p.name, number): p.answers.get(number) for p in self.parties for number in p.answers
        }
        return {
            name
            for request, name in self.asked.items()
            if request in answers and not isinstance(answers[request], VaultError)
        }


def fields_ever_written(world: World, party: Party) -> set[str]:
    """Return the fields of all records, deleted ones too."""
    return {name for value in world.values(party, deleted=True).values() for name in value}


def weather(seed: int, steps: int = 60) -> Storm:
    random = Random(seed)
    world, parties = world_of(random.choice([2, 3, 3, 4]), seed, shuffled=True)
    storm = Storm(world, parties, random)
    storm.run(steps)
    return storm


@pytest.mark.parametrize("seed", range(60))
def test_devices_become_equal_after_any_storm_and_nothing_acknowledged_is_lost(seed: int) -> None:
    storm = weather(seed)
    assert_no_number_twice(storm.world)
    settle(storm.world)
    assert_proved(storm.world)
    acknowledged = storm.acknowledged()
    for party in storm.parties:
        assert acknowledged <= fields_ever_written(storm.world, party)
        assert not party.reported("content_differs")
        assert not party.reported("record_damaged")


@pytest.mark.parametrize("seed", range(8))
def test_two_that_never_meet_become_equal_through_a_third(seed: int) -> None:
    world, parties = world_of(3, seed, shuffled=True)
    ada, bob, cyd = parties
    world.part(ada, cyd)
    random = Random(seed)
    asked = {}
    for number in range(20):
        party = random.choice(parties)
        edit = put(random.choice(NAMES), **{f"f{number}": number})
        asked[party, world.edit(party, edit)] = f"f{number}"
        for _ in range(random.randrange(20)):
            world.step()
    world.pass_time(60)
    assert not ada.linked(cyd)
    assert world.values(ada) == world.values(bob) == world.values(cyd)
    # A path that two of them made apart is refused as ambiguous from then on.
    refused = {
        name
        for (party, request), name in asked.items()
        if isinstance(party.answers[request], AmbiguousPath)
    }
    assert fields_ever_written(world, ada) == set(asked.values()) - refused
    assert ada.device.pipeline.durable.digest == cyd.device.pipeline.durable.digest


def crash_everywhere(play: Callable[[World, list[Party]], None], effects_max: int) -> None:
    """Play the same scene again and again, with a crash after each effect of each device."""
    for victim in range(2):
        for crash_after in range(1, effects_max):
            world, parties = world_of(2, "crash")
            parties[victim].crash_at = parties[victim].effects_done + crash_after
            play(world, parties)
            settle(world)
            assert_proved(world)


def test_a_crash_after_any_effect_of_an_edit_loses_nothing_that_was_answered() -> None:
    def play(world: World, parties: list[Party]) -> None:
        requests = [world.edit(party, put("notes/one", **{party.name: 1})) for party in parties]
        world.run()
        answered = {
            party.name
            for party, request in zip(parties, requests, strict=True)
            if request in party.answers
        }
        settle(world)
        for party in parties:
            assert answered <= fields_ever_written(world, party)

    crash_everywhere(play, 24)


def test_a_crash_after_any_effect_of_a_rename_leaves_logs_that_load() -> None:
    def play(world: World, parties: list[Party]) -> None:
        for party in parties:
            world.give(party, asks.RenameRequested(900, party.id.hex(), "another"))
        world.run()
        for party in parties:
            world.restart(party)

    crash_everywhere(play, 16)
