"""What a membership log means: the members, the removed, the epochs, the bounds.

Plain values that `evaluate` makes from a set of operations; equal sets make equal values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from p2pvault.crypto.keys import PublicKeys
from p2pvault.limits import GATE_EPOCHS_BESIDE, GATE_EPOCHS_MAX
from p2pvault.protocol.membership.operation import RecoveryKeys
from p2pvault.types import AuthorId, DeviceId, EpochId, OperationHash, Role, VaultId


@dataclass(frozen=True, slots=True)
class Member:
    """A device of the vault.

    Attributes:
        device: Its id.
        public: Its keys.
        name: As shown; two devices may carry one name.
        kind: Such as `laptop`.
        role: What it may do.
        added_by: Who admitted it; itself for the first device.
        added_ms: When, by the wall clock of `added_by`.
    """

    device: DeviceId
    public: PublicKeys
    name: str
    kind: str
    role: Role
    added_by: DeviceId
    added_ms: int


@dataclass(frozen=True, slots=True)
class Removal:
    """How a device left. Of several removals, the earliest in the log is described.

    Attributes:
        device: Which.
        name: As last shown.
        public: Its keys, by which a link of it is recognised and refused.
        removed_by: Who removed it.
        removed_ms: When, by the wall clock of `removed_by`.
        reason: For people; may be empty.
        operations: All removals of it that apply, sorted.
    """

    device: DeviceId
    name: str
    public: PublicKeys
    removed_by: DeviceId
    removed_ms: int
    reason: str
    operations: tuple[OperationHash, ...]


@dataclass(frozen=True, slots=True)
class Suspension:
    """A device that signed two operations with one number, and is outside until it is let in again.

    Either somebody else holds its keys, or it was restored from an old copy.

    Attributes:
        device: Which.
        name: As last shown.
        public: Its keys, by which a link of it is recognised and refused.
        role: What it is again when it is let in.
        evidence: The operations that prove it, sorted.
    """

    device: DeviceId
    name: str
    public: PublicKeys
    role: Role
    evidence: tuple[OperationHash, ...]


@dataclass(frozen=True, slots=True)
class Fallen:
    """A device that is none of these, since nothing of what let it in counts (any more).

    Attributes:
        device: Which.
        name: As it was introduced; whoever introduced it may have been nobody.
        public: Its keys. What it wrote while it was taken for a member still has to be checked.
    """

    device: DeviceId
    name: str
    public: PublicKeys


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch that counts.

    Attributes:
        id: Commits to its secret.
        depth: Longest chain of parents; 0 for the first.
        operation: The operation that started it.
        parents: The epochs that it replaced.
        closed: Whether every device that is not a member is kept out of it.
    """

    id: EpochId
    depth: int
    operation: OperationHash
    parents: tuple[EpochId, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """Everything that a set of operations says.

    Attributes:
        vault: The vault's id.
        name: Its name, as shown.
        made_ms: When it was made, by its first device's wall clock.
        members: By id; at most `DEVICES_MAX`, the earliest in the log first.
        removed: Devices that were removed and not let in again, by id.
        suspended: Devices that are neither, since they contradicted themselves, by id.
        fallen: Devices that are none of these, by id.
        epochs: Newest first; writers use the first.
        bounds: For each journal of a device that left, the highest entry that was stated.
        owing: For each member, the removals about which it has made no statement yet.
        statics: Which member, or else which suspended or removed device, links with a static key.
        recovery: The recovery key; None where the vault has none.
        contested: Whether it was used in two places that did not know of each other, and not since.
    """

    vault: VaultId
    name: str
    made_ms: int
    members: Mapping[DeviceId, Member]
    removed: Mapping[DeviceId, Removal]
    suspended: Mapping[DeviceId, Suspension]
    fallen: Mapping[DeviceId, Fallen]
    epochs: tuple[Epoch, ...]
    bounds: Mapping[AuthorId, int]
    owing: Mapping[DeviceId, tuple[OperationHash, ...]]
    statics: Mapping[bytes, DeviceId]
    recovery: RecoveryKeys | None
    contested: bool

    def is_member(self, device: DeviceId) -> bool:
        """Return whether a device belongs to the vault now."""
        return device in self.members

    def is_admin(self, device: DeviceId) -> bool:
        """Return whether a device may change the membership now."""
        member = self.members.get(device)
        return member is not None and member.role is Role.ADMIN

    def member_by_static(self, static: bytes) -> Member | None:
        """Return the member that links with this X25519 key, or None."""
        device = self.statics.get(static)
        return None if device is None else self.members.get(device)

    def suspended_by_static(self, static: bytes) -> Suspension | None:
        """Return the suspended device that links with this X25519 key, or None."""
        device = self.statics.get(static)
        return None if device is None else self.suspended.get(device)

    def removed_by_static(self, static: bytes) -> Removal | None:
        """Return the removed device that links with this X25519 key, or None."""
        device = self.statics.get(static)
        return None if device is None else self.removed.get(device)

    def keys_of(self, device: DeviceId) -> PublicKeys | None:
        """Return the keys of any device that was ever introduced, or None."""
        holder = self.holder(device)
        return None if holder is None else holder.public

    def holder(self, device: DeviceId) -> Member | Suspension | Removal | Fallen | None:
        """Return what is known of any device that was ever introduced."""
        inside = self.members.get(device) or self.suspended.get(device)
        return inside or self.removed.get(device) or self.fallen.get(device)

    def acceptance(self, device: DeviceId, author: AuthorId) -> int | None:
        """Return up to which entry a journal counts.

        Args:
            device: Whose journal it is.
            author: The journal.

        Returns:
            None without a bound, for a member, and for a suspended device: nobody takes an entry
            from it, and what it gave to others before they knew is good. Otherwise the highest
            `n` that anybody entitled stated to have accepted, 0 where nobody did. It never
            shrinks while the device is out.
        """
        if device in self.members or device in self.suspended:
            return None
        return self.bounds.get(author, 0)

    @property
    def current(self) -> Epoch | None:
        """The epoch that writers use; None where every epoch fell with its author."""
        return self.epochs[0] if self.epochs else None

    @property
    def needs_epoch(self) -> bool:
        """Whether an admin has to start an epoch, since the current one is open to the removed."""
        return self.current is None or not self.current.closed

    @property
    def tips(self) -> tuple[EpochId, ...]:
        """The epochs that no other one replaces, newest first: the parents of the next."""
        replaced = {parent for epoch in self.epochs for parent in epoch.parents}
        return tuple(epoch.id for epoch in self.epochs if epoch.id not in replaced)

    def gates(self, secrets: Mapping[EpochId, bytes]) -> tuple[EpochId, ...]:
        """Return the epochs whose gates are open: the newest, and those before them.

        Several admins may start epochs for one removal, beside each other. Whoever was parted from
        all of them knows what came before, and would be shut out if these alone were the newest.

        Returns:
            Of the epochs whose secret is known here, newest first and at most `GATE_EPOCHS_MAX`:
            the newest `GATE_EPOCHS_BESIDE`, then the newest of each lower depth, then the rest.
        """
        known = [epoch for epoch in self.epochs if epoch.id in secrets]
        chosen = known[:GATE_EPOCHS_BESIDE]
        for epoch in known:
            if len(chosen) < GATE_EPOCHS_MAX and epoch.depth < min(each.depth for each in chosen):
                chosen.append(epoch)
        rest = (epoch for epoch in known if epoch not in chosen)
        filled = {each.id for each in (*chosen, *islice(rest, GATE_EPOCHS_MAX - len(chosen)))}
        return tuple(epoch.id for epoch in known if epoch.id in filled)
