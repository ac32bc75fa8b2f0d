"""One seed from beginning to end."""

from contextlib import nullcontext
from dataclasses import dataclass
from time import process_time
from traceback import format_exception

from sim import fakes
from sim.fate import Fate
from sim.oracles import Violation
from sim.plan import Plan, draw_plan, draw_short_plan
from sim.simulation import Simulation, setting
from sim.standins import StandIns
from sim.trace import Trace


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed.

    Attributes:
        plan: What was drawn.
        digest: Of everything that happened.
        inputs: How many inputs devices took.
        virtual_s: How much time passed for them.
        processor_s: How much it took.
        failure: What went wrong, with its traceback; None if nothing did.
        violation: The promise that an oracle saw broken; None where something else went wrong.
        tail: The last lines of the trace.
    """

    plan: Plan
    digest: str
    inputs: int
    virtual_s: float
    processor_s: float
    failure: str | None
    violation: str | None
    tail: list[str]

    def __str__(self) -> str:
        """Return what a person needs to know of it."""
        rate = self.inputs / max(self.processor_s, 1e-9)
        lines = [
            f"seed {self.plan.seed}: {self.plan}",
            f"  {self.inputs} inputs in {self.processor_s:.2f} s of processor time,"
            f" {rate:.0f} a second, {self.virtual_s:.0f} s virtual, trace {self.digest}",
        ]
        if self.failure is not None:
            lines += ["  FAILED", *(f"  {line}" for line in self.tail), self.failure]
        return "\n".join(lines)


def run_seed(seed: int, tail_lines: int = 60) -> Outcome:
    """Play one seed; whatever goes wrong in it is in the outcome."""
    return run_plan(draw_plan(seed), tail_lines)


def run_fast(seed: int, tail_lines: int = 60) -> Outcome:
    """Play one short seed of the fast ring."""
    return run_plan(draw_short_plan(seed), tail_lines, fast=True)


def run_plan(plan: Plan, tail_lines: int = 60, *, fast: bool = False) -> Outcome:
    """Play a plan that was drawn, or made by hand; `fast`: over the fakes of `sim.fakes`."""
    trace, began = Trace(whole=not fast), process_time()
    sim: Simulation | None = None
    failure = violation = None
    try:
        with StandIns(plan.seed).installed(), fakes.installed() if fast else nullcontext():
            sim = setting(plan, trace)
            Fate(sim).play()
    except Violation as error:
        failure, violation = "".join(format_exception(error)), str(error)
    except Exception as error:  # noqa: BLE001  # a fault of any sort is what is looked for
        failure = "".join(format_exception(error))
    return Outcome(
        plan=plan,
        digest=trace.digest,
        inputs=sim.inputs if sim is not None else 0,
        virtual_s=sim.now.monotonic if sim is not None else 0.0,
        processor_s=process_time() - began,
        failure=failure,
        violation=violation,
        tail=trace.tail(tail_lines),
    )
