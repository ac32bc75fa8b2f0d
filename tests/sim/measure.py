"""How soon the simulator finds each known bug: `python -m tests.sim.measure [PART] [--seeds N]`.

For each bug whose name has PART in it: how many of the first seeds find it, the longest stretch
that lets it through, and the first finds with the processor time of each, in seconds. The numbers
in `sim.mutations` and in docs/reliability.md come from here, and are measured anew when what is
played has changed.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sim.campaign import run_plan  # found where the line above points
from sim.mutations.mutation import Mutation
from sim.mutations.table import MUTATIONS

_SEEDS = 60
_SHOWN = 8


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="part of the names of bugs")
    parser.add_argument("--seeds", type=int, default=_SEEDS, help="how many, from 0 on")
    options = parser.parse_args()
    for mutation in MUTATIONS:
        if options.part in mutation.name:
            sys.stdout.write(f"{measured(mutation, options.seeds)}\n")
            sys.stdout.flush()


def measured(mutation: Mutation, seeds: int) -> str:
    """Return a line on one bug."""
    finds: list[str] = []
    stretch = longest = 0
    processor_s = 0.0
    for seed in range(seeds):
        with mutation.installed():
            outcome = run_plan(mutation.plan_of(seed), fast=True)
        processor_s += outcome.processor_s
        stretch += 1
        if mutation.is_seen_in(outcome.violation):
            finds.append(f"{seed} ({outcome.processor_s:.2f})")
            stretch = 0
        longest = max(longest, stretch)
    found = f"{len(finds)} of {seeds} find it, {longest} in a row do not"
    return f"{mutation.name}: {found}; {processor_s:.0f} s; {' '.join(finds[:_SHOWN])}"


if __name__ == "__main__":
    main()
