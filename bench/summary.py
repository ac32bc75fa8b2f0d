"""From the figures of several runs to what is reported: medians, ranges, percentiles, growth."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, float]
"""What one run measured, by name; the unit stands last in the name."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One measure over all runs."""

    median: float
    least: float
    most: float
    runs: int


def summarise(runs: Sequence[Figures]) -> dict[str, Summary]:
    """Summarise every measure; one that only some runs have is summarised over those."""
    names = dict.fromkeys(name for run in runs for name in run)
    found = {name: [run[name] for run in runs if name in run] for name in names}
    return {
        name: Summary(statistics.median(values), min(values), max(values), len(values))
        for name, values in found.items()
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many per cent of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def spread(name: str, ends: Sequence[float], begins: Sequence[float]) -> Figures:
    """Return the percentiles of many durations, given in seconds."""
    times = [end - begin for end, begin in zip(ends, begins, strict=True)]
    return {
        f"{name}_p50_ms": percentile(times, 50) * 1e3,
        f"{name}_p99_ms": percentile(times, 99) * 1e3,
        f"{name}_max_ms": max(times) * 1e3,
    }


def growth_exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return e of the best fit `value = c * size ** e`: least squares of the logarithms."""
    return statistics.linear_regression(
        [math.log(size) for size in sizes], [math.log(value) for value in values]
    ).slope
