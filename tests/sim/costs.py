"""Where the processor time of a run goes: into the core, by the kind of input, or into the world.

`scripts/sim --costs` prints it. Looking at the clock twice for each input costs about a microsecond
itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import process_time_ns

from p2pvault.core.device import Device
from p2pvault.core.io import Effect, Input
from p2pvault.types import Instant
from sim.replacing import replaced

_SHOWN = 12
"""Kinds of inputs that are listed; the others make up less than a hundredth of the time each."""


@dataclass(slots=True)
class Cost:
    """What one kind of input took.

    Attributes:
        inputs: How many there were.
        spent_ns: Processor time of `Device.handle` for all of them.
    """

    inputs: int = 0
    spent_ns: int = 0


@dataclass(slots=True)
class Costs:
    """What the devices of many runs took."""

    kinds: dict[str, Cost] = field(default_factory=dict)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count what devices do within the block."""
        handle = Device.handle

        def timed(device: Device, now: Instant, given: Input) -> list[Effect]:
            began = process_time_ns()
            effects = handle(device, now, given)
            cost = self.kinds.setdefault(type(given).__name__, Cost())
            cost.inputs += 1
            cost.spent_ns += process_time_ns() - began
            return effects

        with replaced(Device, "handle", timed):
            yield

    def table(self, processor_s: float) -> str:
        """Return what a person needs to know of it.

        Args:
            processor_s: What everything took, the world included.
        """
        inputs = max(1, sum(cost.inputs for cost in self.kinds.values()))
        core_ns = sum(cost.spent_ns for cost in self.kinds.values())
        world_ns = processor_s * 1e9 - core_ns
        lines = [_line("the world", inputs, inputs, world_ns, processor_s)]
        lines.append(_line("Device.handle", inputs, inputs, core_ns, processor_s))
        kinds = sorted(self.kinds.items(), key=lambda item: -item[1].spent_ns)
        for kind, cost in kinds[:_SHOWN]:
            lines.append(_line(f"  {kind}", cost.inputs, inputs, cost.spent_ns, processor_s))
        return "\n".join(lines)


def _line(name: str, inputs: int, of: int, spent_ns: float, processor_s: float) -> str:
    each_us, share = spent_ns / 1e3 / inputs, spent_ns / 1e9 / max(processor_s, 1e-9)
    return f"{name:<20} {inputs / of:6.1%} of inputs {each_us:8.1f} us each {share:6.1%} of time"
