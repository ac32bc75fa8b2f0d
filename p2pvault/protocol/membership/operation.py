"""Membership operations: what they say, and how they become signed bytes and back.

    operation = pack([body, signature])
    body      = pack([format, vault, prev, author, n, wall_ms, kind, content])
    hash      = BLAKE2b-256("p2pv-op", body)
    signature = Ed25519 over the hash

`prev` names the heads that the author knew, so the operations form a directed acyclic graph that
every device can order the same way. The vault's id is the hash of its genesis, whose own `vault`
field is 32 zero bytes. Everything here is about the form of one operation; what a log of them
means is decided in `log` and `evaluate`. docs/protocol/membership.md is the specification.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from p2pvault.crypto.hashing import digest
from p2pvault.crypto.keys import DeviceKeys, PublicKeys, device_id, sign, verify
from p2pvault.errors import MalformedMessage, SealBroken
from p2pvault.types import (
    AuthorId,
    DeviceId,
    EpochId,
    OperationHash,
    Role,
    StoredOperation,
    VaultId,
)
from p2pvault.wire.codec import pack
from p2pvault.wire.shape import to_tree

FORMAT: Final = 1
"""Version of the operation format; another one is refused, never guessed at."""

NO_VAULT: Final = VaultId(bytes(32))
"""What a genesis carries as its vault, since its own hash is the vault's id."""


class Kind(StrEnum):
    """What an operation does; the word is what travels."""

    GENESIS = "genesis"
    ADD = "add"
    REMOVE = "remove"
    ROLE = "role"
    RENAME = "rename"
    EPOCH = "epoch"
    ACCEPTED = "accepted"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class DeviceCard:
    """How a device is introduced: its keys, the name that its owner gave it, and its kind."""

    public: PublicKeys
    name: str
    kind: str

    @cached_property
    def id(self) -> DeviceId:
        """The device's id, which is a hash of the keys and so cannot be claimed for others."""
        return device_id(self.public)


@dataclass(frozen=True, slots=True)
class RecoveryKeys:
    """The public halves of a recovery key: Ed25519 (32 bytes) and HPKE box (1 216 bytes)."""

    signing: bytes
    box: bytes

    @property
    def id(self) -> DeviceId:
        """What stands in the author field of an operation that the recovery key signs."""
        return DeviceId(digest(b"p2pv-recovery", self.signing, self.box))


@dataclass(frozen=True, slots=True)
class JournalBound:
    """The last entry `n` of the journal `author` that somebody had accepted."""

    author: AuthorId
    n: int


@dataclass(frozen=True, slots=True)
class MemberBox:
    """An epoch's secret, sealed to one device."""

    device: DeviceId
    sealed: bytes


@dataclass(frozen=True, slots=True)
class EpochBox:
    """One of several epochs' secrets, sealed to the device that the operation is about."""

    epoch: EpochId
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Genesis:
    """The vault begins: its name, its first device (an admin), an optional recovery key.

    Attributes:
        nonce: 16 random bytes, so that no two vaults have one id.
    """

    name: str
    first: DeviceCard
    recovery: RecoveryKeys | None
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Add:
    """A device is admitted, with the secrets of the newest epochs sealed to it."""

    device: DeviceCard
    role: Role
    boxes: tuple[EpochBox, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """A device is removed for ever.

    Attributes:
        device: Whom.
        seen: The last entry of each of its journals that the remover had accepted.
        reason: For people; may be empty.
    """

    device: DeviceId
    seen: tuple[JournalBound, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SetRole:
    """A device's role changes."""

    device: DeviceId
    role: Role


@dataclass(frozen=True, slots=True)
class Rename:
    """A device's name changes."""

    device: DeviceId
    name: str


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """A new epoch secret, sealed to every member.

    Attributes:
        id: Commits to the secret, so a wrong box or a wrong hand-over is noticed.
        parents: The epochs it replaces.
        boxes: One for each member, sorted by device.
    """

    id: EpochId
    parents: tuple[EpochId, ...]
    boxes: tuple[MemberBox, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A member's statement, once for each removal: how far it had accepted the lost journals."""

    removal: OperationHash
    bounds: tuple[JournalBound, ...]


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovery key is replaced; signed by the old one."""

    keys: RecoveryKeys


Content = Genesis | Add | Remove | SetRole | Rename | NewEpoch | Accepted | Recovery

KINDS: Final[dict[type[object], Kind]] = {
    Genesis: Kind.GENESIS,
    Add: Kind.ADD,
    Remove: Kind.REMOVE,
    SetRole: Kind.ROLE,
    Rename: Kind.RENAME,
    NewEpoch: Kind.EPOCH,
    Accepted: Kind.ACCEPTED,
    Recovery: Kind.RECOVERY,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, read.

    Attributes:
        hash: Of the signed body; the operation's name everywhere.
        vault: The vault it belongs to, for a genesis the one it founds.
        prev: Hashes of the heads that the author knew, sorted; empty for a genesis only.
        author: The device (or recovery key) that signed it.
        n: The author's own count of operations, from 1.
        wall_ms: The author's wall clock, for people; no rule reads it.
        content: What it does.
        data: The signed bytes, as they travel.
    """

    hash: OperationHash
    vault: VaultId
    prev: tuple[OperationHash, ...]
    author: DeviceId
    n: int
    wall_ms: int
    content: Content
    data: bytes

    @property
    def stored(self) -> StoredOperation:
        """The operation as the store keeps it."""
        return StoredOperation(self.hash, self.data)


@dataclass(frozen=True, slots=True)
class Header:
    """Everything of an operation's body that is not its content."""

    vault: VaultId
    prev: tuple[OperationHash, ...]
    author: DeviceId
    n: int
    wall_ms: int


def sign_operation(header: Header, content: Content, seed: bytes) -> bytes:
    """Return the signed bytes of an operation.

    Args:
        header: Place in the log and author.
        content: What it does; within the bounds, which the callers check before they ask.
        seed: The author's Ed25519 seed, 32 bytes.
    """
    body = pack(
        [
            FORMAT,
            header.vault,
            to_tree(header.prev),
            header.author,
            header.n,
            header.wall_ms,
            KINDS[type(content)].value,
            to_tree(content),
        ]
    )
    return pack([body, sign(seed, operation_hash(body))])


def sign_genesis(content: Genesis, keys: DeviceKeys, wall_ms: int) -> bytes:
    """Return the signed bytes of a genesis, whose author is the device that it introduces."""
    header = Header(NO_VAULT, (), content.first.id, 1, wall_ms)
    return sign_operation(header, content, keys.signing)


def operation_hash(body: bytes) -> OperationHash:
    """Return the hash of an operation's unsigned body."""
    return OperationHash(digest(b"p2pv-op", body))


def check_signature(hash_: OperationHash, signing: bytes, signature: bytes) -> None:
    """Check that the author's key signed this hash.

    Raises:
        MalformedMessage: It did not.
    """
    try:
        verify(signing, hash_, signature)
    except SealBroken as error:
        raise MalformedMessage("a membership operation with a signature that is wrong") from error
