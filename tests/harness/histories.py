"""Every small history of a vault: unsigned operations, recorded as the log would record them.

A history is a causally closed set of operations, and two that are the same but for the names of
devices that began alike are one. Each is made exactly once (canonical augmentation, B. D. McKay,
"Isomorph-free exhaustive generation", 1998). Under each way to name the devices, an operation has
a mark, which says what it does and follows; the marks of a history add up to its sum, and the
naming with the lowest sum is the one that counts. An operation is added

    - if it is then, by that naming, the head with the greatest mark, so that taking away this head
      leads back to the one history that it was made from;
    - once, of several that a renaming which leaves that history as it is makes the same.

What is left out besides is said in `deeds` and `uses`; test_membership_histories.py shows that
nothing is missing for any of these.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from harness.acts import KEY, VAULT, Act, acts_of, genesis_by, id_of
from harness.deeds import Deeds, Seen, can_matter
from harness.members import NOW_MS
from harness.uses import Use, allowed_ranks, are_ranked
from p2pvault.crypto.hashing import digest
from p2pvault.protocol.membership.history import History, Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.log import MembershipLog
from p2pvault.protocol.membership.operation import Operation
from p2pvault.types import OperationHash

Ranks = tuple[int | None, ...]
"""The ranks that the next operation can have; None is that of a device."""

_Place = tuple[Ranks, tuple[OperationHash, ...]]

_PLACES_MAX = 20_000
"""For how many sets of heads it is kept what can follow them: some 80 MB."""

_PRIME = 2**61 - 1
"""Marks are smaller."""


@dataclass(frozen=True, slots=True)
class Step:
    """An operation of a history.

    Attributes:
        operation: As the ledger records it.
        marks: What it does and follows, as a number under each way to name the devices.
    """

    act: Act
    operation: Operation
    marks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A causally closed part of a history, its heads, and the hashes of these in order."""

    past: Mask
    heads: Mask
    prev: tuple[OperationHash, ...]

    @classmethod
    def of(cls, history: History, past: Mask) -> "Part":
        """Return the part that a mask stands for."""
        heads = sum(1 << number for number in history.latest(past))
        return cls(past, heads, tuple(sorted(history[one].hash for one in positions(heads))))


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """One history.

    Attributes:
        ledger: Its operations, recorded in the order in which it was made.
        steps: What was added to the beginning, in this order.
        first: The number of the first step in the ledger.
        sums: The sum of the marks, under each way to name the devices.
        uses: The operations of the recovery key among them.
        before: What it was before the last operation.
    """

    ledger: Ledger
    steps: tuple[Step, ...]
    first: int
    sums: tuple[int, ...]
    uses: tuple[Use, ...] = ()
    before: "Small | None" = None

    @property
    def log(self) -> MembershipLog:
        """The log of it."""
        return MembershipLog(self.ledger)

    def marks(self, mask: Mask) -> list[tuple[int, ...]]:
        """Return the marks of some operations; those of the beginning have none."""
        steps = positions(mask >> self.first)
        return [self.steps[index].marks for index in steps]

    def parts(self) -> Iterator[Part]:
        """Yield every causally closed part with all of the beginning."""
        history = self.ledger.history
        numbers = range(self.first, len(history))
        start = (1 << self.first) - 1
        for count in range(len(numbers) + 1):
            for chosen in combinations(numbers, count):
                past = start | sum(1 << number for number in chosen)
                if all(not history.past(number) & ~past for number in chosen):
                    yield Part.of(history, past)

    @property
    def pasts(self) -> tuple[Mask, ...]:
        """What each operation knows, the beginning included."""
        history = self.ledger.history
        return tuple(map(history.past, range(len(history))))

    def delivered(self, order: Iterable[int]) -> Ledger:
        """Return the ledger after another order of delivery, recorded anew."""
        ledger = Ledger()
        for number in order:
            ledger.record(self.ledger.history[number])
        return ledger

    def with_step(self, step: Step) -> "Small":
        """Return the history with one more operation."""
        ledger = self.ledger.copy()
        # What a past means does not change by what comes later: the copy need not find out again.
        ledger.latest = self.ledger.latest
        ledger.record(step.operation)
        sums = tuple(map(int.__add__, self.sums, step.marks))
        steps = (*self.steps, step)
        return Small(ledger, steps, self.first, sums, self.uses + _uses(ledger, step), self)


