"""The clocks that the core is told of with every input."""

from collections.abc import Callable
from dataclasses import dataclass
from time import time

import trio

from p2pvault.net.interfaces import asleep_s
from p2pvault.types import Instant


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads trio's clock, which tests replace, a wall clock, and how long the machine slept."""

    wall_s: Callable[[], float] = time
    asleep_s: Callable[[], float] = asleep_s

    def now(self) -> Instant:
        """Return one reading of all."""
        return Instant(trio.current_time(), int(self.wall_s() * 1000), self.asleep_s())
