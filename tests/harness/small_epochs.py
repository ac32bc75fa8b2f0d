"""Epochs on top of small histories: by every admin at once, and by one that has not heard all."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from harness.acts import VAULT
from harness.histories import Small
from harness.members import KEEPER, NOW_MS, SEALED
from p2pvault.crypto.hashing import digest
from p2pvault.protocol.membership import Membership, evaluate
from p2pvault.protocol.membership.history import positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.operation import MemberBox, NewEpoch, Operation
from p2pvault.types import DeviceId, EpochId, OperationHash

_NEW, _STALE = b"\x00", b"\xff"
"""How hashes of epochs begin. Of two that are otherwise alike the higher counts: the stale one."""


@dataclass(frozen=True, slots=True)
class Started:
    """Epochs that nobody knew of when the others were started.

    Attributes:
        new: By every admin, but for the author of the stale one.
        stale: By an admin that knew all but the last operation; None if the others were none.
    """

    new: tuple[Operation, ...]
    stale: Operation | None

    def record(self, ledger: Ledger) -> None:
        """Let them arrive."""
        for operation in (self.stale, *self.new):
            if operation is not None:
                ledger.record(operation)


def epochs_on(small: Small, membership: Membership) -> Started:
    """Return the epochs that are started after a history, each for those who are members then."""
    assert small.before is not None, "it has an operation"
    admins = _admins(membership)
    late = small.steps[-1].operation.author
    for author, stale in _stale(small.before).items():
        # One that wrote the last operation, or starts a new epoch, would use a number twice.
        others = [device for device in admins if device != author]
        if author != late and others:
            return Started(_by(others, small.ledger, membership), stale)
    return Started(_by(admins, small.ledger, membership), None)


def one_epoch_on(small: Small, author: DeviceId, membership: Membership) -> Ledger:
    """Return a history with an epoch by one admin for the members, upon one that is open to all."""
    ledger = small.ledger.copy()
    everybody = [
        *membership.members,
        *membership.removed,
        *membership.suspended,
        *membership.fallen,
    ]
    ledger.record(_start(ledger, author, everybody, _STALE))
    ledger.record(_start(ledger, author, membership.members, _NEW, (_id(author, _STALE),)))
    return ledger


@lru_cache(maxsize=4)
def _stale(small: Small) -> dict[DeviceId, Operation]:
    membership = evaluate(small.log)
    return {
        device: _start(small.ledger, device, membership.members, _STALE)
        for device in _admins(membership)
    }


def _admins(membership: Membership) -> list[DeviceId]:
    return [device for device in membership.members if membership.is_admin(device)]


def _by(authors: list[DeviceId], ledger: Ledger, membership: Membership) -> tuple[Operation, ...]:
    return tuple(_start(ledger, author, membership.members, _NEW) for author in authors)


def _start(
    ledger: Ledger,
    author: DeviceId,
    devices: Iterable[DeviceId],
    first: bytes,
    parents: tuple[EpochId, ...] = (),
) -> Operation:
    history = ledger.history
    prev = tuple(sorted(history[number].hash for number in positions(history.heads)))
    n = 1 + ledger.written.get(author, 0).bit_count()
    boxes = tuple(map(_box, sorted({*devices, KEEPER.id})))
    name = OperationHash(first + digest(b"p2pv-test", author, *prev)[1:])
    content = NewEpoch(_id(author, first), parents, boxes)
    return Operation(name, VAULT, prev, author, n, NOW_MS, content, b"")


@cache
def _id(author: DeviceId, first: bytes) -> EpochId:
    return EpochId(digest(b"p2pv-epoch", author, first))


@cache
def _box(device: DeviceId) -> MemberBox:
    return MemberBox(device, SEALED)
