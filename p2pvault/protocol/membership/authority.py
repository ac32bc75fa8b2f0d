"""Who may do what: the rules R1 to R5 and R7 over one causally closed set of operations.

    R1  An operation needs its author's authority among the operations in its own past.
    R2  What a device did concurrently with its removal is void, its own removals excepted.
    R3  Removals by devices are judged by their own past, so mutual removals all apply.
    R4  The recovery key outranks all of it: see below.
    R5  Authority that rests on void operations is void; of concurrent roles the lower one wins.
    R7  A device that signed two operations with one number is suspended.

(R6, epochs, is in `evaluate`; the numbering is that of docs/protocol/membership.md.) An operation
of the recovery key is in force or not, which `reign` says without looking at devices. One in force
that gives a device a role *names* it. A removal of that device

    - is void if it is concurrent with the naming: as if it had never been;
    - is lifted if the naming knows it: the device is back, and what R2 voided stays void;
    - stands if it knows the naming.

A removal by the recovery key voids the concurrent removals by the device that it removes, too.

Whether a removal by a device applies in its own past is settled when it arrives. What the recovery
key does to it depends on the line alone. Everything else follows in one pass in causal order,
because whatever an operation's standing rests on lies in its past: there is no recursion, no
clock and no order of arrival in it. The same set gives the same answer on every device.
"""

from p2pvault.protocol.membership.history import EMPTY, History, Mask, positions
from p2pvault.protocol.membership.operation import (
    Add,
    Genesis,
    Operation,
    Remove,
    Rename,
    SetRole,
)
from p2pvault.protocol.membership.reign import Reign, reign_of
from p2pvault.protocol.membership.rulings import Rulings
from p2pvault.types import DeviceId, Role


