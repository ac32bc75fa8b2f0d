"""Which operations of the recovery key are in force: a line, each of which knows those before.

The key has no place of its own where its operations could be put in order. Whoever has its words
may use them on any device, so two uses that do not know of each other are possible. Of those
the one with the lowest hash is in force, the others are not, and neither is what follows only them:

    line = []
    among the key's operations that follow all of the line, take those that follow no other one;
    the one with the lowest hash joins the line; again, until there is none left

An operation that replaces the key hands the line to the new one. No device has a part in this, so
it can be settled before anything about devices is.
"""

from dataclasses import dataclass

from p2pvault.protocol.membership.history import EMPTY, History, Mask, positions
from p2pvault.protocol.membership.operation import Recovery
from p2pvault.protocol.membership.rulings import Rulings
from p2pvault.types import DeviceId


@dataclass(frozen=True, slots=True)
class Reign:
    """The recovery key in one scope.

    Attributes:
        line: The operations in force; each follows all before it, so the highest is the last.
        key: The recovery key after them, None for a vault without one.
        rivals: The operations that are not in force and that the last one in force does not know.
    """

    line: Mask
    key: DeviceId | None
    rivals: Mask


def reign_of(history: History, rulings: Rulings, scope: Mask) -> Reign:
    """Work out the line in a causally closed scope."""
    line, key, left = EMPTY, rulings.first_key, rulings.recovered & scope
    known = EMPTY
    while (winner := _first(history, _signed_by(history, key, left))) is not None:
        line |= 1 << winner
        known = history.past(winner)
        content = history[winner].content
        key = content.keys.id if isinstance(content, Recovery) else key
        left = _following(history, winner, left)
    return Reign(line, key, rulings.recovered & scope & ~line & ~known)


def _signed_by(history: History, key: DeviceId | None, mask: Mask) -> Mask:
    return sum(1 << number for number in positions(mask) if history[number].author == key)


def _first(history: History, mask: Mask) -> int | None:
    """Return the lowest by hash of those that follow no other."""
    firsts = [number for number in positions(mask) if not history.past(number) & mask]
    return min(firsts, key=lambda number: history[number].hash, default=None)


def _following(history: History, number: int, mask: Mask) -> Mask:
    return sum(1 << each for each in positions(mask) if history.past(each) >> number & 1)
