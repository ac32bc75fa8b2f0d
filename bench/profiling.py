"""Where the time of W1, W2 and W4 goes. The times mean nothing: profiling slows everything.

cProfile sees the thread that runs the event loop, where all of our Python code is but the store's;
the processor time by thread tells how much that leaves out.
"""

import pstats
import time
from pathlib import Path
from typing import Final

import process
from editing import edit_live
from meeting import Met, meeting
from plan import MAIN_SIZE, Plan
from reunion import CHANGED
from vaults import change, wait_equal

_LINES: Final = 25
_PATIENCE_S: Final = 60.0


def profile(plan: Plan, root: Path) -> None:
    """Run each once with profiled daemons, and print what cost most."""
    found = root / "profiles"
    found.mkdir()
    with meeting(root / "w1", MAIN_SIZE, found) as met:
        _say_threads("W1", met)
    for name in ("a", "b"):
        _print(found / f"w1-{name}.pstats", f"W1 with {MAIN_SIZE} records, device {name}")
    with meeting(root / "w2", MAIN_SIZE, found) as met:
        _begin_again(met)
        edit_live(met.a, met.b, MAIN_SIZE, plan.edits, rev=2)
        _say_threads("W2", met)
    for name in ("a", "b"):
        _print(found / f"w2-{name}.pstats", f"W2 with {plan.edits} edits, device {name}")

    with meeting(root / "w4", MAIN_SIZE, found) as met:
        _return_to_changes(met)
        _say_threads("W4", met)
    _print(found / "w4-b.pstats", f"W4 with {CHANGED} of {MAIN_SIZE} records, device b")


def _return_to_changes(met: Met) -> None:
    met.b.stop()
    change(met.a, [number * MAIN_SIZE // CHANGED for number in range(CHANGED)], rev=2)
    met.b.start()
    wait_equal(met.b, _PATIENCE_S)


def _begin_again(met: Met) -> None:
    """Start both anew, so that their profiles hold the edits and not the meeting."""
    port = met.a.port()
    met.b.stop()
    met.a.stop()
    met.a.start(port=port)
    met.b.start()
    wait_equal(met.b, _PATIENCE_S)
    time.sleep(1.0)


def _say_threads(workload: str, met: Met) -> None:
    for daemon in (met.a, met.b):
        spent = process.cpu_by_thread(daemon.pid).items()
        threads = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent)
        print(f"{workload}, device {daemon.name}, processor by thread: {threads}")


def _print(file: Path, title: str) -> None:
    print(f"\n{title}")
    pstats.Stats(str(file)).strip_dirs().sort_stats("tottime").print_stats(_LINES)
