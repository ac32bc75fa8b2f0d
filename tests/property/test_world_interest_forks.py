"""Devices that do not keep everything, and whose stores are rolled back: nothing goes unseen."""

import itertools
from collections.abc import Iterator
from random import Random

import pytest

from harness.memory_store import MemoryStore
from harness.pairs import world_of
from harness.party import Party
from harness.proofs import assert_proved, rest
from harness.world import put
from p2pvault.core import asks
from p2pvault.crdt.record import Record
from p2pvault.limits import LINK_AGE_MAX_S
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Doubt

pytestmark = pytest.mark.heavy

COLLECTIONS = ("contacts", "notes")
KINDS = ("edit", "edit", "edit", "both", "run", "copy", "cut", "mend", "restore", "forget", "keep")


class Life:
    """A world in which things happen, and every edit that was acknowledged.

    Each edit puts a field of its own, so it is found again wherever its record went.
    """

    def __init__(self, seed: int, *, noticed: bool) -> None:
        self.world, self.parties = world_of(3, seed, shuffled=True)
        self.acknowledged: set[str] = set()
        self._random = Random(f"life {seed}")
        self._serial = itertools.count()
        self._copies = {party.name: self.world.copy(party) for party in self.parties}
        self._noticed = noticed

    def act(self) -> None:
        """Let one thing happen."""
        party = self._random.choice(self.parties)
        match self._random.choice(KINDS):
            case "edit":
                self.edit(party, self._random.choice(COLLECTIONS))
            case "both":
                self.edit(party, *COLLECTIONS)
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
            case "forget":
                self.ask(party, asks.ForgetRequested)
            case "keep":
                self.ask(party, asks.KeepRequested)

    def ask(self, party: Party, kind: type[asks.KeepRequested | asks.ForgetRequested]) -> None:
        request = 10_000 + next(self._serial)
        self.world.give(party, kind(request, self._random.choice(COLLECTIONS)))

    def edit(self, party: Party, *collections: str) -> None:
        """Edit a record of each collection, in one commit."""
        self.world.run()
        forgotten = party.device.pipeline.durable.interest.forgotten
        if forgotten.intersection(collections):
            return
        field = f"field{next(self._serial)}"
        edits = tuple(put(self.path(party, each), **{f"{field}{each}": 1}) for each in collections)
        self.world.ask(party, lambda n: asks.EditRequested(n, edits))
        self.acknowledged |= {f"{field}{each}" for each in collections}

    def path(self, party: Party, collection: str) -> str:
        name = self._random.choice(("one", "two"))
        rows = [row for row in party.store.find(collection, name) if not row.deleted]
        return f"id:{self._random.choice(rows).id.hex()}" if rows else f"{collection}/{name}"

    def restore(self, party: Party) -> None:
        """Roll a store back; what only it held is gone, as with any device that is lost."""
        copy = self._copies[party.name]
        others = [other.store for other in self.parties if other is not party]
        self.acknowledged &= set().union(*map(fields, [copy, *others]))
        self.world.restore(party, copy, Doubt.COPIED if self._noticed else None)

    def settle(self) -> None:
        """Keep everything everywhere, and come to rest."""
        self.world.heal()
        self.world.pass_time(150)
        for party in self.parties:
            for collection in COLLECTIONS:
                request = 10_000 + next(self._serial)
                self.world.give(party, asks.KeepRequested(request, collection))
        rest(self.world, 750)

    def pairs(self) -> Iterator[tuple[Party, Party]]:
        return itertools.permutations(self.parties, 2)


def fields(store: MemoryStore) -> set[str]:
    """Return the names of all fields that a store holds."""
    actor = bytes(16)
    stored = store.records([row.id for row in store.rows(None, None, 1_000)])
    values = (Record.load(actor, each.chunks, each.row.heads).value() for each in stored)
    return {name for value in values for name in value}


def lived(seed: int, *, noticed: bool) -> Life:
    """Return a life that has come to rest."""
    life = Life(seed, noticed=noticed)
    for _ in range(40):
        life.act()
    life.settle()
    return life


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("noticed", [False, True])
def test_whatever_is_forgotten_and_rolled_back_no_edit_is_lost(seed: int, noticed: bool) -> None:
    life = lived(seed, noticed=noticed)
    assert_proved(life.world)
    assert life.acknowledged <= fields(life.parties[0].store)


@pytest.mark.parametrize("seed", [1028, 1184])
def test_what_was_contested_on_a_link_is_proved_on_the_next_one(seed: int) -> None:
    life = lived(seed, noticed=False)
    life.world.pass_time(LINK_AGE_MAX_S)
    assert_proved(life.world)
    assert life.acknowledged <= fields(life.parties[0].store)


def test_a_branch_of_which_a_keeper_has_the_header_only_is_told() -> None:
    """Nobody can take it out there, and its content is with nobody who could prove it."""
    life = lived(1844, noticed=False)
    life.world.pass_time(LINK_AGE_MAX_S)
    ada, bob, cyd = life.parties
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL
    assert life.world.values(ada) == life.world.values(bob)
    for other in (ada, bob):
        assert cyd.verdict(other) is other.verdict(cyd) is Verdict.CONTRADICTION
    assert cyd.reported("fork_not_mended")
    assert life.acknowledged <= fields(ada.store) | fields(cyd.store)
