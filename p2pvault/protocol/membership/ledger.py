"""What a log has learnt from its operations, kept up to date one operation at a time.

`record` is the only way in, and it trusts its argument: what may enter is decided in `log`.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from p2pvault.protocol.membership.authority import Authority
from p2pvault.protocol.membership.history import EMPTY, History, Mask, positions
from p2pvault.protocol.membership.operation import (
    Accepted,
    Add,
    Genesis,
    NewEpoch,
    Operation,
    Recovery,
    RecoveryKeys,
    Remove,
    SetRole,
)
from p2pvault.protocol.membership.rulings import Rulings
from p2pvault.types import DeviceId, EpochId, OperationHash, Role


@dataclass(slots=True)
class Ledger:
    """The operations of one log and the sets that questions are answered from.

    Attributes:
        history: The operations and their ancestry.
        rulings: Which of them make or end authority.
        signers: The signing key of every device and recovery key ever introduced.
        introduced: For each of these, the operations that did so.
        recovery_keys: Every recovery key ever introduced.
        written: For each author, its operations.
        written_bytes: For each author, their size.
        epochs: For each epoch, the operations that start it.
        statements: The statements on removals that count.
        rightful: Of some operations that set a role, whether their author had the right to.
        latest: The authority that was computed last; the next one asked for is often the same.
    """

    history: History = field(default_factory=History)
    rulings: Rulings = field(default_factory=Rulings)
    signers: dict[DeviceId, bytes] = field(default_factory=dict)
    introduced: dict[DeviceId, Mask] = field(default_factory=dict)
    recovery_keys: dict[DeviceId, RecoveryKeys] = field(default_factory=dict)
    written: dict[DeviceId, Mask] = field(default_factory=dict)
    written_bytes: Counter[DeviceId] = field(default_factory=Counter)
    epochs: dict[EpochId, Mask] = field(default_factory=dict)
    statements: Mask = EMPTY
    rightful: dict[int, bool] = field(default_factory=dict)
    latest: tuple[Mask, Authority] | None = None

    def copy(self) -> Self:
        """Return an independent copy, without the computed authority: that looks at this one."""
        return type(self)(
            self.history.copy(),
            self.rulings.copy(),
            self.signers.copy(),
            self.introduced.copy(),
            self.recovery_keys.copy(),
            self.written.copy(),
            self.written_bytes.copy(),
            self.epochs.copy(),
            self.statements,
            self.rightful.copy(),
        )

    def authority(self, scope: Mask) -> Authority:
        """Return the authority in a causally closed scope; only rulings make a difference."""
        key = scope & self.rulings.all
        if self.latest is None or self.latest[0] != key:
            before = self.latest[1] if self.latest is not None else None
            self.latest = key, Authority(self.history, self.rulings, key, before)
        return self.latest[1]

    def record(self, operation: Operation) -> None:
        """Take in an operation that the log has admitted."""
        number = self.history.append(operation)
        self._note_author(operation, number)
        match operation.content:
            case Genesis(first=card) as genesis:
                self._introduce(card.id, card.public.signing, number)
                self.rulings.add_setting(card.id, number)
                self._introduce_first_key(genesis.recovery, number)
            case Add(device=card):
                self._introduce(card.id, card.public.signing, number)
                self.rulings.add_setting(card.id, number)
            case SetRole(device=device):
                self.rulings.add_setting(device, number)
            case Remove(device=device) if self._removes(operation, device, number):
                self.rulings.add_removal(device, number)
            case Accepted(removal=removal) if self._states(operation, removal, number):
                self.statements |= 1 << number
            case NewEpoch(id=epoch):
                self.epochs[epoch] = self.epochs.get(epoch, EMPTY) | 1 << number
            case Recovery(keys=keys):
                self._introduce_key(keys, number)
            case _:
                pass

    def _note_author(self, operation: Operation, number: int) -> None:
        author = operation.author
        self.written[author] = self.written.get(author, EMPTY) | 1 << number
        self.written_bytes[author] += len(operation.data)
        if author in self.recovery_keys:
            # Whoever has the words counts anew on each device: two uses are no fork of a device.
            self.rulings.add_recovered(number)
        else:
            self.rulings.add_numbered(author, operation.n, number)

    def _introduce_first_key(self, keys: RecoveryKeys | None, number: int) -> None:
        if keys is not None:
            self.rulings.first_key = keys.id
            self._introduce_key(keys, number)

    def _introduce_key(self, keys: RecoveryKeys, number: int) -> None:
        self.recovery_keys[keys.id] = keys
        self._introduce(keys.id, keys.signing, number)

    def _introduce(self, signer: DeviceId, signing: bytes, number: int) -> None:
        self.signers[signer] = signing
        self.introduced[signer] = self.introduced.get(signer, EMPTY) | 1 << number

    def is_entitled(self, author: DeviceId, past: Mask) -> bool:
        """Tell whether somebody who had the right to let an author in: an admin, or the key.

        Judged by the past of whoever did, so it is settled for ever. A device that has no right
        to admit others could otherwise introduce as many as it takes to fill the log.
        """
        if author in self.recovery_keys:
            return True
        settings = self.rulings.settings.get(author, EMPTY) & past
        return any(self._is_rightful(number) for number in positions(settings))

    def _is_rightful(self, number: int) -> bool:
        operation = self.history[number]
        if isinstance(operation.content, Genesis) or operation.author in self.recovery_keys:
            return True
        if number not in self.rightful:
            self.rightful[number] = self._stood(operation, number) is Role.ADMIN
        return self.rightful[number]

    def _removes(self, operation: Operation, device: DeviceId, number: int) -> bool:
        """Return whether a removal applies in its own past.

        A device has to be an admin there that knows of no removal before: a repeated one could not
        void more than the first did, and would only cost time. The recovery key has to be the
        one in force.
        """
        past = self.history.past(number)
        authority = self.authority(past)
        if operation.author in self.recovery_keys:
            return authority.reign.key == operation.author
        known = authority.removals(device, past)
        return not known and authority.role(operation.author, past) is Role.ADMIN

    def _states(self, operation: Operation, removal: OperationHash, number: int) -> bool:
        """Tell whether a statement counts: a member makes it, about a removal that applies."""
        stood = self._stood(operation, number)
        return stood is not None and self._applied(self.history.number(removal))

    def _stood(self, operation: Operation, number: int) -> Role | None:
        """Return what the author was in the operation's own past: settled now, for ever."""
        past = self.history.past(number)
        return self.authority(past).role(operation.author, past)

    def _applied(self, number: int) -> bool:
        content = self.history[number].content
        assert isinstance(content, Remove), "statements are about removals"
        return bool(self.rulings.removals.get(content.device, EMPTY) >> number & 1)
