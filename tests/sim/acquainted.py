"""Which devices can ever meet again once another one is gone.

Two that were admitted by devices that are both gone, and had not met, are strangers for good:
neither knows the operation that admits the other. A person pairs one of them again.
"""

from typing import TYPE_CHECKING

from p2pvault.types import DeviceId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.simulation import SimParty


def know_each_other(parties: "Sequence[SimParty]") -> bool:
    """Tell whether devices are members to each other, or to others that are."""
    known = {party.id: {*party.device.members.membership.members} for party in parties}
    met = {parties[0].id}
    while more := {one for one in known if one not in met and _is_tied(one, met, known)}:
        met |= more
    return met == known.keys()


def _is_tied(one: DeviceId, met: set[DeviceId], known: dict[DeviceId, set[DeviceId]]) -> bool:
    return any(one in known[other] or other in known[one] for other in met)
