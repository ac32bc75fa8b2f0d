"""Which devices can ever meet again once another one is gone.

Two that were admitted by devices that are both gone, and had not met, are strangers for good:
neither knows the operation that admits the other. A person pairs one of them again. Where one of
them does know the other, it has to find it; nothing shows it a name of an epoch that is new to it.
"""

from typing import TYPE_CHECKING

from p2pvault.core.members import Members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.simulation import SimParty


def know_each_other(parties: "Sequence[SimParty]") -> bool:
    """Tell whether devices can meet each other, or others that can."""
    met, apart = [parties[0]], list(parties[1:])
    while more := [one for one in apart if any(_can_meet(one, other) for other in met)]:
        met += more
        apart = [one for one in apart if one not in more]
    return not apart


def _can_meet(one: "SimParty", other: "SimParty") -> bool:
    """Tell whether two are members to each other, or one of them is and can find the other."""
    both = _knows(one, other) and _knows(other, one)
    return both or _finds(one, other) or _finds(other, one)


def _finds(one: "SimParty", other: "SimParty") -> bool:
    """Tell whether a device takes another one for a member, and knows where it is or its name."""
    standing, newest = one.device.book[other.id], other.device.members.newest
    assert newest is not None, "a device that is in a vault has an epoch"
    is_named = newest.id in one.device.members.discovery_keys()
    can_dial = is_named or bool(standing.given or standing.seen)
    return _knows(one, other) and can_dial and _opens(one.device.members, other)


def are_acquainted(members: Members, parties: "Sequence[SimParty]") -> bool:
    """Tell whether a new device that begins with a backup can meet devices, if there are any."""
    known = [each for each in parties if each.id in members.membership.members]
    can_meet = any(_opens(members, each) for each in known)
    return not parties or (can_meet and know_each_other(parties))


def _opens(members: Members, other: "SimParty") -> bool:
    """Tell whether a gate of a device is open to whoever knows the epochs of some members."""
    return not members.secrets.keys().isdisjoint(other.device.members.discovery_keys())


def _knows(one: "SimParty", other: "SimParty") -> bool:
    return other.id in one.device.members.membership.members
