"""automerge-repo's side, up to the first size that is too much for it."""

import time
from contextlib import ExitStack, suppress
from pathlib import Path

import repository
import repository_workloads as workloads
from plan import Plan
from report import REPOSITORY, Row
from rows import GaveUp, Rows


def measure(plan: Plan, root: Path) -> Rows:
    """Measure everything, or say why nothing is."""
    rows = Rows(REPOSITORY)
    if plan.repository_sizes and (why := repository.why_not()):
        rows.rows.append(Row("W1", REPOSITORY, None, problem=why))
        return rows
    with suppress(GaveUp):
        for size in plan.repository_sizes:
            _measure_size(rows, plan, root, size)
    return rows


def _measure_size(rows: Rows, plan: Plan, root: Path, size: int) -> None:
    with ExitStack() as whole, ExitStack() as met:
        with rows.measuring("W1", size) as runs:
            for run in range(plan.repository_runs):
                with workloads.filled(root / f"r{size}-{run}", size) as held, held.other() as b:
                    figures = workloads.meet(held, b)
                if run > 0:  # the first one warms up
                    runs.append(figures)
            held = whole.enter_context(workloads.filled(root / f"r{size}", size))
            b = met.enter_context(held.other())
            runs.append(workloads.meet(held, b))
        with rows.measuring("W2", size) as runs:
            time.sleep(workloads.IDLE_S)
            workloads.edit_live(held, b, plan.repository_edits // 10, rev=2)
            for run in range(plan.repository_runs):
                runs.append(workloads.edit_live(held, b, plan.repository_edits, rev=3 + run))
        met.close()
        _measure_reunions(rows, plan, held, size)


def _measure_reunions(rows: Rows, plan: Plan, held: workloads.Filled, size: int) -> None:
    with rows.measuring("W3", size) as runs:
        workloads.meet_unchanged(held)
        runs += [workloads.meet_unchanged(held) for _ in range(plan.repository_runs)]
    with rows.measuring("W4", size) as runs:
        # Its own W3 has warmed it up.
        for run in range(plan.repository_runs):
            runs.append(workloads.meet_changed(held, rev=100 + run))
