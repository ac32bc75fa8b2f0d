"""What a process uses, as the kernel counts it (proc(5)); Linux only, like all of the benchmark."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NS: Final = 1e-9
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
    """Return seconds on a processor so far, all live threads; ticks would be 10 ms coarse."""
    return sum(seconds for _, seconds in _threads(pid))


def cpu_by_thread(pid: int) -> dict[str, float]:
    """Return the same by the name of the thread; threads with one name are added up."""
    spent: dict[str, float] = {}
    for name, seconds in _threads(pid):
        spent[name] = spent.get(name, 0.0) + seconds
    return spent


def _threads(pid: int) -> list[tuple[str, float]]:
    return [
        ((task / "comm").read_text().strip(), int((task / "schedstat").read_text().split()[0]) * _NS)
        for task in Path(f"/proc/{pid}/task").iterdir()
    ]


def _fields(pid: int, file: str) -> dict[str, int]:
    """Read the fields in kB, as bytes."""
    found = {}
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        words = line.split()
        if words[-1] == "kB":
            found[words[0].rstrip(":")] = int(words[1]) * _KIB
    return found
