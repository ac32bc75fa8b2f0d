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
        self.past = cache(self._past)
        self.valid = cache(self._valid)
        self.applies = cache(self._applies)

    def roles(self) -> dict[DeviceId, Role]:
        devices = {self._introduced(one) for one in self._all.values()} - {None}
        found = {
            device: self._role(self.everything, self.everything, device)
            for device in devices
            if device is not None
        }
        return {device: role for device, role in found.items() if role is not None}

    def removed(self) -> dict[DeviceId, set[OperationHash]]:
        found: dict[DeviceId, set[OperationHash]] = {}
        for one in self._removals(self.everything):
            assert isinstance(one.content, Remove)
            found.setdefault(one.content.device, set()).add(one.hash)
        return found

    def epochs(self) -> set[bytes]:
        return {
            one.content.id
            for one in self._all.values()
            if isinstance(one.content, NewEpoch) and self.valid(self.everything, one.hash)
        }

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

    def _past(self, hash_: OperationHash) -> Set:
        prev = self._all[hash_].prev
        return frozenset(prev).union(*(self.past(parent) for parent in prev))

    def _removals(self, scope: Set) -> list[Operation]:
        return [
            self._all[hash_]
            for hash_ in scope
            if isinstance(self._all[hash_].content, Remove) and self.applies(hash_)
        ]

    def _gone(self, scope: Set, device: DeviceId) -> list[Operation]:
        return [
            one
            for one in self._removals(scope)
            if isinstance(one.content, Remove) and one.content.device == device
        ]

    def _applies(self, removal: OperationHash) -> bool:
        one, past = self._all[removal], self.past(removal)
        assert isinstance(one.content, Remove)
        admin = self._role(past, past, one.author) is Role.ADMIN
        return admin and not self._gone(past, one.content.device)

    def _valid(self, scope: Set, hash_: OperationHash) -> bool:
        one, past = self._all[hash_], self.past(hash_)
        knew = all(hash_ in self.past(removal.hash) for removal in self._gone(scope, one.author))
        return knew and self._right(scope, past, one)

    def _right(self, scope: Set, past: Set, one: Operation) -> bool:
        role = self._role(scope, past, one.author)
        match one.content:
            case Genesis():
                return True
            case Add() | NewEpoch():
                return role is Role.ADMIN
            case SetRole(device=device):
                return role is Role.ADMIN and self._role(scope, past, device) is not None
            case Rename(device=device):
                there = self._role(scope, past, device) is not None
                return there and (role is Role.ADMIN or one.author == device)
            case _:
                return False

    def _role(self, scope: Set, past: Set, device: DeviceId) -> Role | None:
        if self._gone(past, device):
            return None
        settings = [
            one
            for one in (self._all[hash_] for hash_ in past)
            if self._sets(one) == device and self.valid(scope, one.hash)
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
