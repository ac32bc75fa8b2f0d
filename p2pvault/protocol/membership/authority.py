"""Who may do what: the rules R1 to R6 over one causally closed set of operations.

    R1  An operation needs its author's authority among the operations in its own past.
    R2  What a device did concurrently with its removal is void, its own removals excepted.
    R3  Removals are judged by their own past alone, so mutual removals all apply.
    R5  Authority that rests on void operations is void; of concurrent roles the lower one wins.

(R4, the recovery key, is not evaluated yet; R6, epochs, is in `evaluate`; the numbering is that of
docs/protocol/membership.md.) Since a removal's standing depends on its past only, it is settled
when the operation arrives and never changes; everything else follows in one pass in causal
order, because whatever an operation's standing rests on lies in its past. There is no recursion,
no clock and no order of arrival in it: the same set gives the same answer on every device.
"""

from dataclasses import dataclass, field
from typing import Self

from p2pvault.protocol.membership.history import EMPTY, History, Mask, positions
from p2pvault.protocol.membership.operation import (
    Add,
    Genesis,
    Operation,
    Rename,
    SetRole,
)
from p2pvault.types import DeviceId, Role


@dataclass(slots=True)
class Rulings:
    """Where the operations are that authority can come from or end with.

    Attributes:
        settings: For each device, the operations that set its role: genesis, add, role.
        removals: For each device, the removals of it that apply.
        all: All of these together.
    """

    settings: dict[DeviceId, Mask] = field(default_factory=dict)
    removals: dict[DeviceId, Mask] = field(default_factory=dict)
    all: Mask = EMPTY

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self.settings.copy(), self.removals.copy(), self.all)

    def add_setting(self, device: DeviceId, number: int) -> None:
        """Note an operation that sets the role of a device."""
        self.settings[device] = self.settings.get(device, EMPTY) | 1 << number
        self.all |= 1 << number

    def add_removal(self, device: DeviceId, number: int) -> None:
        """Note a removal that applies."""
        self.removals[device] = self.removals.get(device, EMPTY) | 1 << number
        self.all |= 1 << number


class Authority:
    """The standing of devices and operations, as one set of operations has it."""

    __slots__ = ("_history", "_rulings", "_scope", "_valid")

    def __init__(self, history: History, rulings: Rulings, scope: Mask) -> None:
        self._history = history
        self._rulings = rulings
        self._scope = scope
        self._valid = EMPTY
        for number in positions(scope & rulings.all):
            if isinstance(history[number].content, Genesis | Add | SetRole):
                self._valid |= self.permits(number) << number

    def role(self, device: DeviceId, past: Mask) -> Role | None:
        """Return what a device is in a past, or None where it is not a member.

        Args:
            device: Whose role.
            past: A causally closed part of the scope.
        """
        if self._rulings.removals.get(device, EMPTY) & past:
            return None
        settings = self._rulings.settings.get(device, EMPTY) & self._valid & past
        roles = {_role_set_by(self._history[number]) for number in self._history.latest(settings)}
        if not roles:
            return None
        return Role.MEMBER if Role.MEMBER in roles else Role.ADMIN

    def permits(self, number: int) -> bool:
        """Return whether an operation other than a removal or a statement is valid."""
        operation = self._history[number]
        past = self._history.past(number)
        return self._has_right(operation, past) and not self._overruled(operation.author, number)

    def _has_right(self, operation: Operation, past: Mask) -> bool:
        """R1, in the author's own past."""
        if isinstance(operation.content, Genesis):
            return True
        role = self.role(operation.author, past)
        match operation.content:
            case SetRole(device=device):
                return role is Role.ADMIN and self.role(device, past) is not None
            case Rename(device=device):
                owner = operation.author == device
                allowed = role is Role.ADMIN or (role is not None and owner)
                return allowed and self.role(device, past) is not None
            case _:
                return role is Role.ADMIN

    def _overruled(self, author: DeviceId, number: int) -> bool:
        """R2: something that a removal of the author does not know of."""
        removals = self._rulings.removals.get(author, EMPTY) & self._scope
        return any(not self._history.past(removal) >> number & 1 for removal in positions(removals))


def _role_set_by(operation: Operation) -> Role:
    content = operation.content
    assert isinstance(content, Genesis | Add | SetRole), "nothing else sets roles"
    return Role.ADMIN if isinstance(content, Genesis) else content.role
