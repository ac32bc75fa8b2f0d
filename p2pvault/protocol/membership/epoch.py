"""Epoch secrets: making, sealing, opening and checking them.

An epoch's id is a hash of its secret. So a box with a wrong secret is noticed by whoever opens
it, and a member that missed a box can take the secret from any other member inside a link, and
check it: nobody has to be trusted for it.
"""

from collections.abc import Iterator, Mapping

from p2pvault.crypto.hashing import digest
from p2pvault.crypto.seal import open_sealed, seal_to
from p2pvault.errors import SealBroken
from p2pvault.protocol.membership.history import positions
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import Add, NewEpoch
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import DeviceId, EpochId, VaultId


def epoch_id(vault: VaultId, secret: bytes) -> EpochId:
    """Return the id of the epoch with this secret; also the check of one that was handed over."""
    return EpochId(digest(b"p2pv-epoch", vault, secret))


def seal_epoch(vault: VaultId, secret: bytes, device: DeviceId, box: bytes) -> bytes:
    """Seal an epoch's secret to one device.

    Args:
        vault: The vault.
        secret: 32 bytes.
        device: For whom.
        box: That device's box key, 1 216 bytes.

    Raises:
        CryptoError: The box key is unusable.
    """
    return seal_to(box, secret, _info(vault, epoch_id(vault, secret), device))


def open_epochs(
    log: MembershipLog,
    membership: Membership,
    device: DeviceId,
    box_secret: bytes,
    known: Mapping[EpochId, bytes],
) -> dict[EpochId, bytes]:
    """Open the boxes for this device whose secrets it lacks (about 0.2 ms each).

    Boxes that do not open, or hold another secret than the epoch's id says, are passed over: the
    secret is still missing and can come from a member.

    Args:
        log: All operations.
        membership: What they mean; only epochs that count are opened.
        device: This device.
        box_secret: Its box secret, 96 bytes.
        known: The secrets it has.

    Returns:
        The secrets that are new.
    """
    wanted = {epoch.id for epoch in membership.epochs} - known.keys()
    opened: dict[EpochId, bytes] = {}
    for epoch, sealed in _boxes(log, device):
        if epoch in wanted and epoch not in opened:
            secret = _open(membership.vault, epoch, device, box_secret, sealed)
            if secret is not None:
                opened[epoch] = secret
    return opened


def _boxes(log: MembershipLog, device: DeviceId) -> Iterator[tuple[EpochId, bytes]]:
    """Yield the boxes for a device, from the epochs' starts and from its own admission."""
    history = log.ledger.history
    for number in positions(history.everything):
        match history[number].content:
            case NewEpoch(id=epoch, boxes=boxes):
                yield from ((epoch, box.sealed) for box in boxes if box.device == device)
            case Add(device=card, boxes=boxes) if card.id == device:
                yield from ((box.epoch, box.sealed) for box in boxes)
            case _:
                pass


def _open(
    vault: VaultId, epoch: EpochId, device: DeviceId, box_secret: bytes, sealed: bytes
) -> bytes | None:
    try:
        secret = open_sealed(box_secret, sealed, _info(vault, epoch, device))
    except SealBroken:
        return None
    return secret if epoch_id(vault, secret) == epoch else None


def _info(vault: VaultId, epoch: EpochId, device: DeviceId) -> bytes:
    """What a box is for: it opens nowhere else."""
    return b"p2pvault/1 epoch" + vault + epoch + device
