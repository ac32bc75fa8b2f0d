"""Collects the rows of a benchmark while it runs: what is measured, how often, and what failed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from daemons import Stuck
from machine import load
from report import Row
from summary import Figures, summarise

from p2pvault.errors import VaultError


class GaveUp(Exception):
    """A workload failed, which its row says; what builds on it cannot be measured."""


@dataclass(slots=True)
class Rows:
    """The rows of one system so far."""

    system: str
    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def measuring(self, workload: str, records: int | None) -> Iterator[list[Figures]]:
        """Measure one workload: each run's figures are appended to the list that this yields."""
        size = "" if records is None else f", {records} records"
        print(f"{self.system}: {workload}{size} (load {load()})", file=sys.stderr, flush=True)
        runs: list[Figures] = []
        try:
            yield runs
        except (Stuck, VaultError) as error:
            problem = f"{type(error).__name__}: {error}"
            self.rows.append(Row(workload, self.system, records, summarise(runs), problem))
            raise GaveUp from error
        self.rows.append(Row(workload, self.system, records, summarise(runs)))

    def least(self, workload: str, measure: str) -> dict[int, float]:
        """Return a measure's best run by number of records: what disturbs a run only adds to it."""
        return {
            row.records: row.measures[measure].least
            for row in self.rows
            if row.workload == workload and row.records is not None and measure in row.measures
        }
