"""Every small history of a vault: unsigned operations, recorded as the log would record them.

A history is a causally closed set of operations. Each is made exactly once: an operation is only
added if it is the greatest of the heads that the history then has, so that taking away the
greatest head leads to the one history that it was made from. Histories that are the same but for
the names of devices that began alike are counted, and only one of them is looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations
from types import SimpleNamespace
from typing import cast

from harness.members import ACTORS, KEEPER, NOW_MS, Actor, epoch
from p2pvault.crypto.hashing import digest
from p2pvault.protocol.membership.history import Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Add,
    Content,
    Genesis,
    NewEpoch,
    Operation,
    Remove,
    SetRole,
)
from p2pvault.types import DeviceId, OperationHash, Role, VaultId

KEY = "k"
"""Who the recovery key is among the names."""

VAULT = VaultId(digest(b"p2pv-test", b"vault"))


@dataclass(frozen=True)
class Act:
    """What one operation does, by the names of devices: `a`, `b`, ...

    Attributes:
        author: A device, or the recovery key.
        verb: `add`, `remove`, `role` or `epoch`.
        device: About whom; empty for an epoch.
        role: What it is to be; None for a removal or an epoch.
        high: Whether its hash is higher than that of others: decides between uses of the key.
    """

    author: str
    verb: str
    device: str = ""
    role: Role | None = None
    high: bool = False

    def renamed(self, names: dict[str, str]) -> str:
        """Return a text that says the same of devices with other names."""
        about = (names.get(self.author, self.author), self.verb, names.get(self.device, ""))
        return "/".join([*about, self.role or "", str(self.high)])


@dataclass(frozen=True)
class Step:
    """An operation of a history.

    Attributes:
        operation: As the ledger records it.
        texts: What it is and follows, under each way to name the devices.
    """

    act: Act
    operation: Operation
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Small:
    """One history.

    Attributes:
        ledger: Its operations, recorded in the order in which it was made.
        steps: What was added to the beginning, in this order.
        first: The number of the first step in the ledger.
    """

    ledger: Ledger
    steps: tuple[Step, ...]
    first: int

    @property
    def log(self) -> MembershipLog:
        """The log of it."""
        return MembershipLog(self.ledger)

    def reordered(self, order: Sequence[int]) -> MembershipLog:
        """Return the log as it is after another order of delivery of the steps."""
        ledger = Ledger()
        for number in range(self.first):
            ledger.record(self.ledger.history[number])
        for index in order:
            ledger.record(self.steps[index].operation)
        return MembershipLog(ledger)

    def orders(self) -> Iterator[tuple[int, ...]]:
        """Yield every order of delivery in which each step comes after those that it follows."""
        known = {step.operation.hash: index for index, step in enumerate(self.steps)}
        before = [{known[p] for p in s.operation.prev if p in known} for s in self.steps]
        return _orders((), before)


def _orders(done: tuple[int, ...], before: list[set[int]]) -> Iterator[tuple[int, ...]]:
    if len(done) == len(before):
        yield done
    for index, needed in enumerate(before):
        if index not in done and needed.issubset(done):
            yield from _orders((*done, index), before)


class Histories:
    """All histories of some devices that begin in the same way.

    Args:
        devices: How many there are, `a` and so on.
        alike: The names of those that are the same in the beginning.
        beginning: What was done before, each by somebody who knew all that came before it.

    Attributes:
        made: How many histories there were.
        looked_at: How many of them were not the same as another but for names.
    """

    def __init__(self, devices: int, alike: str, beginning: Sequence[Act] = ()) -> None:
        self.names = "abcdefgh"[:devices]
        self._swaps = [dict(zip(alike, order, strict=True)) for order in permutations(alike)]
        self._acts = tuple(_acts(self.names))
        self.made = self.looked_at = 0
        ledger = Ledger()
        ledger.record(_genesis())
        for act in beginning:
            ledger.record(self._operation(ledger, act, ledger.history.heads))
        self._start = Small(ledger, (), len(ledger.history))

    def __call__(self, length: int) -> Iterator[Small]:
        """Yield every history with so many operations after the beginning."""
        return self._grown(self._start, length)

    def _grown(self, small: Small, length: int) -> Iterator[Small]:
        if length == 0:
            self.made += 1
            if self._is_chosen(small):
                self.looked_at += 1
                yield small
            return
        for step in self._next(small):
            ledger = small.ledger.copy()
            ledger.record(step.operation)
            yield from self._grown(Small(ledger, (*small.steps, step), small.first), length - 1)

    def _next(self, small: Small) -> Iterator[Step]:
        """Yield what can come next so that it is the greatest head then."""
        history = small.ledger.history
        for past, heads in _pasts(small):
            left = [history[number].hash for number in positions(history.heads & ~past)]
            for act in self._acts:
                if self._is_refused(small.ledger, act, past):
                    continue
                operation = self._operation(small.ledger, act, heads)
                if operation.hash not in history and all(operation.hash > each for each in left):
                    yield Step(act, operation, self._texts(small, act, operation))

    def _is_refused(self, ledger: Ledger, act: Act, past: Mask) -> bool:
        """What the log refuses, and what changes nothing: a role that is the device's already."""
        introduced = ledger.introduced.get(_id(act.author), 0) & past
        settings = ledger.rulings.settings.get(_id(act.device), 0) & past if act.device else 1
        return not introduced or (act.verb in ("remove", "role") and not settings)

    def _operation(self, ledger: Ledger, act: Act, heads: Mask) -> Operation:
        history = ledger.history
        prev = tuple(sorted(history[number].hash for number in positions(heads)))
        closed = history.closure(prev)
        n = 1 + (ledger.written.get(_id(act.author), 0) & closed).bit_count()
        name = digest(b"p2pv-test", *prev, repr(act).encode())
        hash_ = OperationHash((b"\xff" if act.high else b"\x00") + name[1:])
        content = self._content(ledger, act, closed, name)
        return Operation(hash_, VAULT, prev, _id(act.author), n, NOW_MS, content, b"")

    def _content(self, ledger: Ledger, act: Act, past: Mask, name: bytes) -> Content:
        match act:
            case Act(verb="add", device=device, role=Role() as role):
                return Add(_actor(device).card, role, ())
            case Act(verb="remove", device=device):
                return Remove(_id(device), (), "")
            case Act(verb="role", device=device, role=Role() as role):
                return SetRole(_id(device), role)
            case _:
                return self._epoch(ledger, past, name)

    def _epoch(self, ledger: Ledger, past: Mask, name: bytes) -> NewEpoch:
        """An epoch whose author boxes it for the members that it knows."""
        authority = ledger.authority(past)
        boxed = [_actor(n) for n in self.names if authority.role(_id(n), past) is not None]
        vault = cast("MembershipLog", SimpleNamespace(vault=VAULT))
        return epoch(vault, int.from_bytes(name[:8], "big"), boxed)

    def _texts(self, small: Small, act: Act, operation: Operation) -> tuple[str, ...]:
        known = {step.operation.hash: step.texts for step in small.steps}
        follows = [known[hash_] for hash_ in operation.prev if hash_ in known]
        return tuple(
            act.renamed({**dict.fromkeys(self.names), **{n: n for n in self.names}, **names})
            + str(sorted(texts[index] for texts in follows))
            for index, names in enumerate(self._swaps)
        )

    def _is_chosen(self, small: Small) -> bool:
        """Whether it is the first of those that are the same but for the names of devices."""
        whole = [sorted(step.texts[i] for step in small.steps) for i in range(len(self._swaps))]
        return whole[0] == min(whole)