class Histories:
    """All histories of some devices that begin in the same way and have as many operations then.

    Args:
        devices: How many there are, `a` and so on.
        operations: How many, the beginning not counted.
        alike: The names of those that are the same in the beginning.
        beginning: What was done before, each by somebody who knew all that came before it.
        deeds: Which acts they may contain.
        with_every_rank: Whether uses of the key have ranks that decide as lower ones do, too.

    Attributes:
        start: The beginning.
        made: How many histories there were, those that differ in names counted each.
        looked_at: How many were yielded.
    """

    def __init__(
        self,
        devices: int,
        operations: int,
        alike: str = "",
        beginning: Sequence[Act] = (),
        *,
        deeds: Deeds = can_matter,
        with_every_rank: bool = False,
    ) -> None:
        self.made = self.looked_at = 0
        self._names = "abcdefgh"[:devices]
        self._operations = operations
        self._deeds = deeds
        self._with_every_rank = with_every_rank
        namings = [dict(zip(alike, order, strict=True)) for order in permutations(alike)]
        self._codes = {
            act: tuple(_number(act.renamed(names).text) for names in namings)
            for act in acts_of(self._names, operations)
        }
        self._known: dict[_Place, tuple[Step, ...]] = {}
        ledger = Ledger()
        ledger.record(genesis_by("a"))
        for act in beginning:
            everything = Part.of(ledger.history, ledger.history.everything)
            ledger.record(_operation(ledger, act, everything))
        self.start = Small(ledger, (), len(ledger.history), (0,) * len(namings))

    def __iter__(self) -> Iterator[Small]:
        """Yield every history."""
        return self._last(self.start, self._operations)

    def part(self, part: int, parts: int) -> Iterator[Small]:
        """Yield a part of them, from 0: what every so many-th shorter one grows into."""
        for index, small in enumerate(self._grown(self.start, self._operations - 2)):
            if index % parts == part:
                yield from self._last(small, 2)

    def _grown(self, small: Small, more: int) -> Iterator[Small]:
        """Yield what a history grows into with some more operations; two are to follow."""
        if not more:
            yield small
            return
        for step, _ in self._next(small, more + 1):
            yield from self._grown(small.with_step(step), more - 1)

    def _last(self, small: Small, more: int) -> Iterator[Small]:
        for step, names in self._next(small, more - 1):
            if more > 1:
                yield from self._last(small.with_step(step), more - 1)
                continue
            self.made += names
            self.looked_at += 1
            yield small.with_step(step)

    def _next(self, small: Small, left: int) -> Iterator[tuple[Step, int]]:
        """Yield what can come next, and how many histories that makes under all the names."""
        same = [index for index, total in enumerate(small.sums) if total == small.sums[0]]
        for known in small.parts():
            others = small.marks(small.ledger.history.heads & ~known.past)
            for step in self.after(small, known, left):
                names = _names(small.sums, same, others, step.marks)
                if names and step.operation.hash not in small.ledger.history:
                    yield step, names

    def after(self, small: Small, known: Part, left: int) -> tuple[Step, ...]:
        """Return all that can be done by somebody who knows a part of a history.

        Args:
            small: The history.
            known: The part.
            left: How many operations are to follow.
        """
        history = small.ledger.history
        ranks = self._ranks(small.uses, known.past, left)
        if known.past == history.everything:
            return tuple(self._steps(small, known, ranks))
        place = ranks, known.prev
        if place not in self._known:
            if len(self._known) >= _PLACES_MAX:
                self._known.clear()
            self._known[place] = tuple(self._steps(small, known, ranks))
        return self._known[place]

    def _ranks(self, uses: tuple[Use, ...], past: Mask, left: int) -> Ranks:
        if self._with_every_rank:
            return (None, *range(self._operations))
        here = allowed_ranks(uses, past, self._operations, left)
        return (None, *here) if are_ranked(uses, left) else here

    def _steps(self, small: Small, known: Part, ranks: Ranks) -> Iterator[Step]:
        seen = Seen(small.ledger, known.past, self._names)
        followed = small.marks(known.heads)
        bases = [_number(str(sorted(marks))) for marks in zip(*followed, strict=True)]
        bases = bases or [0] * len(small.sums)
        for act, codes in self._codes.items():
            if (act.rank if act.author == KEY else None) in ranks and self._deeds(seen, act):
                marks = tuple(map(_mark, codes, bases))
                yield Step(act, _operation(small.ledger, act, known), marks)


def _uses(ledger: Ledger, step: Step) -> tuple[Use, ...]:
    number = len(ledger.history) - 1
    is_use = step.act.author == KEY
    return (Use(step.act.rank, ledger.history.past(number), number),) if is_use else ()


def _names(
    sums: Sequence[int],
    same: Sequence[int],
    others: Sequence[tuple[int, ...]],
    marks: tuple[int, ...],
) -> int:
    """Return how many histories an addition makes under all the names; none if another makes it.

    Args:
        sums: Of the history that it is added to.
        same: The namings that leave that history as it is.
        others: The marks of the heads that it does not follow.
        marks: Its own.
    """
    if len(same) > 1 and marks[0] != min(marks[index] for index in same):
        return 0
    totals = list(map(int.__add__, sums, marks))
    lowest = min(totals)
    for index, total in enumerate(totals):
        if total == lowest and all(marks[index] > other[index] for other in others):
            return len(totals) // totals.count(lowest)
    return 0


def _number(text: str) -> int:
    """Return a number of 56 bits that stands for a text."""
    return int.from_bytes(digest(b"p2pv-test", text.encode(), size=7), "big")


def _mark(code: int, base: int) -> int:
    """Mix two numbers so that a sum of results tells which came together.

    Powers do that, and no two numbers have the same: 17 and P - 1 have no common divisor.
    """
    return pow(code + base, 17, _PRIME)


def _operation(ledger: Ledger, act: Act, known: Part) -> Operation:
    author = id_of(act.author)
    n = 1 + (ledger.written.get(author, 0) & known.past).bit_count()
    name = digest(b"p2pv-test", *known.prev, act.text.encode())
    hash_ = OperationHash(bytes([act.rank]) + name[1:])
    return Operation(hash_, VAULT, known.prev, author, n, NOW_MS, act.content, b"")
