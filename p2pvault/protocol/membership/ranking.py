"""Epochs in order: which one writers use, and which ones are still good to read and to link."""

from collections.abc import Callable, Iterable

from p2pvault.protocol.membership.history import EMPTY, Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.operation import NewEpoch
from p2pvault.protocol.membership.state import Epoch
from p2pvault.types import DeviceId, EpochId


def ranked_epochs(
    ledger: Ledger, valid: Iterable[int], removals: Mask, may_open: Callable[[DeviceId], bool]
) -> tuple[Epoch, ...]:
    """Return the epochs that count, the one to use first.

    One that keeps out everybody who is no member comes before one that does not, then the deeper,
    then the one whose operation has the higher hash: all the same on every device.

    Args:
        ledger: All operations.
        valid: The numbers of the valid epoch operations.
        removals: The operations that keep somebody out.
        may_open: Whether somebody may hold the secret: the members, and the recovery key.
    """
    depths = _depths(ledger)
    epochs: dict[EpochId, Epoch] = {}
    for number in valid:
        content = _content(ledger, number)
        epoch = Epoch(
            id=content.id,
            depth=depths[number],
            operation=ledger.history[number].hash,
            parents=content.parents,
            closed=not removals & ~ledger.history.past(number)
            and all(may_open(box.device) for box in content.boxes),
        )
        known = epochs.setdefault(epoch.id, epoch)
        epochs[epoch.id] = min(known, epoch, key=_rank)
    return tuple(sorted(epochs.values(), key=_rank, reverse=True))


def _rank(epoch: Epoch) -> tuple[bool, int, bytes]:
    return epoch.closed, epoch.depth, epoch.operation


def _depths(ledger: Ledger) -> dict[int, int]:
    """Return the longest chain of parents behind each epoch operation, void ones included.

    A void parent keeps its place, so that a removal never changes the order of what remains.
    """
    everything: Mask = EMPTY
    for starts in ledger.epochs.values():
        everything |= starts
    depths: dict[int, int] = {}
    for number in positions(everything):
        past = ledger.history.past(number)
        parents = (
            depths[start]
            for parent in _content(ledger, number).parents
            for start in positions(ledger.epochs.get(parent, EMPTY) & past)
        )
        depths[number] = 1 + max(parents, default=-1)
    return depths


def _content(ledger: Ledger, number: int) -> NewEpoch:
    content = ledger.history[number].content
    assert isinstance(content, NewEpoch), "only epoch operations are recorded as such"
    return content
