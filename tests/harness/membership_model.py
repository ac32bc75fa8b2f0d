"""The membership rules once more, written as plainly as possible and as slow as they come.

Sets of hashes and recursion instead of masks, one pass and settled standings: where this and the
real evaluation agree on random histories, neither is likely to be wrong by accident.
"""

from collections.abc import Iterable
from functools import cache

from p2pvault.protocol.membership.operation import (
    Accepted,
    Add,
    Genesis,
    NewEpoch,
    Operation,
    Recovery,
    Remove,
    Rename,
    SetRole,
)
from p2pvault.types import AuthorId, DeviceId, OperationHash, Role

Set = frozenset[OperationHash]


class Model:
    """What a causally closed set of operations means."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._all = {operation.hash: operation for operation in operations}
        self.everything: Set = frozenset(self._all)
        (genesis,) = (one for one in self._all.values() if isinstance(one.content, Genesis))
        assert isinstance(genesis.content, Genesis)
        self._first_key = genesis.content.recovery.id if genesis.content.recovery else None
        self._keys = {self._first_key} | {
            one.content.keys.id for one in self._all.values() if isinstance(one.content, Recovery)
        }
        self.past = cache(self._past)
        self.valid = cache(self._valid)
        self.applies = cache(self._applies)
        self.line = cache(self._line)

    def roles(self) -> dict[DeviceId, Role]:
        found = {
            device: self._role(self.everything, self.everything, device)
            for device in self._devices()
        }
        return {device: role for device, role in found.items() if role is not None}

    def suspended(self) -> set[DeviceId]:
        there = {
            one for one in self._devices() if self._rank(self.everything, self.everything, one)
        }
        return there - self.roles().keys()

    def removed(self) -> dict[DeviceId, set[OperationHash]]:
        found = {
            device: {one.hash for one in self._gone(self.everything, self.everything, device)}
            for device in self._devices()
        }
        return {device: removals for device, removals in found.items() if removals}

    def epochs(self) -> set[bytes]:
        return {
            one.content.id
            for one in self._all.values()
            if isinstance(one.content, NewEpoch) and self.valid(self.everything, one.hash)
        }

    def key(self) -> DeviceId | None:
        return self._key_after(self.line(self.everything))

    def contested(self) -> bool:
        line = self.line(self.everything)
        known = self.past(line[-1]) if line else frozenset()
        return any(
            one.author in self._keys and one.hash not in line and one.hash not in known
            for one in self._all.values()
        )

    def bounds(self) -> dict[AuthorId, int]:
        found: dict[AuthorId, int] = {}
        for one in self._all.values():
            stated = ()
            if isinstance(one.content, Remove) and self.applies(one.hash):
                stated = one.content.seen
            if isinstance(one.content, Accepted) and self.applies(one.content.removal):
                past = self.past(one.hash)
                if self._role(past, past, one.author) is not None:
                    stated = one.content.bounds
            for bound in stated:
                found[bound.author] = max(bound.n, found.get(bound.author, 0))
        return found

    def _devices(self) -> set[DeviceId]:
        found = {self._introduced(one) for one in self._all.values()}
        return {device for device in found if device is not None}

    def _past(self, hash_: OperationHash) -> Set:
        prev = self._all[hash_].prev
        return frozenset(prev).union(*(self.past(parent) for parent in prev))

    def _beside(self, one: OperationHash, other: OperationHash) -> bool:
        return one not in self.past(other) and other not in self.past(one)

    # The recovery key --------------------------------------------------------------------

    def _line(self, scope: Set) -> tuple[OperationHash, ...]:
        line: tuple[OperationHash, ...] = ()
        while True:
            following = {
                hash_
                for hash_ in scope
                if self._all[hash_].author == self._key_after(line) is not None
                and all(earlier in self.past(hash_) for earlier in line)
            }
            free = [hash_ for hash_ in following if not self.past(hash_) & following]
            if not free:
                return line
            line = (*line, min(free))

    def _key_after(self, line: tuple[OperationHash, ...]) -> DeviceId | None:
        keys = [one.content.keys.id for one in map(self._all.__getitem__, line)
                if isinstance(one.content, Recovery)]  # fmt: skip
        return keys[-1] if keys else self._first_key

    def _namings(self, scope: Set, past: Set, device: DeviceId) -> list[OperationHash]:
        """What the key said in favour of a device, oldest first."""
        line = [hash_ for hash_ in self.line(scope) if hash_ in past]
        return [hash_ for hash_ in line if self._sets(self._all[hash_]) == device]

    # Removals ----------------------------------------------------------------------------

    def _gone(self, scope: Set, past: Set, device: DeviceId) -> list[Operation]:
        """The removals that keep a device out of a past."""
        namings = self._namings(scope, past, device)
        return [
            one
            for one in self._removals(past, device)
            if not self._void(scope, past, one)
            and not any(one.hash in self.past(naming) for naming in namings)
        ]

    def _removals(self, scope: Set, device: DeviceId) -> list[Operation]:
        found = [self._all[hash_] for hash_ in scope]
        return [
            one
            for one in found
            if isinstance(one.content, Remove)
            and one.content.device == device
            and self.applies(one.hash)
        ]

    def _void(self, scope: Set, past: Set, removal: Operation) -> bool:
        line = self.line(scope)
        if removal.author in self._keys:
            return removal.hash not in line
        assert isinstance(removal.content, Remove)
        for hash_ in set(line) & past:
            one = self._all[hash_]
            for_it = self._sets(one) == removal.content.device
            against = isinstance(one.content, Remove) and one.content.device == removal.author
            if (for_it or against) and self._beside(hash_, removal.hash):
                return True
        return False

    def _applies(self, removal: OperationHash) -> bool:
        one, past = self._all[removal], self.past(removal)
        assert isinstance(one.content, Remove)
        if one.author in self._keys:
            return self._key_after(self.line(past)) == one.author
        admin = self._role(past, past, one.author) is Role.ADMIN
        return admin and not self._gone(past, past, one.content.device)

    # Validity and roles ------------------------------------------------------------------

    def _valid(self, scope: Set, hash_: OperationHash) -> bool:
        one, past = self._all[hash_], self.past(hash_)
        if one.author in self._keys:
            return hash_ in self.line(scope)
        overruled = any(
            self._beside(removal.hash, hash_) and not self._void(scope, scope, removal)
            for removal in self._removals(scope, one.author)
        )
        return not overruled and self._right(scope, past, one)

    def _right(self, scope: Set, past: Set, one: Operation) -> bool:
        role = self._role(scope, past, one.author)
        match one.content:
            case Genesis():
                return True
            case Add() | NewEpoch():
                return role is Role.ADMIN
            case SetRole(device=device):
                return role is Role.ADMIN and self._rank(scope, past, device) is not None
            case Rename(device=device):
                there = self._rank(scope, past, device) is not None
                return there and (role is Role.ADMIN or (one.author == device and role is not None))
            case _:
                return False

    def _role(self, scope: Set, past: Set, device: DeviceId) -> Role | None:
        return None if self._forked(scope, past, device) else self._rank(scope, past, device)

    def _forked(self, scope: Set, past: Set, device: DeviceId) -> bool:
        namings = self._namings(scope, past, device)[-1:]
        written = [
            self._all[hash_]
            for hash_ in past
            if self._all[hash_].author == device
            and all(last in self.past(hash_) for last in namings)
        ]
        for one in written:
            arms = {other.hash for other in written if other.n == one.n}
            excused = any(
                self._all[hash_].author != device
                and arms <= self.past(hash_)
                and self._sets(self._all[hash_]) == device
                and self.valid(scope, hash_)
                for hash_ in past
            )
            if len(arms) > 1 and not excused:
                return True
        return False

    def _rank(self, scope: Set, past: Set, device: DeviceId) -> Role | None:
        if self._gone(scope, past, device):
            return None
        namings = self._namings(scope, past, device)[-1:]
        settings = [
            one
            for one in (self._all[hash_] for hash_ in past)
            if self._sets(one) == device
            and self.valid(scope, one.hash)
            and all(one.hash == last or last in self.past(one.hash) for last in namings)
        ]
        newest = [
            one
            for one in settings
            if not any(one.hash in self.past(other.hash) for other in settings)
        ]
        roles = {getattr(one.content, "role", Role.ADMIN) for one in newest}
        return None if not roles else Role.MEMBER if Role.MEMBER in roles else Role.ADMIN

    def _sets(self, one: Operation) -> DeviceId | None:
        return one.content.device if isinstance(one.content, SetRole) else self._introduced(one)

    @staticmethod
    def _introduced(one: Operation) -> DeviceId | None:
        match one.content:
            case Genesis(first=card) | Add(device=card):
                return card.id
            case _:
                return None
