"""The benchmark of P2PVault, and of automerge-repo beside it. `scripts/bench` runs it.

Figures are never judged by an exit code: 1 means that a workload could not be measured.
"""

import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

import machine
import ours
import repository
import theirs
from plan import Plan, read_plan
from profiling import profile
from report import P2PVAULT, REPOSITORY, save, table


def main() -> int:
    """Measure what the command line asks for."""
    plan = read_plan(sys.argv[1:])
    # Ends the daemons too: every one is held by a context.
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="p2pvault-bench-", dir=plan.directory) as directory:
        if plan.profile:
            profile(plan, Path(directory))
            return 0
        return _measure(plan, Path(directory))


def _measure(plan: Plan, root: Path) -> int:
    described = machine.describe(root)
    rows = ours.measure(plan, root).rows
    # Kept already: whatever another project's program does, this was measured.
    save(plan.result, described, rows)
    rows += theirs.measure(plan, root).rows
    described["load_1min_at_end"] = machine.load()
    if any(row.measures for row in rows if row.system == REPOSITORY):
        described |= repository.versions()
    print(table(described, rows))
    save(plan.result, described, rows)
    print(f"\nwritten to {plan.result}")
    return int(any(row.problem for row in rows if row.system == P2PVAULT))


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
