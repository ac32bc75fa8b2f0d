"""The recovery key as this device handles it, and the alarms that the membership rules raise.

A device never needs the key: it is on paper. The device that made the vault keeps the seed for
as long as the person wants to be able to see the words again, as one of the store's named values.
"""

from dataclasses import dataclass, field
from typing import Final, assert_never

from p2pvault.core.asks import (
    RecoveryForgotten,
    RecoveryRequested,
    ReinstateRequested,
    RenameRequested,
    RevokeRequested,
)
from p2pvault.core.content import Content
from p2pvault.core.io import Report
from p2pvault.core.members import Learned, Members, accepted
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import Refused
from p2pvault.protocol.membership import Author, Decision, RecoveryKey, open_epochs, recover
from p2pvault.types import DeviceId, Instant

RECOVERY_SEED: Final = "recovery-seed"
"""The store's named value with the seed, until the person has it forgotten."""

Decided = (
    RenameRequested | RevokeRequested | ReinstateRequested | RecoveryRequested | RecoveryForgotten
)
"""What a person decides about devices; the last three also on one that is outside the vault."""


def decide(
    members: Members, now: Instant, entropy: Entropy, asked: Decided, content: Content
) -> tuple[Learned, DeviceId]:
    """Do it; return what became known by it, and which device it was about.

    Raises:
        MembershipError: It is not the recovery key of this vault, or this device is no admin.
        NoSuchDevice, AmbiguousDevice: A device that is not there, or not outside.
        Refused: A contradiction in what was asked.
    """
    match asked:
        case RenameRequested(device=name):
            device = members.find(name).device
            return members.rename(now, entropy, device, asked.name), device
        case RevokeRequested(device=name):
            device = members.find_inside(name).device
            return members.revoke(now, entropy, device, content), device
        case RecoveryRequested():
            return take_over(members, now, entropy, asked, content), members.device
        case RecoveryForgotten():
            return Learned((), {}, {RECOVERY_SEED: None}), members.device
        case ReinstateRequested(device=name):
            device = members.find_outside(name).device
            return members.reinstate(now, entropy, device), device
        case _:
            assert_never(asked)


def take_over(
    members: Members, now: Instant, entropy: Entropy, asked: RecoveryRequested, content: Content
) -> Learned:
    """Take the vault over with the recovery key, on this device whatever its role."""
    key = RecoveryKey(asked.seed)
    lost = {device: accepted(content, device) for device in _lost(members, asked)}
    restored = [members.find_outside(name).device for name in asked.restored]
    author = Author(members.keys, entropy, now.wall_ms)
    written = recover(members.log, author, key, Decision(lost, restored))
    boxed = open_epochs(members.log, members.membership, key.id, key.box, members.secrets)
    return members.adopt(written, boxed)


def _lost(members: Members, asked: RecoveryRequested) -> set[DeviceId]:
    if asked.all_others:
        if asked.lost:
            raise Refused("either some devices are lost, or all others are")
        return {*members.others, *members.membership.suspended} - {members.device}
    return {members.find_inside(name).device for name in asked.lost}


@dataclass(slots=True)
class Alarms:
    """What the person was warned of already."""

    contested: bool = False
    suspended: set[DeviceId] = field(default_factory=set)

    def news(self, members: Members) -> list[Report]:
        """Return a line for the log for each alarm that was not raised before."""
        membership = members.membership
        reports = [
            Report("error", "device_suspended", {"device": device.hex()})
            for device in sorted(membership.suspended.keys() - self.suspended)
        ]
        if membership.contested and not self.contested:
            reports.append(Report("error", "recovery_contested"))
        self.suspended, self.contested = {*membership.suspended}, membership.contested
        return reports
