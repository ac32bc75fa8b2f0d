"""The membership log: a value that takes operations in, and refuses what cannot be one.

What is refused here, for ever, depends only on an operation and its past: form, vault, author,
signature, count, and that it speaks of devices that were introduced. So all devices keep the same
operations. Whether a kept operation has an effect is another question, which `evaluate` answers
anew for every set; a void one stays, since it may be part of a past that counts.

One exception to "the same on all devices" is deliberate: the bounds on forks and on the whole log,
which only devices that sign several operations with one number can reach (see
docs/protocol/membership.md, Bounds).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from p2pvault.errors import LimitExceeded, MalformedMessage, UnexpectedMessage
from p2pvault.limits import (
    MEMBERSHIP_HEADS_MAX,
    OPERATIONS_BYTES_MAX,
    OPERATIONS_MAX,
    OPERATIONS_PER_AUTHOR_BYTES_MAX,
    OPERATIONS_PER_AUTHOR_MAX,
)
from p2pvault.protocol.membership.decode import decode
from p2pvault.protocol.membership.history import EMPTY, Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.operation import (
    Accepted,
    Genesis,
    Header,
    NewEpoch,
    Operation,
    Recovery,
    Remove,
    Rename,
    SetRole,
    check_signature,
)
from p2pvault.types import DeviceId, OperationHash, StoredOperation, VaultId


class MembershipLog:
    """The operations of one vault; never changes, `add` returns the log that follows."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @classmethod
    def load(cls, batch: Iterable[bytes]) -> "MembershipLog":
        """Return the log of operations in a causal order, the genesis first.

        Checks everything again, signatures too (about 0.1 ms each): the bytes may come from the
        store or from the device that paired this one.

        Raises:
            RemoteProtocolError: As `add`; also when the first one is no genesis, or there is none.
        """
        log = cls(Ledger()).add(batch).log
        if not len(log):
            raise MalformedMessage("a membership log without operations")
        return log

    def add(self, batch: Iterable[bytes]) -> "Addition":
        """Take operations in, all of them or none.

        Args:
            batch: Signed operations in a causal order; those already here are skipped.

        Returns:
            The log that follows, and those of the batch that are new to it.

        Raises:
            UnexpectedMessage: One follows operations not known here; the sender sends those first.
            MalformedMessage: One that no honest device of this vault writes.
            LimitExceeded: A bound of `limits`.
        """
        ledger = self._ledger.copy()
        before = len(ledger.history)
        for data in batch:
            _take(ledger, data)
        added = tuple(
            ledger.history[number].stored for number in range(before, len(ledger.history))
        )
        return Addition(MembershipLog(ledger), added)

    def __len__(self) -> int:
        return len(self._ledger.history)

    def __contains__(self, hash_: OperationHash) -> bool:
        return hash_ in self._ledger.history

    @property
    def vault(self) -> VaultId:
        """The vault's id."""
        return self._ledger.history[0].vault

    @property
    def ledger(self) -> Ledger:
        """What the evaluation reads; not for changing."""
        return self._ledger

    @property
    def heads(self) -> tuple[OperationHash, ...]:
        """The operations that nothing follows yet, sorted: equal heads are equal logs."""
        return self._hashes(self._ledger.history.heads)

    @property
    def operations(self) -> tuple[StoredOperation, ...]:
        """Everything, in a causal order."""
        return self.since(())

    def since(self, heads: Iterable[OperationHash]) -> tuple[StoredOperation, ...]:
        """Return what a peer with these heads lacks, in a causal order.

        Args:
            heads: The peer's; those unknown here are left out, so it may get some again.
        """
        history = self._ledger.history
        lacking = history.everything & ~history.closure(heads)
        return tuple(history[number].stored for number in positions(lacking))

    def covers(self, heads: Iterable[OperationHash], operation: OperationHash) -> bool:
        """Return whether somebody who knew these heads knew that operation.

        Args:
            heads: As an entry or an operation states them; unknown ones are left out.
            operation: Any operation; one unknown here is not covered.
        """
        history = self._ledger.history
        known = operation in history
        return known and bool(history.closure(heads) >> history.number(operation) & 1)

    def author(self, operation: OperationHash) -> DeviceId:
        """Return who wrote an operation that is here."""
        history = self._ledger.history
        return history[history.number(operation)].author

    def aware_of(self, operation: OperationHash) -> frozenset[DeviceId]:
        """Return who knew an operation that is here, as far as the log shows it.

        That is whose last operation to arrive here follows it, and who was only ever admitted by
        somebody who knew it.
        """
        history, ledger = self._ledger.history, self._ledger
        number = history.number(operation)

        def follows(later: int) -> bool:
            return bool(history.past(later) >> number & 1)

        wrote = {it for it, own in ledger.written.items() if follows(own.bit_length() - 1)}
        came = {it for it, ways in ledger.introduced.items() if all(map(follows, positions(ways)))}
        return frozenset(wrote | came)

    def header(self, author: DeviceId, wall_ms: int) -> Header:
        """Return the header of an operation that `author` writes on top of this log."""
        own = self._ledger.written.get(author, EMPTY)
        prev = self._prev(own)
        number = 1 + (own & self._ledger.history.closure(prev)).bit_count()
        return Header(self.vault, prev, author, number, wall_ms)

    def _prev(self, own: Mask) -> tuple[OperationHash, ...]:
        """Return at most `MEMBERSHIP_HEADS_MAX` heads, those that follow most of `own` first.

        There are more heads than fit only where somebody forks on purpose; what is left out now
        is followed by the next operation. The author's own operations must never be left out,
        since its count would fork.
        """
        history = self._ledger.history
        heads = sorted(
            positions(history.heads),
            key=lambda head: ((own & (history.past(head) | 1 << head)).bit_count(), head),
            reverse=True,
        )
        return tuple(sorted(history[head].hash for head in heads[:MEMBERSHIP_HEADS_MAX]))

    def _hashes(self, mask: Mask) -> tuple[OperationHash, ...]:
        return tuple(sorted(self._ledger.history[number].hash for number in positions(mask)))


