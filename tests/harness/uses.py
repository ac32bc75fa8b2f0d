"""Uses of the recovery key in small histories: which of them hash lower than which.

Where the key was used in two places that did not know of each other, the lower hash decides, so a
history is looked at under every outcome. A hash begins with a rank for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from p2pvault.protocol.membership.history import Mask


@dataclass(frozen=True, slots=True)
class Use:
    """An operation of the recovery key: its rank, what it knows, and its number."""

    rank: int
    past: Mask
    number: int


def allowed_ranks(uses: Sequence[Use], past: Mask, ranks: int, left: int) -> tuple[int, ...]:
    """Return the ranks that a use of the key can have after a part of a history."""
    return tuple(rank for rank in range(ranks) if are_ranked((*uses, Use(rank, past, -1)), left))


def are_ranked(uses: Sequence[Use], left: int) -> bool:
    """Whether uses of the key have the lowest ranks that decide between them as theirs do.

    Hashes decide between uses beside each other, and nowhere else. So two of these differ, and one
    that is not of the lowest rank has another beside it that is one rank lower, or will have it.

    Args:
        uses: All of them.
        left: How many operations are still to come.
    """
    ranks = {use.rank for use in uses}
    if len(ranks) + left <= max(ranks, default=-1):
        return False
    for index, use in enumerate(uses):
        beside = {other.rank for other in uses[:index] if not use.past >> other.number & 1}
        beside |= {other.rank for other in uses[index + 1 :] if not other.past >> use.number & 1}
        if use.rank in beside or (use.rank and use.rank - 1 not in beside and not left):
            return False
    return True


def in_force(uses: Sequence[Use]) -> list[Use]:
    """Return the uses that are in force, each of which knows those before it."""
    line: list[Use] = []
    left = list(uses)
    while left:
        knowing = {use.number for use in left}
        first = [use for use in left if not any(use.past >> one & 1 for one in knowing)]
        line.append(min(first, key=lambda use: use.rank))
        left = [use for use in left if use.past >> line[-1].number & 1]
    return line
