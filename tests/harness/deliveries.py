"""In which orders the operations of a small history can arrive, and the ledger that each leads to.

What an operation means when it arrives hangs on its past alone, so a ledger after another order is
the same ledger with other numbers. The exhaustive tests show that for short histories by recording
them anew in every order, and then renumber long ones, which is ten times faster.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar

from p2pvault.protocol.membership.history import History, Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.rulings import Rulings

Order = tuple[int, ...]
"""Numbers of operations, in the order of their arrival."""

K = TypeVar("K")


def orders(pasts: Sequence[Mask], first: int) -> Iterator[Order]:
    """Yield every order of delivery, the numbers below `first` in their places.

    Args:
        pasts: What each operation knows.
        first: The number of the first operation that may come at another time.
    """
    return _orders(tuple(range(first)), (1 << first) - 1, pasts)


def _orders(done: Order, known: Mask, pasts: Sequence[Mask]) -> Iterator[Order]:
    if len(done) == len(pasts):
        yield done
    for number, past in enumerate(pasts):
        if not known >> number & 1 and not past & ~known:
            yield from _orders((*done, number), known | 1 << number, pasts)


@cache
def both_ways(pasts: tuple[Mask, ...], first: int) -> tuple["Renumbering", "Renumbering"]:
    """Return two orders such that of any two operations beside each other each comes first once.

    There are such for up to five operations, whatever they know of each other (T. Hiraguchi, "On
    the dimension of partially ordered sets", 1951: n elements, from four on, have a dimension of
    n // 2 at most, and fewer have 2). The order as it is is one of them if it can be.
    """
    every = list(orders(pasts, first))
    for one in every:
        before = _turned(one, pasts)
        for other in every:
            if before <= _before(other):
                return renumbering(one), renumbering(other)
    raise AssertionError("more than five operations")


@cache
def renumbering(order: Order) -> "Renumbering":
    """Return the way to the ledger that an order of delivery leads to."""
    return Renumbering(order)


def _turned(order: Order, pasts: Sequence[Mask]) -> set[tuple[int, int]]:
    """Return the pairs that another order has to have the other way round."""
    return {(late, early) for early, late in _before(order) if not pasts[late] >> early & 1}


def _before(order: Order) -> set[tuple[int, int]]:
    return {(order[i], order[j]) for j in range(len(order)) for i in range(j)}


class Renumbering:
    """The way from a ledger to the one that another order of delivery leads to.

    Attributes:
        order: The order.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self._is_as_it_was = order == tuple(range(len(order)))
        places = [order.index(number) for number in range(len(order))]
        self._masks = [
            sum(1 << places[number] for number in positions(mask))
            for mask in range(1 << len(order))
        ]

    def of(self, ledger: Ledger) -> Ledger:
        """Return a ledger with its operations as they are numbered after that order."""
        if self._is_as_it_was:
            return ledger.copy()
        masks, rulings = self._masks, ledger.rulings
        return Ledger(
            self._history(ledger.history),
            Rulings(
                self._turned(rulings.settings),
                self._turned(rulings.removals),
                masks[rulings.recovered],
                self._turned(rulings.numbered),
                rulings.forks.copy(),
                rulings.first_key,
                masks[rulings.all],
            ),
            ledger.signers.copy(),
            self._turned(ledger.introduced),
            ledger.recovery_keys.copy(),
            self._turned(ledger.written),
            ledger.written_bytes.copy(),
            self._turned(ledger.epochs),
            masks[ledger.statements],
        )

    def _history(self, history: History) -> History:
        numbers = self.order
        operations = [history[number] for number in numbers]
        return History(
            operations,
            [self._masks[history.past(number)] for number in numbers],
            [history.depth(number) for number in numbers],
            {operation.hash: number for number, operation in enumerate(operations)},
            self._masks[history.heads],
        )

    def _turned(self, sets: Mapping[K, Mask]) -> dict[K, Mask]:
        return {key: self._masks[mask] for key, mask in sets.items()}
