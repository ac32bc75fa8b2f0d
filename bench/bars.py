"""What was promised: the bars that results are held against. A missed bar is reported, not hidden.

They were set before the first line of code, for two cores and loopback with encryption on.
"""

from typing import Final

BARS: Final[dict[tuple[str, int | None, str], float]] = {
    ("W1", 10_000, "s"): 2.5,
    ("W1", 100_000, "s"): 30.0,
    ("W2", None, "latency_p50_ms"): 4.0,
    ("W2", None, "latency_p99_ms"): 12.0,
    ("W3", None, "after_connect_ms"): 20.0,
    ("W3", None, "bytes"): 2_000.0,
    ("W4", None, "after_connect_ms"): 60.0,
    ("W4", None, "bytes"): 40_000.0,
    ("flood", 10_000, "slower_from_one_percent"): 10.0,
    ("W9", None, "w1_s_exponent"): 1.1,
    ("W9", None, "w3_after_connect_exponent"): 0.1,
    ("W9", None, "w3_bytes_exponent"): 0.1,
    ("disk", None, "disk_over_content"): 1.8,
    ("disk", None, "edit_most_ms"): 20.0,
    ("idle", 10_000, "a_rss_mb"): 100.0,
    ("idle", 10_000, "b_rss_mb"): 100.0,
    ("idle", 10_000, "a_cpu_percent"): 0.2,
    ("idle", 10_000, "b_cpu_percent"): 0.2,
    ("command", 10_000, "get_ms"): 150.0,
    ("command", 10_000, "help_ms"): 50.0,
}
"""The most that a median may be, by workload, number of records (None for any) and measure.

Growth of W3 is to be none; 0.1 is what noise in milliseconds looks like.
"""


def bar(workload: str, records: int | None, measure: str) -> float | None:
    """Return the bar of a measure, or None where none was set."""
    exact = BARS.get((workload, records, measure))
    return BARS.get((workload, None, measure)) if exact is None else exact