class Authority:
    """The standing of devices and operations, as one set of operations has it.

    Attributes:
        scope: The set: what of it makes or ends authority.
        reign: What the recovery key has to say in it.
        valid: The valid operations that set a role.
    """

    __slots__ = ("_history", "_rulings", "reign", "scope", "valid")

    def __init__(
        self, history: History, rulings: Rulings, scope: Mask, before: "Authority | None" = None
    ) -> None:
        """Judge a scope.

        Args:
            history: All operations.
            rulings: Those that authority comes from or ends with.
            scope: A causally closed set of them.
            before: What was judged before; taken over where it still holds, so that a chain of
                operations, each of which is judged by its past, costs no square of its length.
        """
        self._history = history
        self._rulings = rulings
        self.scope = scope
        self.reign: Reign = reign_of(history, rulings, scope)
        self.valid, judged = EMPTY, EMPTY
        if before is not None and self._is_continued(before.scope):
            self.valid, judged = before.valid, before.scope
        for number in positions(scope & rulings.all & ~judged):
            if isinstance(history[number].content, Genesis | Add | SetRole):
                self.valid |= self.permits(number) << number

    def _is_continued(self, before: Mask) -> bool:
        """Tell whether what is valid in another scope is so here.

        It is where this one has more, and all of that are roles set by devices: of what one
        operation says of another, that alone never looks beyond the past.
        """
        added = self.scope & self._rulings.all & ~before
        setting = (
            isinstance(self._history[number].content, Add | SetRole)
            and not self._rulings.recovered >> number & 1
            for number in positions(added)
        )
        return not before & ~self.scope and all(setting)

    def role(self, device: DeviceId, past: Mask) -> Role | None:
        """Return what a device is in a past, or None where it is not a member or is suspended.

        Args:
            device: Whose role.
            past: A causally closed part of the scope.
        """
        return None if self.forked(device, past) else self.rank(device, past)

    def rank(self, device: DeviceId, past: Mask) -> Role | None:
        """Return the role that a device has, or would have if it were not suspended."""
        if self.removals(device, past):
            return None
        settings = self._settings(device, past)
        roles = {_role_set_by(self._history[number]) for number in self._history.latest(settings)}
        if not roles:
            return None
        return Role.MEMBER if Role.MEMBER in roles else Role.ADMIN

    def removals(self, device: DeviceId, past: Mask) -> Mask:
        """Return the removals of a device that keep it out, as a past has them."""
        standing = EMPTY
        for removal in positions(self._rulings.removals.get(device, EMPTY) & past):
            if not self._is_void(removal, past) and not self._is_lifted(device, removal, past):
                standing |= 1 << removal
        return standing

    def forked(self, device: DeviceId, past: Mask) -> Mask:
        """R7: the operations for which a device is suspended; none if it is not.

        An operation that gives it a role again ends the suspension, if its author knew all that
        the device had written under that number (so the device itself has no right to it). The
        recovery key need not know it: what does not follow its last word is no evidence.
        """
        evidence = EMPTY
        for arms in self._rulings.arms(device):
            seen = self._since(self._namings(device, past), arms & past)
            if seen & (seen - 1) and not self._is_excused(device, seen, past):
                evidence |= seen
        return evidence

    def permits(self, number: int) -> bool:
        """Return whether an operation other than a removal or a statement is valid."""
        operation = self._history[number]
        if self._rulings.recovered >> number & 1:
            return bool(self.reign.line >> number & 1)
        past = self._history.past(number)
        return self._has_right(operation, past) and not self._overruled(operation.author, number)

    def _settings(self, device: DeviceId, past: Mask) -> Mask:
        """The valid operations that set a role; of those beside or before a naming, only that."""
        settings = self._rulings.settings.get(device, EMPTY) & self.valid & past
        return self._since(self._namings(device, past), settings)

    def _namings(self, device: DeviceId, past: Mask) -> Mask:
        return self._rulings.settings.get(device, EMPTY) & self.reign.line & past

    def _since(self, namings: Mask, mask: Mask) -> Mask:
        """The last of some namings, if it is in the mask, and what follows it; all without one."""
        if not namings:
            return mask
        last = namings.bit_length() - 1
        later = (number for number in positions(mask) if self._history.past(number) >> last & 1)
        return sum((1 << number for number in later), mask & 1 << last)

    def _has_right(self, operation: Operation, past: Mask) -> bool:
        """R1, in the author's own past."""
        if isinstance(operation.content, Genesis):
            return True
        role = self.role(operation.author, past)
        match operation.content:
            case SetRole(device=device):
                return role is Role.ADMIN and self.rank(device, past) is not None
            case Rename(device=device):
                owner = operation.author == device
                allowed = role is Role.ADMIN or (role is not None and owner)
                return allowed and self.rank(device, past) is not None
            case _:
                return role is Role.ADMIN

    def _overruled(self, author: DeviceId, number: int) -> bool:
        """R2: something that is concurrent with a removal of its author."""
        removals = self._rulings.removals.get(author, EMPTY) & self.scope
        return any(
            self._concurrent(removal, number) and not self._is_void(removal, self.scope)
            for removal in positions(removals)
        )

    def _is_void(self, removal: int, past: Mask) -> bool:
        """R4: a removal that the recovery key contradicts without knowing it, or lost with."""
        if self._rulings.recovered >> removal & 1:
            return not self.reign.line >> removal & 1
        device, author = self._subject(removal), self._history[removal].author
        spoken = self._rulings.settings.get(device, EMPTY)
        spoken |= self._rulings.removals.get(author, EMPTY)
        return any(
            self._concurrent(each, removal) for each in positions(spoken & self.reign.line & past)
        )

    def _is_lifted(self, device: DeviceId, removal: int, past: Mask) -> bool:
        namings = positions(self._namings(device, past))
        return any(self._history.past(each) >> removal & 1 for each in namings)

    def _is_excused(self, device: DeviceId, seen: Mask, past: Mask) -> bool:
        settings = self._rulings.settings.get(device, EMPTY) & self.valid & past
        return any(not seen & ~self._history.past(number) for number in positions(settings))

    def _concurrent(self, one: int, other: int) -> bool:
        past = self._history.past
        return not (past(one) >> other | past(other) >> one) & 1

    def _subject(self, removal: int) -> DeviceId:
        content = self._history[removal].content
        assert isinstance(content, Remove), "only removals are recorded as such"
        return content.device


def _role_set_by(operation: Operation) -> Role:
    content = operation.content
    assert isinstance(content, Genesis | Add | SetRole), "nothing else sets roles"
    return Role.ADMIN if isinstance(content, Genesis) else content.role
