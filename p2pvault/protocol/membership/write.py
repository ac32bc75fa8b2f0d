"""The operations that this device writes: each is checked against the rules before it is signed.

Nothing is stored or sent here. A caller makes `Written.added` (and the secrets) durable first, and
only then goes on with `Written.log`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import CryptoError, MembershipError, NoSuchDevice
from p2pvault.limits import (
    DEVICES_MAX,
    JOURNALS_MAX,
    MEMBERSHIP_HEADS_MAX,
    OPERATIONS_MAX,
    OPERATIONS_RESERVED,
)
from p2pvault.protocol.membership.decode import EPOCH_SECRET_BYTES
from p2pvault.protocol.membership.epoch import epoch_id, seal_epoch
from p2pvault.protocol.membership.evaluate import evaluate
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Accepted,
    Add,
    Content,
    DeviceCard,
    EpochBox,
    Genesis,
    JournalBound,
    MemberBox,
    NewEpoch,
    RecoveryKeys,
    Remove,
    Rename,
    SetRole,
    sign_genesis,
    sign_operation,
)
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import AuthorId, DeviceId, EpochId, OperationHash, Role, StoredOperation
from p2pvault.wire.names import clean_kind, clean_name

NONCE_BYTES: Final = 16
"""The random part of a genesis."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and what the outside world gives for it.

    Attributes:
        keys: The writing device's keys.
        entropy: Source of random bytes.
        wall_ms: The wall clock, for people to read later.
    """

    keys: DeviceKeys
    entropy: Entropy
    wall_ms: int

    @property
    def device(self) -> DeviceId:
        """The writing device's id."""
        return device_id(self.keys.public)


@dataclass(frozen=True, slots=True)
class Written:
    """What writing led to.

    Attributes:
        log: The log with the new operations.
        added: These operations, in a causal order.
        secrets: Secrets of epochs that they start.
    """

    log: MembershipLog
    added: tuple[StoredOperation, ...]
    secrets: Mapping[EpochId, bytes] = field(default_factory=dict, repr=False)


def found(
    author: Author, vault_name: str, device_name: str, kind: str, recovery: RecoveryKeys
) -> Written:
    """Start a vault, with its first epoch.

    Args:
        author: The first device; it becomes an admin.
        vault_name: The vault's name.
        device_name: The device's name.
        kind: Such as `laptop`.
        recovery: The key that outranks every device.

    Raises:
        BadValue: A name or a kind that cannot be used.
    """
    card = DeviceCard(author.keys.public, clean_name(device_name), clean_kind(kind))
    genesis = Genesis(clean_name(vault_name), card, recovery, draw(author.entropy, NONCE_BYTES))
    log = MembershipLog.load([sign_genesis(genesis, author.keys, author.wall_ms)])
    epoch = with_epoch(log, author)
    return Written(epoch.log, epoch.log.operations, epoch.secrets)


def admit(
    log: MembershipLog,
    author: Author,
    card: DeviceCard,
    role: Role,
    secrets: Mapping[EpochId, bytes],
) -> Written:
    """Admit a device, and seal the secrets of the newest epochs to it.

    Args:
        log: The log.
        author: An admin.
        card: The new device.
        role: What it may do.
        secrets: The epoch secrets that the author knows.

    Raises:
        MembershipError: The author is no admin, the vault is full, or the device was here before.
        BadValue: A name or a kind that cannot be used.
        CryptoError: The device's box key is unusable.
    """
    membership = _as_admin(log, author)
    _check_room(log)
    return append(log, author, admission(log, membership, card, role, secrets))


def admission(
    log: MembershipLog,
    membership: Membership,
    card: DeviceCard,
    role: Role,
    secrets: Mapping[EpochId, bytes],
) -> Add:
    """Return the operation that admits a device, whoever is going to sign it; raises as `admit`.

    Whether the log has room for it depends on who that is, and is not checked here.
    """
    device = card.id
    if device in membership.removed:
        raise MembershipError(
            "this device was removed from the vault, and its keys are never used again",
            hint="Start it with a new home, which gives it new keys, and pair it again.",
        )
    if membership.is_member(device):
        raise MembershipError("this device belongs to the vault already")
    if len(membership.members) >= DEVICES_MAX:
        raise MembershipError(
            f"the vault has {DEVICES_MAX} devices, which is the most it can have",
            hint="Revoke one that is no longer used.",
        )
    boxes = tuple(
        EpochBox(epoch, seal_epoch(log.vault, secrets[epoch], device, card.public.box))
        for epoch in sorted(membership.gates(secrets))
    )
    named = DeviceCard(card.public, clean_name(card.name), clean_kind(card.kind))
    return Add(named, role, boxes)


def revoke(
    log: MembershipLog,
    author: Author,
    device: DeviceId,
    seen: Mapping[AuthorId, int],
    reason: str = "",
) -> Written:
    """Remove a device for ever, and start an epoch without it.

    Args:
        log: The log.
        author: An admin.
        device: Whom; another device than the author's.
        seen: For each journal of `device`, the last entry accepted here.
        reason: For people; may be empty.

    Raises:
        NoSuchDevice: `device` is no member, and not suspended either.
        MembershipError: The author is no admin, or it is its own device.
        BadValue: A reason that cannot be shown.
    """
    membership = _as_admin(log, author)
    if device not in membership.suspended:
        _check_member(membership, device)
    if device == author.device:
        raise MembershipError(
            "a device cannot revoke itself: it would know the new epoch's secret",
            hint="Revoke it from another admin device.",
        )
    content = Remove(device, journal_bounds(seen), clean_name(reason) if reason else "")
    removed = append(log, author, content)
    epoch = with_epoch(removed.log, author)
    return Written(epoch.log, removed.added + epoch.added, epoch.secrets)


