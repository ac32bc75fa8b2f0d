"""Devices whose stores are rolled back at any time: they end equal, and no edit is lost."""

import itertools
from random import Random

import pytest

from harness.pairs import world_of
from harness.proofs import assert_proved, rest
from harness.world import World
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Doubt

pytestmark = pytest.mark.heavy

NAMES = ("one", "two", "three")
KINDS = ("edit", "edit", "edit", "run", "copy", "cut", "cut", "mend", "restore")


class Life:
    """A world in which things happen, and every edit that was acknowledged.

    Each edit puts a field of its own, so it is found again wherever its record went.
    """

    def __init__(self, seed: int, devices: int, *, noticed: bool) -> None:
        self.world, self.parties = world_of(devices, seed, shuffled=True)
        self.acknowledged: dict[str, str] = {}
        self._random = Random(f"life {seed}")
        self._serial = itertools.count()
        self._copies = {party.name: self.world.copy(party) for party in self.parties}
        self._noticed = noticed

    def act(self) -> None:
        """Let one thing happen."""
        party = self._random.choice(self.parties)
        kind = self._random.choice(KINDS)
        match kind:
            case "edit":
                self.edit(party)
            case "run":
                self.world.pass_time(self._random.choice((1, 30)))
            case "copy":
                self._copies[party.name] = self.world.copy(party)
            case "cut":
                self.world.offline(party)
            case "mend":
                self.world.online(party)
            case "restore":
                self.restore(party)

    def edit(self, party) -> None:
        field = f"field{next(self._serial)}"
        name = self._random.choice(NAMES)
        rows = [row for row in party.store.find("notes", name) if not row.deleted]
        path = f"id:{self._random.choice(rows).id.hex()}" if rows else f"notes/{name}"
        self.world.put(party, path, **{field: party.name})
        self.acknowledged[field] = party.name

    def restore(self, party) -> None:
        """Roll a store back; what only it held is gone, as with any device that is lost."""
        held = {
            f for other in self.parties if other is not party for f in fields(self.world, other)
        }
        held |= fields(self.world, party, self._copies[party.name])
        self.acknowledged = {f: by for f, by in self.acknowledged.items() if f in held}
        self.world.restore(party, self._copies[party.name], Doubt.COPIED if self._noticed else None)


def fields(world: World, party, store=None) -> set[str]:
    """Return the names of all fields that a store holds."""
    kept, party.store = party.store, party.store if store is None else store
    try:
        return {name for value in world.values(party).values() for name in value}
    finally:
        party.store = kept


def lived(seed: int, devices: int, *, noticed: bool) -> Life:
    """Return a life that has come to rest."""
    life = Life(seed, devices, noticed=noticed)
    for _ in range(30):
        life.act()
    life.world.heal()
    rest(life.world, 600)
    return life


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("devices", [2, 3])
@pytest.mark.parametrize("noticed", [False, True])
def test_however_stores_are_rolled_back_devices_end_equal_with_every_edit(
    seed: int, devices: int, noticed: bool
) -> None:
    life = lived(seed, devices, noticed=noticed)
    assert_proved(life.world)
    assert set(life.acknowledged) <= fields(life.world, life.parties[0])


BURIED = {185}
"""Seeds in which the others dropped the very numbers that a device forgot and used again."""


@pytest.mark.parametrize("seed", range(100, 251))
def test_rollbacks_that_no_file_shows_end_equal_or_are_told(seed: int) -> None:
    life = lived(seed, 3, noticed=False)
    if seed in BURIED:
        pairs = [*itertools.permutations(life.parties, 2)]
        assert any(one.verdict(two) is Verdict.CONTRADICTION for one, two in pairs)
        for one, two in pairs:
            same = life.world.values(one) == life.world.values(two)
            assert same or one.verdict(two) is not Verdict.EQUAL
    else:
        assert_proved(life.world)
        assert set(life.acknowledged) <= fields(life.world, life.parties[0])
