"""The recovery key: what its seed makes, and what is done with it.

One use of the key is several operations, all signed by it: it removes the devices that are lost,
and says of each other device that it stays. The second part is what makes the use final: no
removal that somebody wrote elsewhere at the same time, or will backdate later, counts against a
device that was named (docs/protocol/membership.md, R4).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.keys import signing_public
from p2pvault.crypto.seal import box_public
from p2pvault.errors import LimitExceeded, MembershipError, NoSuchDevice
from p2pvault.protocol.membership.evaluate import evaluate
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Content,
    DeviceCard,
    RecoveryKeys,
    Remove,
    SetRole,
    sign_operation,
)
from p2pvault.protocol.membership.state import Membership
from p2pvault.protocol.membership.write import (
    Author,
    Written,
    admission,
    journal_bounds,
    new_epoch,
    with_epoch,
)
from p2pvault.types import AuthorId, DeviceId, EpochId, Role, StoredOperation

RECOVERY_SEED_BYTES: Final = 32
"""256 bits: 24 words of 11 bits, 8 of which check the others (BIP 39)."""

_KEM_SEED_BYTES: Final = 64
"""The ML-KEM-768 seed of a box secret (FIPS 203, section 7.1)."""


@dataclass(frozen=True)
class RecoveryKey:
    """A recovery key as its seed makes it; never shown in a representation.

    Attributes:
        seed: 32 random bytes, which the person has on paper.
    """

    seed: bytes = field(repr=False)

    @classmethod
    def draw(cls, entropy: Entropy) -> "RecoveryKey":
        """Make a new one."""
        return cls(draw(entropy, RECOVERY_SEED_BYTES))

    @property
    def signing(self) -> bytes:
        """The Ed25519 seed, 32 bytes."""
        return digest(b"p2pv-rec-sign", self.seed)

    @property
    def box(self) -> bytes:
        """The box secret, 96 bytes."""
        kem = digest(b"p2pv-rec-kem", self.seed, size=_KEM_SEED_BYTES)
        return kem + digest(b"p2pv-rec-dh", self.seed)

    @cached_property
    def public(self) -> RecoveryKeys:
        """The public halves, as the genesis carries them."""
        return RecoveryKeys(signing_public(self.signing), box_public(self.box))

    @property
    def id(self) -> DeviceId:
        """What stands in the author field of what it signs."""
        return self.public.id


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person decided about the devices of the vault; whoever is not spoken of stays.

    Attributes:
        lost: For each device that is removed, the last entry of each of its journals held here.
        restored: Devices that were removed or suspended, and come back as members.
    """

    lost: Mapping[DeviceId, Mapping[AuthorId, int]]
    restored: Collection[DeviceId] = ()


@dataclass(frozen=True, slots=True)
class Successor:
    """The new device that takes a vault over from a backup.

    Attributes:
        name: What it is called.
        kind: Such as `laptop`.
        secrets: The epoch secrets that the backup has.
    """

    name: str
    kind: str
    secrets: Mapping[EpochId, bytes] = field(repr=False)


def recover(log: MembershipLog, author: Author, key: RecoveryKey, decision: Decision) -> Written:
    """Take the vault over: remove what is lost, make the author an admin, and start an epoch.

    Args:
        log: The log.
        author: The device at which the person sits; whatever its role, and even if it was removed.
        key: The recovery key.
        decision: About the other devices.

    Raises:
        MembershipError: It is not the recovery key of this vault, or the author itself is lost.
        NoSuchDevice: A lost device is no member and not suspended, or a restored one not outside.
        LimitExceeded: The log has no room for what the key would have to sign.
    """
    membership = evaluate(log)
    check_key(membership, key)
    _check_decision(membership, author.device, decision)
    named = _named(membership, author.device, decision)
    contents = _removals(decision)
    contents += [SetRole(device, role) for device, role in sorted(named.items())]
    after, added = _sign(log, key, author.wall_ms, contents)
    epoch = _with_epoch(after, author, key)
    return Written(epoch.log, added + epoch.added, epoch.secrets)


