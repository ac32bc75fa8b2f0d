"""What a process uses, as the kernel counts it (proc(5)); Linux only, like all of the benchmark."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CPUCLOCK_SCHED: Final = 2
_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one process.

    Attributes:
        resident: Now, shared libraries counted in full.
        peak: The most that `resident` ever was.
        proportional: Now, each shared page divided by the processes that share it.
    """

    resident: int
    peak: int
    proportional: int


def memory(pid: int) -> Memory:
    """Read what a process holds."""
    status = _fields(pid, "status")
    return Memory(status["VmRSS"], status["VmHWM"], _fields(pid, "smaps_rollup")["Pss"])


def cpu_s(pid: int) -> float:
    """Return seconds on a processor so far, over all threads, those that have ended included.

    The clock of another process has a number made from its id: `MAKE_PROCESS_CPUCLOCK` with
    `CPUCLOCK_SCHED` in the kernel's posix-timers.h, which is what clock_getcpuclockid(3) returns.
    """
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def cpu_by_thread(pid: int) -> dict[str, float]:
    """Return the same by the name of each live thread; threads with one name are added up."""
    spent: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        on_cpu_ns = int((task / "schedstat").read_text().split()[0])
        spent[name] = spent.get(name, 0.0) + on_cpu_ns * 1e-9
    return spent


def _fields(pid: int, file: str) -> dict[str, int]:
    """Read the fields in kB, as bytes."""
    found = {}
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        words = line.split()
        if words[-1] == "kB":
            found[words[0].rstrip(":")] = int(words[1]) * _KIB
    return found
