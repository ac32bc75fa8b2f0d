"""A known bug that can be put into the core for the time of a run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sim.plan import WISHES, Plan, draw_short_plan
from sim.replacing import replaced

Replacement = tuple[object, str, Any]

_CALM = {
    **dict.fromkeys(("edit_bulky", "restore", "clone", "flip", "feud", "forget", "keep"), 0),
    **dict.fromkeys(("succeed", "pair_by_key"), 0),
    **dict.fromkeys(WISHES, 0),
    "collections": 1,
    "keep_all": False,
}
"""What mutations do not need unless they say so; large values also take long."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One bug.

    Attributes:
        name: What is wrong.
        seeds: Within how many seeds it has to be found, wherever one begins to look.
        replacements: Owners, names of their attributes, and what stands there instead.
        plan: What is played besides what a seed drew, for bugs that few seeds can meet.
        draw: What draws plans: short ones, unless those hardly ever meet the bug.
        first: The seed to begin with, where looking from 0 on takes long.
        oracle: What the violation has to say, where one oracle is meant to find it.
    """

    name: str
    seeds: int
    replacements: tuple[Replacement, ...]
    plan: Mapping[str, float] = field(default_factory=dict)
    draw: Callable[[int], Plan] = draw_short_plan
    first: int = 0
    oracle: str = ""

    def plan_of(self, seed: int) -> Plan:
        """Return the plan of a seed, with what this bug needs and without what takes long."""
        return replace(self.draw(seed), **{**_CALM, **self.plan})

    @property
    def plans(self) -> Iterator[Plan]:
        """The plans of which one has to find it."""
        return (self.plan_of(self.first + each) for each in range(self.seeds))

    def is_seen_in(self, violation: str | None) -> bool:
        """Tell whether an oracle has found it; a crash of what was mutated counts for nothing."""
        return violation is not None and self.oracle in violation

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the core have the bug within the block."""
        with ExitStack() as stack:
            for owner, name, new in self.replacements:
                stack.enter_context(replaced(owner, name, new))
            yield