def recover_anew(
    log: MembershipLog,
    author: Author,
    key: RecoveryKey,
    decision: Decision,
    successor: Successor,
) -> Written:
    """Take the vault over on a device that is new to it, with the log of a backup.

    The backup may be old. So whoever stays is left alone here, and not named as `recover` does: a
    naming would let everybody in again who was removed since the backup was made.

    Args:
        log: The log as the backup has it.
        author: The new device; becomes an admin.
        key: The recovery key.
        decision: About the other devices.
        successor: What is said of the new device.

    Raises:
        MembershipError: It is not the recovery key of this vault, or the log or the vault is full.
        NoSuchDevice: A lost device is no member and not suspended, or a restored one not outside.
        BadValue: A name or a kind that cannot be used.
        LimitExceeded: The log has no room for what the key would have to sign.
    """
    membership = evaluate(log)
    check_key(membership, key)
    _check_decision(membership, author.device, decision)
    # The removals first: they make room in a vault that is full, and whoever is admitted behind
    # them owes no statement about them.
    after, removed = _sign(log, key, author.wall_ms, _removals(decision))
    card = DeviceCard(author.keys.public, successor.name, successor.kind)
    added = admission(after, evaluate(after), card, Role.ADMIN, successor.secrets)
    contents: list[Content] = [added]
    contents += [SetRole(device, Role.MEMBER) for device in sorted(decision.restored)]
    after, named = _sign(after, key, author.wall_ms, contents)
    epoch = _with_epoch(after, author, key)
    return Written(epoch.log, removed + named + epoch.added, epoch.secrets)


def admit_by_key(
    log: MembershipLog,
    key: RecoveryKey,
    wall_ms: int,
    card: DeviceCard,
    secrets: Mapping[EpochId, bytes],
) -> Written:
    """Admit a device as an admin, with the recovery key in place of one.

    Raises:
        MembershipError: It is not the recovery key of this vault; and what `write.admit` raises.
    """
    membership = evaluate(log)
    check_key(membership, key)
    content = admission(log, membership, card, Role.ADMIN, secrets)
    return Written(*_sign(log, key, wall_ms, [content]))


def check_key(membership: Membership, key: RecoveryKey) -> None:
    """Check that a recovery key is this vault's.

    Raises:
        MembershipError: It is not, or the vault has none.
    """
    if membership.recovery is None:
        raise MembershipError(
            "this vault was made without a recovery key",
            hint="No words open it; pair from an admin.",
        )
    if membership.recovery.id != key.id:
        raise MembershipError(
            "these words are the recovery key of another vault, or of none",
            hint="Check that they belong to this vault, and that every word is as it was written.",
        )


def _check_decision(membership: Membership, device: DeviceId, decision: Decision) -> None:
    if device in decision.lost:
        raise MembershipError("the device that takes the vault over cannot be one that is lost")
    inside = membership.members.keys() | membership.suspended.keys()
    if not inside >= decision.lost.keys():
        raise NoSuchDevice("a device that is not in the vault cannot be lost to it")
    outside = membership.removed.keys() | membership.suspended.keys() | membership.fallen.keys()
    if not outside >= set(decision.restored):
        raise NoSuchDevice("only a device that was removed or suspended can come back")


def _named(membership: Membership, device: DeviceId, decision: Decision) -> dict[DeviceId, Role]:
    """Everybody who stays, with the role that the key gives them."""
    staying = {each: member.role for each, member in membership.members.items()}
    restored = dict.fromkeys(decision.restored, Role.MEMBER)
    named = {**staying, **restored, device: Role.ADMIN}
    return {each: role for each, role in named.items() if each not in decision.lost}


def _removals(decision: Decision) -> list[Content]:
    return [
        Remove(device, journal_bounds(seen), "") for device, seen in sorted(decision.lost.items())
    ]


def _with_epoch(log: MembershipLog, author: Author, key: RecoveryKey) -> Written:
    """Start an epoch; in the key's own name where the log has no room left for devices."""
    try:
        return with_epoch(log, author)
    except LimitExceeded:
        content, secret = new_epoch(log, author.entropy)
        return Written(*_sign(log, key, author.wall_ms, [content]), {content.id: secret})


def _sign(
    log: MembershipLog, key: RecoveryKey, wall_ms: int, contents: Iterable[Content]
) -> tuple[MembershipLog, tuple[StoredOperation, ...]]:
    added: tuple[StoredOperation, ...] = ()
    for content in contents:
        header = log.header(key.id, wall_ms)
        addition = log.add([sign_operation(header, content, key.signing)])
        log, added = addition.log, added + addition.added
    return log, added
