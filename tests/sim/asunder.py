"""The one end in which devices stay different, and what has to hold then all the same.

A device that was put back unnoticed wrote entries while nobody could tell it, and the others have
dropped the entries with the same numbers: there is nothing left to compare.
docs/reliability.md says so under "Not promised". Nothing else excuses devices that differ.
"""

from typing import TYPE_CHECKING

from p2pvault.protocol.reconcile import Verdict
from sim.oracles import Violation
from sim.setbacks import fields_of

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation


def is_asunder(sim: "Simulation") -> bool:
    """Tell whether a number that was used twice is one whose entry some member has dropped."""
    bases: dict[bytes, int] = {}
    for party in sim.parties:
        for base in party.disk.state().bases if party.counts else ():
            bases[base.author] = max(base.n, bases.get(base.author, 0))
    return any(n <= bases.get(author, 0) for author, n in sim.sown.forked)


def judge_asunder(sim: "Simulation", acknowledged: dict[str, set[str]]) -> None:
    """Check that devices that differ are not called the same, and hold every answered edit.

    Raises:
        Violation: They are, or an edit is nowhere.
    """
    members = [party for party in sim.parties if party.counts]
    for party in members:
        for other in members:
            _check_pair(party, other)
    held = set().union(*(fields_of(party.disk) for party in members))
    for party in members:
        lost = acknowledged.get(party.name, set()) - held
        if lost:
            raise Violation(f"nobody holds {sorted(lost)} that {party.name} answered")


def _check_pair(party: "SimParty", other: "SimParty") -> None:
    if party.disk.truth == other.disk.truth or party is other:
        return
    standing = party.device.book[other.id]
    if standing.link is not None and standing.verdict is Verdict.EQUAL:
        raise Violation(f"{party.name} says that it is equal to {other.name}, and is not")
