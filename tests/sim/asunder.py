"""The two ends in which devices stay different, and what has to hold then all the same.

A device that was put back unnoticed wrote entries while nobody could tell it, and the others have
dropped the entries with the same numbers: there is nothing left to compare. Or a branch cannot be
taken out, and its device says so: a member has only headers of it. docs/reliability.md says so
under "Not promised". Nothing else excuses devices that differ.
"""

from typing import TYPE_CHECKING

from p2pvault.protocol.journal import outside_of
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import AuthorId
from sim.holdings import fields_of
from sim.oracles import Violation
from sim.truth import truth_without

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation


def is_asunder(sim: "Simulation") -> bool:
    """Tell whether a member dropped an entry whose number was used twice, or has headers only."""
    bases: dict[bytes, int] = {}
    for party in sim.parties:
        for base in party.disk.state().bases if party.counts else ():
            bases[base.author] = max(base.n, bases.get(base.author, 0))
    if any(n <= bases.get(author, 0) for author, n in sim.sown.forked):
        return True
    unmended = [each for each in sim.sown.forked if each[0].hex() in sim.watch.unmended]
    return any(_is_outlined(sim, *each) for each in unmended)


def _is_outlined(sim: "Simulation", author: AuthorId, n: int) -> bool:
    """Tell whether a member has only headers of a journal, from a number on that is used twice."""
    return any(
        entry.author == author and entry.n >= n and outside_of(entry.data)
        for party in sim.parties
        if party.counts
        for entry in party.disk.all_entries()
    )


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
    standing = party.device.book[other.id]
    here, there = (truth_without(p.disk.truth, standing.without) for p in (party, other))
    if here == there or party is other:
        return
    if standing.link is not None and standing.verdict is Verdict.EQUAL:
        raise Violation(f"{party.name} says that it is equal to {other.name}, and is not")