def _acts(names: str) -> Iterator[Act]:
    for author in (*names, KEY):
        ranks = (False, True) if author == KEY else (False,)
        for high in ranks:
            for device in names:
                yield Act(author, "remove", device, None, high)
                for role in Role:
                    yield Act(author, "role", device, role, high)
                    if author != KEY:
                        yield Act(author, "add", device, role, high)
        if author != KEY:
            yield Act(author, "epoch")


def _pasts(small: Small) -> Iterator[tuple[Mask, Mask]]:
    """Yield every causally closed part of a history that has all of the beginning, and its heads."""
    history = small.ledger.history
    numbers = range(small.first, len(history))
    start = (1 << small.first) - 1
    for count in range(len(numbers) + 1):
        for chosen in combinations(numbers, count):
            past = start | sum(1 << number for number in chosen)
            if all(not history.past(number) & ~past for number in chosen):
                heads = past & ~_union(history.past(number) for number in positions(past))
                yield past, heads


def _union(masks: Iterator[Mask]) -> Mask:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _genesis() -> Operation:
    first = _actor("a")
    content = Genesis("home", first.card, KEEPER.key.public, bytes(16))
    return Operation(OperationHash(VAULT), VAULT, (), first.id, 1, NOW_MS, content, b"")


def _actor(name: str) -> Actor:
    return ACTORS["abcde".index(name)]


@cache
def _id(name: str) -> DeviceId:
    return KEEPER.id if name == KEY else _actor(name).id
