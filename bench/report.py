"""Results as a table for people and as JSON for everything else."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bars import bar
from machine import Machine
from summary import Summary

P2PVAULT: Final = "P2PVault"
REPOSITORY: Final = "automerge-repo, not encrypted"

WORKLOADS: Final = {
    "W1": "an empty device meets a full one",
    "W2": "one edit, from its local return to the other device's subscriber",
    "W3": "a device returns, nothing has changed",
    "W4": "a device returns, 100 records have changed",
    "W9": "growth of W1 and W3 with the number of records (1 is linear)",
    "flood": "W1 while a stranger opens 1 000 streams a second, against W1 in peace",
    "disk": "20 edits of each record, and then time to tidy up",
    "idle": "a connected daemon that has nothing to do, after W1",
    "command": "commands as whole processes; python_ms is the interpreter that does nothing",
}

Line = tuple[str, ...]

_HEAD: Final[Line] = ("", "records", "measure", "median", "least", "most", "runs", "bar", "")
_LEFT: Final = (0, 2, 8)


@dataclass(frozen=True, slots=True)
class Row:
    """One workload at one size.

    Attributes:
        workload: A key of `WORKLOADS`.
        system: Whose.
        records: How many; None where several sizes are meant.
        measures: The figures of all runs.
        problem: Why there are none, or not all.
    """

    workload: str
    system: str
    records: int | None
    measures: dict[str, Summary] = field(default_factory=dict)
    problem: str = ""


def table(machine: Machine, rows: Sequence[Row]) -> str:
    """Write it for people."""
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in machine.items()]
    for workload, meaning in WORKLOADS.items():
        found = [row for row in rows if row.workload == workload]
        if found:
            lines += ["", f"{workload}: {meaning}", *_aligned([_HEAD, *_lines(found)])]
            lines += [f"{row.system}, {row.records}: {row.problem}" for row in found if row.problem]
    return "\n".join(lines)


def save(file: Path, machine: Machine, rows: Iterable[Row]) -> None:
    """Write it for programs."""
    document = {"v": 1, "machine": machine, "rows": [_with_bars(row) for row in rows]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n")


def _with_bars(row: Row) -> dict[str, object]:
    written = asdict(row)
    if row.system == P2PVAULT:
        bars = {measure: bar(row.workload, row.records, measure) for measure in row.measures}
        written["bars"] = {measure: limit for measure, limit in bars.items() if limit is not None}
    return written


def _lines(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        who, count = row.system, "" if row.records is None else str(row.records)
        for measure, found in row.measures.items():
            limit = bar(row.workload, row.records, measure) if row.system == P2PVAULT else None
            lines.append((who, count, measure, *_numbers(found), *_verdict(found.median, limit)))
            who = count = ""
    return lines


def _numbers(found: Summary) -> Line:
    return (_number(found.median), _number(found.least), _number(found.most), str(found.runs))


def _verdict(median: float, limit: float | None) -> Line:
    if limit is None:
        return ("", "")
    return (_number(limit), "reached" if median <= limit else "missed")


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _aligned(lines: list[Line]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(_cells(line, widths)).rstrip() for line in lines]


def _cells(line: Line, widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if place in _LEFT else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
