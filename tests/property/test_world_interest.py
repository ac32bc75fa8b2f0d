"""Devices keep and forget collections in a storm: nothing acknowledged is lost, nobody lies."""

from random import Random

import pytest

from harness.entropy import seeded
from harness.party import Party
from harness.proofs import assert_no_number_twice, assert_proved, settle
from harness.world import World, put
from p2pvault.core import asks
from p2pvault.errors import VaultError
from p2pvault.limits import KIB, UPKEEP_PAUSE_S
from p2pvault.protocol.reconcile import Verdict

pytestmark = pytest.mark.heavy

COLLECTIONS = ("contacts", "notes", "photos")


class Storm:
    """One seed: three devices, perhaps a fourth that comes late, and entries that are dropped."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(seed, shuffled=True)
        self.parties = [self.world.found("ada")]
        self.asked: dict[tuple[Party, int], tuple[str, str]] = {}
        self.serial = 0
        for number in range(self.random.choice([0, 3, 8])):
            blob = seeded((seed, number))(240 * KIB)
            self.world.put(self.parties[0], f"photos/large{number}", blob=blob)
        for name in ("bob", "phone"):
            self.parties.append(self.world.join(name, self.parties[0]))
        self.world.pass_time(self.random.choice([1, 3 * UPKEEP_PAUSE_S]))

    def join(self) -> None:
        self.world.heal()
        self.parties.append(self.world.join("dan", self.parties[0]))

    def rage(self, moves: int) -> None:
        faults = [self.crash, self.crash_soon, self.cut, self.mend, self.fill, self.free, self.wait]
        rates = [self.random.choice([0, 1, 3]) for _ in faults]
        for _ in range(moves):
            party = self.random.choice(self.parties)
            moves_ = [self.edit, self.both, self.keep, self.forget, *faults]
            (move,) = self.random.choices(moves_, [8, 2, 3, 4, *rates])
            move(party)
            for _ in range(self.random.choice([0, 10, 60, 400])):
                self.world.step()
            self.check_nobody_lies()

    def edit(self, party: Party) -> None:
        self.write(party, (self.random.choice(COLLECTIONS),))

    def both(self, party: Party) -> None:
        self.write(party, tuple(self.random.sample(COLLECTIONS, 2)))

    def write(self, party: Party, collections: tuple[str, ...]) -> None:
        self.serial += 1
        field, name = f"f{self.serial}", self.random.choice("abc")
        edits = [put(f"{collection}/{name}", **{field: 1}) for collection in collections]
        request = self.world.edit(party, *edits)
        self.asked[party, request] = (field, collections[0])

    def keep(self, party: Party) -> None:
        self.serial += 1
        collection = self.random.choice(COLLECTIONS)
        self.world.give(party, asks.KeepRequested(10_000 + self.serial, collection))

    def forget(self, party: Party) -> None:
        self.serial += 1
        collection = self.random.choice(COLLECTIONS)
        self.world.give(party, asks.ForgetRequested(10_000 + self.serial, collection))

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

    # What has to be true -----------------------------------------------------------------

    def held(self, party: Party) -> dict[str, set[str]]:
        rows = party.store.rows(None, None, 1000)
        values = self.world.values(party)
        found: dict[str, set[str]] = {collection: set() for collection in COLLECTIONS}
        for row in rows:
            found[row.collection] |= values[row.id].keys()
        return found

    def written(self) -> set[tuple[str, str]]:
        return {
            what
            for (party, request), what in self.asked.items()
            if request in party.answers and not isinstance(party.answers[request], VaultError)
        }

    def check_nobody_lies(self) -> None:
        """A comparison that says equal never covers what one of the two does not keep."""
        for party in self.parties:
            kept = party.device.pipeline.durable.interest
            for other in self.parties:
                standing = party.device.book[other.id]
                if other is not party and standing.verdict is Verdict.EQUAL and standing.link:
                    assert kept.forgotten <= standing.without, (party.name, other.name)

    def check_interests(self) -> None:
        for party in self.parties:
            interest = party.device.pipeline.durable.interest
            rows = party.store.rows(None, None, 1000)
            rows += party.store.rows(None, None, 1000, deleted=True)
            assert interest.erasing == {}
            assert not {row.collection for row in rows} & interest.forgotten
        for field, collection in self.written():
            keepers = [
                party
                for party in self.parties
                if collection not in party.device.pipeline.durable.interest.forgotten
            ]
            assert keepers, collection
            for party in keepers:
                assert field in self.held(party)[collection], (party.name, collection)

    def check_everything(self) -> None:
        for party in self.parties:
            for collection in COLLECTIONS:
                self.serial += 1
                request = asks.KeepRequested(10_000 + self.serial, collection)
                self.world.give(party, request)
        settle(self.world)
        assert_proved(self.world)
        written = {field for field, _ in self.written()}
        for party in self.parties:
            interest = party.device.pipeline.durable.interest
            assert (interest.forgotten, interest.partial) == (set(), set()), party.name
            held = set().union(*self.held(party).values())
            assert written <= held, party.name
            for event in ("content_differs", "record_damaged", "journal_forked"):
                assert not party.reported(event), (party.name, event)
        assert_no_number_twice(self.world)


@pytest.mark.parametrize("seed", range(80))
def test_devices_with_interests_in_a_storm(seed: int) -> None:
    storm = Storm(seed)
    storm.rage(25)
    if storm.random.random() < 0.5:
        storm.join()
        storm.rage(15)
    settle(storm.world)
    storm.check_interests()
    storm.check_everything()
