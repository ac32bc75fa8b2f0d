"""Look for inputs that break a reader of strangers' bytes; `scripts/fuzz` runs this.

With Atheris (in the dependency group `fuzz`) the search is guided by coverage; without it, seeds
are mutated at random. Both run the same functions and hold every input to the same budget.
"""

import argparse
import importlib
import importlib.util
import sys
import traceback
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from fuzz.mutation import explore
from fuzz.target import Target, within_budget

WORK = Path("build/fuzz")
"""Where inputs are kept between runs, and findings."""

NAMES = [
    *("framing", "wire", "prefilter", "membership", "pairing", "code", "control", "slots"),
    *("snapshots", "member"),
]

SLOWDOWN = 8.0
"""Instrumented code counts every branch: two to six times slower as measured, and a margin."""

SEARCH_BYTES_MAX = 2_048
"""MiB of memory that the guided search itself may take, its corpus included."""


class _Table(Protocol):
    TARGETS: dict[str, Target]


def main() -> int:
    """Run one target; the exit code is 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES, metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=60, metavar="N", help="how long (60)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another search (0)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input instead")
    asked = parser.parse_args()
    if asked.replay is not None:
        within_budget(_target(asked.target), asked.replay.read_bytes())
        return 0
    if importlib.util.find_spec("atheris") is None:
        return _mutate(_target(asked.target), asked.seconds, asked.seed)
    return _search(importlib.import_module("atheris"), asked)


def _target(name: str) -> Target:
    table = cast("_Table", importlib.import_module("fuzz.table"))
    return table.TARGETS[name]


def _mutate(target: Target, seconds: float, seed: int) -> int:
    print("engine: mutation of seeds; .venv/bin/pip install --group fuzz brings Atheris")
    result = explore(target, seconds, seed)
    print(f"{target.name}: {result.executions} inputs, seed {seed}")
    if result.finding is None:
        return 0
    traceback.print_exception(result.finding.error)
    print(f"finding: {_keep(target.name, 'findings', result.finding.data)}")
    return 1


def _search(atheris: ModuleType, asked: argparse.Namespace) -> int:
    # Only what is imported inside is instrumented, so the targets are imported here and not above.
    with atheris.instrument_imports(include=["p2pvault", "p2pvaultd"]):
        target = _target(asked.target)
    print("engine: Atheris, guided by coverage", flush=True)
    for data in target.seeds():
        _keep(target.name, "corpus", data)
    findings = WORK / target.name / "findings"
    findings.mkdir(exist_ok=True)
    options = {
        "max_total_time": round(asked.seconds),
        "max_len": target.bytes_max,
        "seed": asked.seed + 1,  # its 0 means a random one
        "rss_limit_mb": SEARCH_BYTES_MAX,
        "artifact_prefix": f"{findings}/",
        "print_final_stats": 1,
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items())]
    atheris.Setup(
        [*arguments, str(WORK / target.name / "corpus")],
        partial(within_budget, target, slowdown=SLOWDOWN),
    )
    atheris.Fuzz()  # ends the process, with 0 or with a finding
    return 0


def _keep(name: str, kind: str, data: bytes) -> Path:
    path = WORK / name / kind / sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    sys.exit(main())
