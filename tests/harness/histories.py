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

from harness.members import ACTORS, KEEPER, NOW_MS, Actor
from p2pvault.crypto.hashing import digest
from p2pvault.protocol.membership.history import Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import (
    Add,
    Content,
    Genesis,
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
        verb: `add`, `remove` or `role`.
        device: About whom.
        role: What it is to be; None for a removal.
        high: Whether its hash is higher than that of others: decides between uses of the key.
    """

    author: str
    verb: str
    device: str
    role: Role | None = None
    high: bool = False

    def renamed(self, names: dict[str, str]) -> str:
        """Return a text that says the same of devices with other names."""
        about = (
            names.get(self.author, self.author),
            self.verb,
            names.get(self.device, self.device),
        )
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
        roles: Whether roles are given and changed; if not, every device is admitted as an admin.

    Attributes:
        made: How many histories there were.
        looked_at: How many of them were not the same as another but for names.
    """

    def __init__(
        self, devices: int, alike: str, beginning: Sequence[Act] = (), *, roles: bool = True
    ) -> None:
        self.names = "abcdefgh"[:devices]
        self._swaps = [dict(zip(alike, order, strict=True)) for order in permutations(alike)]
        self._acts = tuple(_acts(self.names) if roles else filter(_keeps_roles, _acts(self.names)))
        self._known: dict[tuple[OperationHash, ...], tuple[Step, ...]] = {}
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
        for step in self._next(small):
            if length > 1:
                yield from self._grown(_with(small, step), length - 1)
                continue
            self.made += 1
            if self._is_chosen((*small.steps, step)):
                last = _with(small, step)
                if not _is_idle(last):
                    self.looked_at += 1
                    yield last

    def _next(self, small: Small) -> Iterator[Step]:
        """Yield what can come next so that it is the greatest head then."""
        history = small.ledger.history
        for past, heads in _pasts(small):
            left = [history[number].hash for number in positions(history.heads & ~past)]
            greatest = max(left, default=b"")
            for step in self._after(small, past, heads):
                if step.operation.hash > greatest and step.operation.hash not in history:
                    yield step

    def _after(self, small: Small, past: Mask, heads: Mask) -> tuple[Step, ...]:
        """Return all that can follow some heads and knows no more than they do."""
        history = small.ledger.history
        prev = tuple(sorted(history[number].hash for number in positions(heads)))
        if prev not in self._known:
            acts = [act for act in self._acts if not self._is_pointless(small.ledger, act, past)]
            self._known[prev] = tuple(self._step(small, act, heads) for act in acts)
        return self._known[prev]

    def _step(self, small: Small, act: Act, heads: Mask) -> Step:
        operation = self._operation(small.ledger, act, heads)
        known = {step.operation.hash: step.texts for step in small.steps}
        follows = [known[hash_] for hash_ in operation.prev if hash_ in known]
        texts = (
            act.renamed(names) + str(sorted(texts[index] for texts in follows))
            for index, names in enumerate(self._swaps)
        )
        return Step(act, operation, tuple(texts))

    def _is_pointless(self, ledger: Ledger, act: Act, past: Mask) -> bool:
        """Whether the log refuses an act there, or it can have no effect in any history at all.

        Authority needs an operation in the own past that makes the author an admin, valid or not;
        a removal that does not apply there never does; and a role that a device has there
        already is given by nobody but the key, unless it ends a suspension.
        """
        known = ledger.rulings.settings.get(_id(act.device), 0) & past
        if act.verb != "add" and not known:
            return True
        authority = ledger.authority(past)
        if act.author != KEY and not self._ever_admin(ledger, act.author, past):
            return True
        if act.verb == "remove":
            gone = authority.removals(_id(act.device), past)
            return act.author != KEY and (
                bool(gone) or authority.role(_id(act.author), past) is not Role.ADMIN
            )
        if act.author == KEY:
            return False
        rank = authority.rank(_id(act.device), past)
        if act.verb == "add":
            return rank is not None
        return rank is act.role and not authority.forked(_id(act.device), past)

    def _ever_admin(self, ledger: Ledger, author: str, past: Mask) -> bool:
        settings = ledger.rulings.settings.get(_id(author), 0) & past
        contents = (ledger.history[number].content for number in positions(settings))
        return any(getattr(content, "role", Role.ADMIN) is Role.ADMIN for content in contents)

    def _operation(self, ledger: Ledger, act: Act, heads: Mask) -> Operation:
        history = ledger.history
        prev = tuple(sorted(history[number].hash for number in positions(heads)))
        closed = history.closure(prev)
        n = 1 + (ledger.written.get(_id(act.author), 0) & closed).bit_count()
        name = digest(b"p2pv-test", *prev, repr(act).encode())
        hash_ = OperationHash((b"\xff" if act.high else b"\x00") + name[1:])
        content = _content(act)
        return Operation(hash_, VAULT, prev, _id(act.author), n, NOW_MS, content, b"")

    def _is_chosen(self, steps: Sequence[Step]) -> bool:
        """Whether a history is the first of those that are the same but for names."""
        whole = [sorted(step.texts[i] for step in steps) for i in range(len(self._swaps))]
        return whole[0] == min(whole)


def _with(small: Small, step: Step) -> Small:
    ledger = small.ledger.copy()
    ledger.record(step.operation)
    return Small(ledger, (*small.steps, step), small.first)


def _is_idle(small: Small) -> bool:
    """Whether a use of the key ranks high without another beside it that ranks low."""
    history = small.ledger.history
    uses = list(positions(small.ledger.rulings.recovered))
    ranks = {step.operation.hash: step.act.high for step in small.steps}
    return any(
        ranks[history[one].hash]
        and all(
            ranks[history[other].hash]
            or (history.past(one) >> other | history.past(other) >> one) & 1
            for other in uses
        )
        for one in uses
    )


def _acts(names: str) -> Iterator[Act]:
    for device in names:
        for author in names:
            yield Act(author, "remove", device)
            for role in Role:
                yield Act(author, "role", device, role)
                yield Act(author, "add", device, role)
        for high in (False, True):
            yield Act(KEY, "remove", device, None, high)
            yield Act(KEY, "role", device, Role.ADMIN, high)


def _keeps_roles(act: Act) -> bool:
    made_admin = act.verb == "add" and act.role is Role.ADMIN
    return made_admin or act.verb == "remove" or act.author == KEY


def _pasts(small: Small) -> Iterator[tuple[Mask, Mask]]:
    """Yield every causally closed part of a history with all of the beginning, and its heads."""
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


def _content(act: Act) -> Content:
    match act:
        case Act(verb="add", role=Role() as role):
            return Add(_actor(act.device).card, role, ())
        case Act(verb="role", role=Role() as role):
            return SetRole(_id(act.device), role)
        case _:
            return Remove(_id(act.device), (), "")


def _genesis() -> Operation:
    first = _actor("a")
    content = Genesis("home", first.card, KEEPER.key.public, bytes(16))
    return Operation(OperationHash(VAULT), VAULT, (), first.id, 1, NOW_MS, content, b"")


def _actor(name: str) -> Actor:
    return ACTORS["abcde".index(name)]


@cache
def _id(name: str) -> DeviceId:
    return KEEPER.id if name == KEY else _actor(name).id
