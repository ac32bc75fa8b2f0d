"""Who knows what was decided about devices, with the recovery key or without.

Two uses of the key that do not know of each other contradict each other; that is what the rules
are for, and these have tests of their own. People here use it where all uses are known.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from p2pvault.protocol.membership import RecoveryKey
from p2pvault.protocol.membership.decode import decode
from p2pvault.protocol.membership.history import EMPTY, History, Mask, positions
from p2pvault.protocol.membership.operation import Add, Operation, Remove, SetRole
from p2pvault.types import DeviceId

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation


def uses_known(sim: "Simulation", *parties: "SimParty") -> set[bytes]:
    """Return what the recovery key signed, as far as some devices know it, or any that runs."""
    key = RecoveryKey(sim.recovery_seed).id
    return {each.hash for each in _known(sim, parties) if each.author == key}


def ruled_by(sim: "Simulation", devices: Collection[DeviceId] | None) -> set[bytes]:
    """Return what devices, or all, decided about others, as far as anybody that runs knows it."""
    known = list(_known(sim, ()))
    if devices is None:
        return {each.hash for each in known if isinstance(each.content, Remove)}
    rulings = (each for each in known if isinstance(each.content, Add | Remove | SetRole))
    return {each.hash for each in rulings if each.author in devices}


def returns_from(sim: "Simulation", history: History, removal: int) -> Mask:
    """Return the words of the recovery key that let in again whom a removal keeps out.

    They name its device, and the removal does not follow them.
    """
    key, content = RecoveryKey(sim.recovery_seed).id, history[removal].content
    assert isinstance(content, Remove), "it is the number of a removal"
    found = EMPTY
    for number in positions(history.everything & ~history.past(removal)):
        operation = history[number]
        if operation.author == key and _named(operation) == content.device:
            found |= 1 << number
    return found


def _named(operation: Operation) -> DeviceId | None:
    match operation.content:
        case Add(device=card):
            return card.id
        case SetRole(device=device):
            return device
        case _:
            return None


def _known(sim: "Simulation", parties: "tuple[SimParty, ...]") -> Iterator[Operation]:
    running = parties or tuple(each for each in sim.parties if not each.wiped)
    stored = {
        each.hash: each.data for party in running for each in party.device.members.log.operations
    }
    return (decode(data).operation for data in stored.values())
