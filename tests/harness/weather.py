"""What goes wrong in a world between devices: crashes, cuts, full disks, and time that passes."""

from collections.abc import Callable
from random import Random

from harness.party import Party
from harness.world import World


class Weather:
    """Faults, each with a rate that is drawn once for a run.

    Attributes:
        world: Where they happen.
        parties: Whom they happen to; may grow.
        random: Decides about all of it.
    """

    def __init__(self, world: World, parties: list[Party], random: Random) -> None:
        self.world = world
        self.parties = parties
        self.random = random
        self._faults: tuple[Callable[[Party], None], ...] = (
            self._crash,
            self._crash_soon,
            self._cut,
            self._mend,
            self._fill_disk,
            self._free_disks,
            self._wait,
        )
        self._rates = [random.choice([0, 1, 3]) for _ in self._faults]

    def go_on(self, moves: int, edits: dict[Callable[[Party], None], int]) -> None:
        """Make moves of some devices, with a few steps of the world after each.

        Args:
            moves: How many.
            edits: What devices do beside what is done to them, and how often.
        """
        choices, rates = [*edits, *self._faults], [*edits.values(), *self._rates]
        for _ in range(moves):
            party = self.random.choice(self.parties)
            (move,) = self.random.choices(choices, rates)
            move(party)
            for _ in range(self.random.randrange(60)):
                self.world.step()

    def _crash(self, party: Party) -> None:
        self.world.restart(party)

    def _crash_soon(self, party: Party) -> None:
        party.crash_at = party.effects_done + self.random.randrange(1, 40)

    def _cut(self, party: Party) -> None:
        other = self.random.choice(self.parties)
        if other is not party:
            self.world.part(party, other)

    def _mend(self, _: Party) -> None:
        for party in self.parties:
            self.world.online(party)
        self.world.mend()

    def _fill_disk(self, party: Party) -> None:
        party.disk_full = True

    def _free_disks(self, _: Party) -> None:
        for party in self.parties:
            party.disk_full = False

    def _wait(self, _: Party) -> None:
        self.world.pass_time(self.random.choice([1, 10, 100]))
