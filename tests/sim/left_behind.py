"""What a store lost when it was put back, and only devices hold that are removed then."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.holdings import fields_of

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation


class LeftBehind:
    """Answered edits that their author has lost, and that go with all devices that hold them.

    Nobody takes anything from a removed device. Whatever reaches another disk before the removal
    does is owed again, and all of it is as long as one of its holders is in.
    """

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._holders: dict[str, list[SimParty]] = {}

    def note(self, forgotten: Mapping[str, set[str]]) -> None:
        """Note who holds what a device lost; somebody was just asked to remove one.

        Args:
            forgotten: By device, what it answered and lost when its store was put back.
        """
        held = {party.name: fields_of(party.disk) for party in self._sim.parties if not party.wiped}
        lost = {field for name, its in forgotten.items() for field in its - held.get(name, its)}
        for field in lost & set[str]().union(*held.values()):
            self._holders[field] = [p for p in self._sim.parties if field in held.get(p.name, ())]

    def see(self, party: "SimParty") -> None:
        """Note what has become durable on another disk."""
        elsewhere = {field for field, holders in self._holders.items() if party not in holders}
        for field in elsewhere & fields_of(party.disk) if elsewhere else ():
            del self._holders[field]

    @property
    def fields(self) -> set[str]:
        """What none but removed devices had any more."""
        noted = self._holders.items()
        return {name for name, holders in noted if not any(party.counts for party in holders)}
