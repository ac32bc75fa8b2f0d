"""The two clocks that the core is told of with every input."""

from collections.abc import Callable
from dataclasses import dataclass
from time import time

import trio

from p2pvault.types import Instant


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads trio's clock, which tests replace, and a wall clock."""

    wall_s: Callable[[], float] = time

    def now(self) -> Instant:
        """Return one reading of both."""
        return Instant(trio.current_time(), int(self.wall_s() * 1000))
