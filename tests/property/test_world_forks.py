"""Devices whose stores are rolled back at any time: they end equal, and no edit is lost."""

import itertools
from collections.abc import Sequence
from random import Random

import pytest

from harness.damage import is_sound, loaded, rows, spoiled, whole
from harness.pairs import world_of
from harness.proofs import assert_proved, rest
from p2pvault.core.inquiries import RepairRequested
from p2pvault.errors import CrdtError
from p2pvault.limits import LINK_AGE_MAX_S
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Doubt

pytestmark = pytest.mark.heavy

NAMES = ("one", "two", "three")
KINDS = ("edit", "edit", "edit", "run", "copy", "cut", "cut", "mend", "restore")


DAMAGING = (*KINDS, "spoil", "spoil")


class Life:
    """A world in which things happen, and every edit that was acknowledged.

    Each edit puts a field of its own, so it is found again wherever its record went.
    """

    def __init__(
        self, seed: int, devices: int, *, noticed: bool, kinds: Sequence[str] = KINDS
    ) -> None:
        self.world, self.parties = world_of(devices, seed, shuffled=True)
        self.acknowledged: dict[str, str] = {}
        self._random = Random(f"life {seed}")
        self._serial = itertools.count()
        self._copies = {party.name: self.world.copy(party) for party in self.parties}
        self._noticed = noticed
        self._kinds = kinds

    def act(self) -> None:
        """Let one thing happen."""
        party = self._random.choice(self.parties)
        kind = self._random.choice(self._kinds)
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
            case "spoil":
                self.spoil(party)

    def _holds_the_last(self, party) -> bool:
        stores = [other.store for other in self.parties if other is not party]
        sound = {each.row.id for store in stores for each in whole(store)}
        return any(row.id not in sound for store in stores for row in rows(store))

    def spoil(self, party) -> None:
        """Turn a bit of a record of which another device holds some state that is sound.

        What only this device did to it is in its log, whatever becomes of the copy.
        """
        others = [other.store for other in self.parties if other is not party]
        sound = {each.row.id for store in others for each in whole(store)}
        there = [each for each in whole(party.store) if each.row.id in sound]
        if there:
            stored = self._random.choice(there)
            party.store.damage(spoiled(stored, self._random.randrange(len(stored.chunks))))
            if self._random.random() < 0.5:
                self.world.restart(party)

    def verify(self) -> None:
        """Have each device fetch what is damaged, as a person does who is told of it."""
        for party in self.parties:
            stored = party.store.records([row.id for row in rows(party.store)])
            damaged = tuple(each.row.id for each in stored if not is_sound(each))
            if damaged:
                self.world.ask(party, lambda n, records=damaged: RepairRequested(n, records, (), 0))

    def edit(self, party) -> None:
        field = f"field{next(self._serial)}"
        name = self._random.choice(NAMES)
        rows = [row for row in party.store.find("notes", name) if not row.deleted]
        path = f"id:{self._random.choice(rows).id.hex()}" if rows else f"notes/{name}"
        try:
            self.world.put(party, path, **{field: party.name})
        except CrdtError:
            # The record is damaged here, and was not in memory.
            return
        self.acknowledged[field] = party.name

    def restore(self, party) -> None:
        """Roll a store back; what only it held is gone, as with any device that is lost.

        But for what is damaged everywhere else: that would be lost by the damage.
        """
        if self._holds_the_last(party):
            return
        held = {f for other in self.parties if other is not party for f in fields(other)}
        held |= fields(party, self._copies[party.name])
        self.acknowledged = {f: by for f, by in self.acknowledged.items() if f in held}
        self.world.restore(party, self._copies[party.name], Doubt.COPIED if self._noticed else None)


def fields(party, store=None) -> set[str]:
    """Return the names of all fields that can be read in a store."""
    readable = whole(party.store if store is None else store)
    live = (each for each in readable if not each.row.deleted)
    return {name for each in live for name in loaded(each).value()}


def lived(seed: int, devices: int, *, noticed: bool, kinds: Sequence[str] = KINDS) -> Life:
    """Return a life that has come to rest."""
    life = Life(seed, devices, noticed=noticed, kinds=kinds)
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
    assert set(life.acknowledged) <= fields(life.parties[0])


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
        assert set(life.acknowledged) <= fields(life.parties[0])


@pytest.mark.parametrize("seed", [*range(300, 340), 386])
def test_rollbacks_that_no_file_shows_and_damage_end_equal_with_every_edit(seed: int) -> None:
    life = lived(seed, 3, noticed=False, kinds=DAMAGING)
    life.verify()
    # A fork that fetched records have mended is forgotten with the link that it was noticed on.
    rest(life.world, 2 * LINK_AGE_MAX_S)
    assert_proved(life.world)
    assert set(life.acknowledged) <= fields(life.parties[0])
