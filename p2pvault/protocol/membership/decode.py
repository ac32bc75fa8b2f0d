"""From bytes to an `Operation`: shapes, bounds and the rules that one operation must keep alone.

Every check here depends on the bytes alone, so that every device refuses the same ones. Names are
bounded but not judged: which characters can be shown depends on the Unicode version of the
reader, and a log that two versions read differently would split the vault. `evaluate` decides
what is shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

from p2pvault.crypto.keys import PublicKeys
from p2pvault.crypto.seal import BOX_PUBLIC_BYTES, SEAL_OVERHEAD_BYTES
from p2pvault.errors import MalformedMessage
from p2pvault.limits import (
    DEVICE_NAME_CHARACTERS_MAX,
    DEVICES_MAX,
    GATE_EPOCHS_MAX,
    INTEGER_MAX,
    JOURNALS_MAX,
    MEMBERSHIP_HEADS_MAX,
    OPERATION_BYTES_MAX,
    OPERATIONS_PER_AUTHOR_MAX,
)
from p2pvault.protocol.membership.operation import (
    FORMAT,
    NO_VAULT,
    Accepted,
    Add,
    Content,
    DeviceCard,
    EpochBox,
    Genesis,
    JournalBound,
    Kind,
    MemberBox,
    NewEpoch,
    Operation,
    Recovery,
    RecoveryKeys,
    Remove,
    Rename,
    SetRole,
    operation_hash,
)
from p2pvault.types import AuthorId, DeviceId, EpochId, OperationHash, Role, VaultId
from p2pvault.wire.codec import Tree, unpack
from p2pvault.wire.names import kind_shape
from p2pvault.wire.shape import (
    Shape,
    binary,
    choice,
    exactly,
    optional,
    sequence,
    structure,
    text,
    unsigned,
)

T = TypeVar("T")

EPOCH_SECRET_BYTES: Final = 32
"""The secret that an epoch's boxes hold."""

ENVELOPE_BYTES_MAX: Final = 72
"""The signature of 64 bytes and the headers around it and the body."""


def _ascending(shape: Shape[T], items_max: int, key: Callable[[T], bytes]) -> Shape[tuple[T, ...]]:
    """Return the shape of a sorted array without repetitions: a set has one encoding only."""
    items = sequence(shape, items_max)

    def read(tree: Tree) -> tuple[T, ...]:
        found = items(tree)
        keys = [key(item) for item in found]
        if any(left >= right for left, right in pairwise(keys)):
            raise MalformedMessage("a set that is not sorted, or repeats an item")
        return found

    return read


def _identity(key: bytes) -> bytes:
    return key


_id32 = exactly(32)
_id16 = exactly(16)


def _vault(tree: Tree) -> VaultId:
    return VaultId(_id32(tree))


def _device(tree: Tree) -> DeviceId:
    return DeviceId(_id32(tree))


def _operation(tree: Tree) -> OperationHash:
    return OperationHash(_id32(tree))


def _epoch(tree: Tree) -> EpochId:
    return EpochId(_id32(tree))


def _journal(tree: Tree) -> AuthorId:
    return AuthorId(_id16(tree))


_name = text(DEVICE_NAME_CHARACTERS_MAX)
_sealed = exactly(EPOCH_SECRET_BYTES + SEAL_OVERHEAD_BYTES)
_public = structure(PublicKeys, _id32, _id32, exactly(BOX_PUBLIC_BYTES))
_card = structure(DeviceCard, _public, _name, kind_shape)
_recovery_keys = structure(RecoveryKeys, _id32, exactly(BOX_PUBLIC_BYTES))
_role = choice(Role)
_bounds = _ascending(
    structure(JournalBound, _journal, unsigned(INTEGER_MAX)),
    JOURNALS_MAX,
    lambda bound: bound.author,
)
_epoch_boxes = _ascending(
    structure(EpochBox, _epoch, _sealed), GATE_EPOCHS_MAX, lambda box: box.epoch
)
_member_boxes = _ascending(
    # One more than there are members: the recovery key.
    structure(MemberBox, _device, _sealed),
    DEVICES_MAX + 1,
    lambda box: box.device,
)

_CONTENTS: Final[dict[Kind, Shape[Content]]] = {
    Kind.GENESIS: structure(Genesis, _name, _card, optional(_recovery_keys), exactly(16)),
    Kind.ADD: structure(Add, _card, _role, _epoch_boxes),
    Kind.REMOVE: structure(Remove, _device, _bounds, _name),
    Kind.ROLE: structure(SetRole, _device, _role),
    Kind.RENAME: structure(Rename, _device, _name),
    Kind.EPOCH: structure(
        NewEpoch, _epoch, _ascending(_epoch, MEMBERSHIP_HEADS_MAX, _identity), _member_boxes
    ),
    Kind.ACCEPTED: structure(Accepted, _operation, _bounds),
    Kind.RECOVERY: structure(Recovery, _recovery_keys),
}


@dataclass(frozen=True, slots=True)
class _Body:
    format: int
    vault: VaultId
    prev: tuple[OperationHash, ...]
    author: DeviceId
    n: int
    wall_ms: int
    kind: Kind
    content: Tree


@dataclass(frozen=True, slots=True)
class Signed:
    """An operation together with the signature that is still to be checked."""

    operation: Operation
    signature: bytes


def _any_tree(tree: Tree) -> Tree:
    """Leave the content for the shape that its kind chooses; `unpack` has bounded it."""
    return tree


def _format(tree: Tree) -> int:
    if tree != FORMAT or isinstance(tree, bool):
        raise MalformedMessage(
            "a membership operation of another format",
            hint="Update P2PVault on this device: another one runs a newer version.",
        )
    return FORMAT


_envelope = structure(
    lambda body, signature: (body, signature), binary(OPERATION_BYTES_MAX), exactly(64)
)
_body = structure(
    _Body,
    _format,
    _vault,
    _ascending(_operation, MEMBERSHIP_HEADS_MAX, _identity),
    _device,
    unsigned(OPERATIONS_PER_AUTHOR_MAX),
    unsigned(INTEGER_MAX),
    choice(Kind),
    _any_tree,
)


def decode(data: bytes) -> Signed:
    """Read one operation. The signature is not checked: the log knows the author's key.

    Args:
        data: As it travels; at most `OPERATION_BYTES_MAX` and a signature.

    Raises:
        LimitExceeded: Larger or more than `limits` allows.
        MalformedMessage: Anything else that no honest device writes.
    """
    raw, signature = _envelope(unpack(data, OPERATION_BYTES_MAX + ENVELOPE_BYTES_MAX))
    body = _body(unpack(raw, OPERATION_BYTES_MAX))
    content = _CONTENTS[body.kind](body.content)
    hash_ = operation_hash(raw)
    _check_place(body, content)
    vault = VaultId(hash_) if body.kind is Kind.GENESIS else body.vault
    operation = Operation(hash_, vault, body.prev, body.author, body.n, body.wall_ms, content, data)
    return Signed(operation, signature)


def _check_place(body: _Body, content: Content) -> None:
    """Only a genesis stands alone, belongs to no vault yet, and introduces its own author."""
    if body.n == 0:
        raise MalformedMessage("a membership operation numbered 0; they count from 1")
    if isinstance(content, Genesis):
        alone = body.vault == NO_VAULT and not body.prev and body.n == 1
        if not alone or body.author != content.first.id:
            raise MalformedMessage("a genesis that is not the start of a vault")
    elif body.vault == NO_VAULT or not body.prev:
        raise MalformedMessage("a membership operation that hangs in the air")
