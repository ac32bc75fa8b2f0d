"""The command line of the simulator; see `scripts/sim`."""

import argparse
import sys
from contextlib import nullcontext
from hashlib import blake2b
from pathlib import Path
from random import SystemRandom
from time import monotonic

sys.path.insert(0, str(Path(__file__).parents[1]))

from sim.campaign import run_fast, run_seed  # found where the line above points
from sim.costs import Costs

SEEDS = 1 << 32
_SECONDS = 60.0


def main() -> int:
    """Play seeds; the exit code is 1 if one failed."""
    options = _parser().parse_args()
    play = run_fast if options.fast else run_seed
    tail_lines = 100_000 if options.trace else 60
    end = monotonic() + options.minutes * _SECONDS
    seed = options.seed if options.seed is not None else SystemRandom().randrange(SEEDS)
    seeds = inputs = failed = 0
    processor_s = 0.0
    costs, traces = Costs(), blake2b(digest_size=16)
    while True:
        with costs.measured() if options.costs else nullcontext():
            outcome = play(seed, tail_lines)
        _say(str(outcome))
        if options.trace and outcome.failure is None:
            _say("\n".join(outcome.tail))
        seeds, inputs, failed = seeds + 1, inputs + outcome.inputs, failed + bool(outcome.failure)
        processor_s += outcome.processor_s
        traces.update(outcome.digest.encode())
        seed = (seed + 1) % SEEDS
        if seeds >= options.seeds and monotonic() >= end:
            break
    rate = inputs / processor_s
    _say(f"{seeds} seeds, {failed} failed, {inputs} inputs, {rate:.0f} a second of processor time")
    _say(f"all traces {traces.hexdigest()}")
    if options.costs:
        _say(costs.table(processor_s))
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first seed; a random one if not given")
    parser.add_argument(
        "--fast", action="store_true", help="short seeds over cryptography that costs nothing"
    )
    parser.add_argument("--seeds", type=int, default=1, help="how many to play at least")
    parser.add_argument("--costs", action="store_true", help="print what each kind of input took")
    parser.add_argument("--trace", action="store_true", help="print all that is kept of the trace")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="go on with the seeds that follow for so long"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
