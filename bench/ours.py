"""P2PVault's side. The pair of devices of the last W1 goes on through all other workloads."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import footprint
from editing import edit_live
from flood import meet_flooded
from keeping import keep_small
from meeting import Met, behind_proxy, bytes_of_meeting, meeting
from plan import MAIN_SIZE, Plan
from report import P2PVAULT
from reunion import meet_changed, meet_unchanged
from rows import GaveUp, Rows
from summary import growth_exponent

_COMMAND_RUNS: Final = 15
_EDITS_WARM_UP: Final = 20
_GROWTH: Final = (("W1", "s"), ("W3", "after_connect_ms"), ("W3", "bytes"))


def measure(plan: Plan, root: Path) -> Rows:
    """Measure everything; a size that fails does not keep the others from being measured."""
    rows = Rows(P2PVAULT)
    for size in plan.sizes:
        with suppress(GaveUp):
            _measure_size(rows, plan, root, size)
    with suppress(GaveUp):
        _measure_growth(rows)
    if plan.kept is not None:
        with suppress(GaveUp):
            _measure_kept(rows, root, *plan.kept)
    return rows


def _measure_size(rows: Rows, plan: Plan, root: Path, size: int) -> None:
    with ExitStack() as stack:
        with rows.measuring("W1", size) as runs:
            # The one that warms up is the one whose bytes are counted.
            counted = bytes_of_meeting(root / f"{size}-counted", size)
            for run in range(1, plan.runs):
                with meeting(root / f"{size}-{run}", size) as met:
                    runs.append(met.figures)
            met = stack.enter_context(meeting(root / f"{size}-{plan.runs}", size))
            runs.append({**met.figures, **counted})
        if size == MAIN_SIZE:
            _measure_idle(rows, met, size)
            _measure_edits(rows, plan, met, size)
            _measure_flood(rows, plan, root, size)
        _measure_reunions(rows, plan, met, size)


def _measure_idle(rows: Rows, met: Met, size: int) -> None:
    with rows.measuring("command", size) as runs:
        footprint.commands(met.a)
        runs += [footprint.commands(met.a) for _ in range(_COMMAND_RUNS)]
    with rows.measuring("idle", size) as runs:
        runs.append(footprint.idle({"a": met.a, "b": met.b}))


def _measure_edits(rows: Rows, plan: Plan, met: Met, size: int) -> None:
    with rows.measuring("W2", size) as runs:
        # The devices have been idle for longer than the 5 s that are asked for.
        edit_live(met.a, met.b, size, _EDITS_WARM_UP, rev=2)
        for run in range(plan.runs):
            runs.append(edit_live(met.a, met.b, size, plan.edits, rev=3 + run))


def _measure_flood(rows: Rows, plan: Plan, root: Path, size: int) -> None:
    with rows.measuring("flood", size) as runs:
        for run in range(plan.runs):
            runs.append(meet_flooded(root / f"flood-{run}", size))


def _measure_reunions(rows: Rows, plan: Plan, met: Met, size: int) -> None:
    with ExitStack() as stack:
        with rows.measuring("W3", size) as runs:
            proxy = stack.enter_context(behind_proxy(met.a))
            meet_unchanged(met.b, proxy)
            runs += [meet_unchanged(met.b, proxy) for _ in range(plan.runs)]
        if size < MAIN_SIZE:
            return
        with rows.measuring("W4", size) as runs:
            # Revisions of their own: an edit that changes nothing is none.
            first = 100
            meet_changed(met.a, met.b, proxy, size, first)
            for run in range(plan.runs):
                runs.append(meet_changed(met.a, met.b, proxy, size, first + 1 + run))


def _measure_kept(rows: Rows, root: Path, size: int, edits: int) -> None:
    with rows.measuring("disk", size) as runs:
        runs.append(keep_small(root / f"{size}-kept", size, edits))


def _measure_growth(rows: Rows) -> None:
    with rows.measuring("W9", None) as runs:
        exponents = {}
        for workload, measure in _GROWTH:
            found = rows.least(workload, measure)
            if len(found) > 1:
                name = f"{workload.lower()}_{measure.removesuffix('_ms')}_exponent"
                exponents[name] = growth_exponent(list(found), list(found.values()))
        runs.append(exponents)