@dataclass(frozen=True, slots=True)
class Addition:
    """A log after `add`.

    Attributes:
        log: The log that follows.
        added: What is new in it, in a causal order, for the store.
    """

    log: MembershipLog
    added: tuple[StoredOperation, ...]


def _take(ledger: Ledger, data: bytes) -> None:
    """Admit one operation into a ledger, or raise and leave the ledger as it was."""
    signed = decode(data)
    operation = signed.operation
    if operation.hash in ledger.history:
        return
    _check_room(ledger, operation)
    _check_start(ledger, operation)
    if isinstance(operation.content, Genesis):
        signing = operation.content.first.public.signing
    else:
        past = _past(ledger, operation)
        _check_author(ledger, operation, past)
        _check_subject(ledger, operation, past)
        signing = ledger.signers[operation.author]
    check_signature(operation.hash, signing, signed.signature)
    ledger.record(operation)


def _check_room(ledger: Ledger, operation: Operation) -> None:
    author, size = operation.author, len(operation.data)
    written = ledger.written.get(author, EMPTY).bit_count()
    written_bytes = ledger.written_bytes[author] + size
    if written >= OPERATIONS_PER_AUTHOR_MAX or written_bytes > OPERATIONS_PER_AUTHOR_BYTES_MAX:
        raise LimitExceeded("the membership log has no room for another operation of this device")
    # The last part is for the recovery key, as much of it as one author may write.
    is_key = author in ledger.recovery_keys
    most = OPERATIONS_MAX - (0 if is_key else OPERATIONS_PER_AUTHOR_MAX)
    most_bytes = OPERATIONS_BYTES_MAX - (0 if is_key else OPERATIONS_PER_AUTHOR_BYTES_MAX)
    if len(ledger.history) >= most or ledger.written_bytes.total() + size > most_bytes:
        raise LimitExceeded("the membership log has no room for another operation")


def _check_start(ledger: Ledger, operation: Operation) -> None:
    """One genesis, first of all; everything else belongs to the vault that it founds."""
    if (len(ledger.history) == 0) != isinstance(operation.content, Genesis):
        raise MalformedMessage("a membership log must start with its only genesis")
    if len(ledger.history) and operation.vault != ledger.history[0].vault:
        raise MalformedMessage("a membership operation of another vault")


def _past(ledger: Ledger, operation: Operation) -> Mask:
    if any(hash_ not in ledger.history for hash_ in operation.prev):
        raise UnexpectedMessage("a membership operation that follows one not known here")
    return ledger.history.closure(operation.prev)


def _check_author(ledger: Ledger, operation: Operation, past: Mask) -> None:
    """The author was introduced, rightly, and counts its operations without gap or repetition."""
    if not ledger.introduced.get(operation.author, EMPTY) & past:
        raise MalformedMessage("a membership operation by a device that its past does not know")
    if not ledger.is_entitled(operation.author, past):
        raise MalformedMessage("a membership operation by a device that nobody could admit")
    written = (ledger.written.get(operation.author, EMPTY) & past).bit_count()
    if operation.n != written + 1:
        raise MalformedMessage(f"operation {operation.n} of a device that has written {written}")


def _check_subject(ledger: Ledger, operation: Operation, past: Mask) -> None:
    """Devices, removals and statements that the content speaks of are known in its past."""
    match operation.content:
        case Remove(device=device) | SetRole(device=device) | Rename(device=device):
            _check_introduced(ledger, device, past)
        case NewEpoch() as epoch:
            _check_epoch(ledger, epoch, past)
        case Recovery() if operation.author in ledger.rulings.settings:
            raise MalformedMessage("a recovery key replaced by a device instead of the old key")
        case Accepted(removal=removal):
            _check_statement(ledger, operation.author, removal, past)
        case _:
            pass


def _check_introduced(ledger: Ledger, device: DeviceId, past: Mask) -> None:
    """A device that is spoken of was admitted before."""
    if not ledger.rulings.settings.get(device, EMPTY) & past:
        raise MalformedMessage("a membership operation about a device never introduced")


def _check_epoch(ledger: Ledger, epoch: NewEpoch, past: Mask) -> None:
    """An epoch starts once, and replaces what its author knew.

    Otherwise a secret that a device left with would come back, and epochs could replace each
    other in a circle.
    """
    if ledger.epochs.get(epoch.id, EMPTY) & past:
        raise MalformedMessage("an epoch that starts a second time")
    if not all(ledger.epochs.get(parent, EMPTY) & past for parent in epoch.parents):
        raise MalformedMessage("an epoch that replaces one its author cannot know")


def _check_statement(ledger: Ledger, author: DeviceId, removal: OperationHash, past: Mask) -> None:
    """A statement is about a removal that its author knew, and made once."""
    history = ledger.history
    known = removal in history and past >> history.number(removal) & 1
    if not known or not isinstance(history[history.number(removal)].content, Remove):
        raise MalformedMessage("a statement about a removal that its author cannot know")
    for number in positions(ledger.written.get(author, EMPTY) & past):
        earlier = history[number].content
        if isinstance(earlier, Accepted) and earlier.removal == removal:
            raise MalformedMessage("a second statement about the same removal")