def start_epoch(log: MembershipLog, author: Author) -> Written:
    """Start an epoch on top of all present ones; for when `Membership.needs_epoch`.

    Raises:
        MembershipError: The author is no admin.
    """
    _as_admin(log, author)
    return with_epoch(log, author)


def change_role(log: MembershipLog, author: Author, device: DeviceId, role: Role) -> Written:
    """Make a member an admin, or an admin a member.

    Raises:
        NoSuchDevice: `device` is no member.
        MembershipError: The author is no admin, or the vault would have none left.
    """
    membership = _as_admin(log, author)
    _check_room(log)
    _check_member(membership, device)
    admins = {member.device for member in membership.members.values() if member.role is Role.ADMIN}
    if role is not Role.ADMIN and admins == {device}:
        raise MembershipError(
            "the vault would be left without an admin device",
            hint="Make another device an admin first.",
        )
    return append(log, author, SetRole(device, role))


def reinstate(log: MembershipLog, author: Author, device: DeviceId) -> Written:
    """Let a suspended device in again, in the role that it had.

    Raises:
        MembershipError: The author is no admin, or the device is not suspended.
    """
    membership = _as_admin(log, author)
    suspended = membership.suspended.get(device)
    if suspended is None:
        raise MembershipError(
            "that device is not suspended, so no admin lets it in again",
            hint="Pair it as a new device, or use `p2pvault recovery use --restore`.",
        )
    return append(log, author, SetRole(device, suspended.role))


def rename(log: MembershipLog, author: Author, device: DeviceId, name: str) -> Written:
    """Give a device another name.

    Raises:
        NoSuchDevice: `device` is no member.
        MembershipError: The author is neither an admin nor the device itself.
        BadValue: A name that cannot be used.
    """
    membership = evaluate(log)
    _check_room(log)
    if device != author.device:
        membership = _as_admin(log, author)
    _check_member(membership, device)
    return append(log, author, Rename(device, clean_name(name)))


def state_accepted(
    log: MembershipLog, author: Author, removal: OperationHash, bounds: Mapping[AuthorId, int]
) -> Written:
    """State, once, how far this device had accepted what a removal cuts off.

    Args:
        log: The log.
        author: A member that `Membership.owing` lists with this removal.
        removal: The removal.
        bounds: For each journal of the removed device, and of devices that ceased to be members
            with it, the last entry accepted here.

    Raises:
        MembershipError: The author owes no statement about this removal.
    """
    if removal not in evaluate(log).owing.get(author.device, ()):
        raise MembershipError("this device has no statement to make about that removal")
    return append(log, author, Accepted(removal, journal_bounds(bounds)))


def _as_admin(log: MembershipLog, author: Author) -> Membership:
    membership = evaluate(log)
    if not membership.is_admin(author.device):
        raise MembershipError(
            "this device may not change who belongs to the vault: it is not an admin",
            hint="Do it on an admin device; `p2pvault devices` shows which ones are.",
        )
    return membership


def _check_member(membership: Membership, device: DeviceId) -> None:
    if not membership.is_member(device):
        raise NoSuchDevice(f"no device {device[:4].hex()} belongs to the vault")


def _check_room(log: MembershipLog) -> None:
    """Keep the last part of the log for removals and the epochs that they need."""
    if len(log) >= OPERATIONS_MAX - OPERATIONS_RESERVED:
        raise MembershipError("the membership log is full; only removals are still possible")


def journal_bounds(bounds: Mapping[AuthorId, int]) -> tuple[JournalBound, ...]:
    """Return bounds as an operation states them."""
    assert len(bounds) <= JOURNALS_MAX, "the vault has no more journals than that"
    return tuple(JournalBound(author, n) for author, n in sorted(bounds.items()))


def with_epoch(log: MembershipLog, author: Author) -> Written:
    """Start an epoch with boxes for the members as they are in `log`, and for the recovery key."""
    content, secret = new_epoch(log, author.entropy)
    written = append(log, author, content)
    return Written(written.log, written.added, {content.id: secret})


def new_epoch(log: MembershipLog, entropy: Entropy) -> tuple[NewEpoch, bytes]:
    """Return the operation that starts an epoch, whoever is going to sign it, and its secret."""
    membership = evaluate(log)
    secret = draw(entropy, EPOCH_SECRET_BYTES)
    parents = tuple(sorted(membership.tips[:MEMBERSHIP_HEADS_MAX]))
    boxes = _boxes(membership, secret)
    return NewEpoch(epoch_id(log.vault, secret), parents, boxes), secret


def _boxes(membership: Membership, secret: bytes) -> tuple[MemberBox, ...]:
    holders = {device: member.public.box for device, member in membership.members.items()}
    if membership.recovery is not None:
        holders[membership.recovery.id] = membership.recovery.box
    boxes = []
    for holder, box in sorted(holders.items()):
        try:
            sealed = seal_epoch(membership.vault, secret, holder, box)
        except CryptoError:
            # A device that was admitted with an unusable key must not be able to stop a removal;
            # it gets the secret inside a link, from any member.
            continue
        boxes.append(MemberBox(holder, sealed))
    return tuple(boxes)


def append(log: MembershipLog, author: Author, content: Content) -> Written:
    """Sign an operation on top of everything, and return the log with it."""
    header = log.header(author.device, author.wall_ms)
    addition = log.add([sign_operation(header, content, author.keys.signing)])
    return Written(addition.log, addition.added)
