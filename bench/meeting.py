"""W1: a device that holds nothing yet meets one that holds everything."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import process
from daemons import HIDDEN_HOST, HOST, Daemon, paired
from proxy import Proxy
from summary import Figures
from vaults import check_sample, fill, wait_complete, wait_equal

PATIENCE_S: Final = 600.0
"""At 100 000 records on a busy machine."""

SETTLE_S: Final = 0.5
"""After the end, for the last acknowledgements; the next heartbeat is 20 s away."""


Around = Callable[[Daemon], AbstractContextManager[None]]
"""What happens to a device meanwhile."""


@dataclass(frozen=True, slots=True)
class Met:
    """Two devices that hold the same records, and what it took.

    Attributes:
        a: The device that wrote them.
        b: The other one.
        figures: Seconds, bytes.
    """

    a: Daemon
    b: Daemon
    figures: Figures


def _in_peace(_: Daemon) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def meeting(
    root: Path, count: int, profiles: Path | None = None, around: Around = _in_peace
) -> Iterator[Met]:
    """Pair two empty devices, part them, fill A, start B, and measure until B has all.

    The clock runs from the answer of B's control socket to the whole list and the last record,
    inside the context that `around` makes of A.
    """
    with paired(root, profiles) as (a, b):
        b.stop()
        fill_s = fill(a, count)
        before = process.cpu_s(a.pid)
        with around(a):
            answered = b.start()
            complete = wait_complete(b, count, PATIENCE_S)
            equal = wait_equal(b, PATIENCE_S)
        used = {"a_cpu_s": process.cpu_s(a.pid) - before, "b_cpu_s": process.cpu_s(b.pid)}
        check_sample(b, count)
        figures = {
            "s": complete - answered,
            "from_start_s": complete - b.began,
            "to_proof_s": equal - answered,
            "records_per_s": count / (complete - answered),
            "local_write_s": fill_s,
            **used,
            "a_peak_rss_mb": process.memory(a.pid).peak / 1e6,
            "b_peak_rss_mb": process.memory(b.pid).peak / 1e6,
        }
        yield Met(a, b, figures)


@contextmanager
def behind_proxy(a: Daemon) -> Iterator[Proxy]:
    """Put a counting proxy where A listened, and A behind it."""
    port = a.port()
    a.stop()
    a.start(HIDDEN_HOST, port)
    with Proxy((HOST, port), (HIDDEN_HOST, port)) as proxy:
        yield proxy


def bytes_of_meeting(root: Path, count: int) -> Figures:
    """Do it once more through a proxy, off the clock, and count the bytes of the link."""
    with paired(root) as (a, b):
        b.stop()
        fill(a, count)
        with behind_proxy(a) as proxy:
            b.start()
            wait_complete(b, count, PATIENCE_S)
            wait_equal(b, PATIENCE_S)
            time.sleep(SETTLE_S)
            return {"bytes": proxy.bytes, "bytes_per_record": proxy.bytes / count}
