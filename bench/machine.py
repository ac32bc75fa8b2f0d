"""What the numbers were measured on: without it they mean nothing to anybody else."""

import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("p2pvault", "automerge", "trio", "sqlcipher3", "cryptography", "pynacl")
ROOT: Final = Path(__file__).resolve().parent.parent
_ASK_S: Final = 20.0
_FDATASYNCS: Final = 100
_PAGE_BYTES: Final = 4096

Machine = dict[str, str | int | float]


def describe(directory: Path) -> Machine:
    """Describe this machine as it is now; `directory` is where the vaults will lie."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(directory),
        "fdatasync_ms": round(_fdatasync_s(directory) * 1e3, 2),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: version(package) for package in PACKAGES},
        "commit": _ask("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "node": _ask("node", "--version"),
    }


def load() -> float:
    """Return the one-minute load average: beside it, other people's work becomes visible."""
    return round(os.getloadavg()[0], 2)


def _fdatasync_s(directory: Path) -> float:
    """Return the median of appending one page and making it durable: the floor of every commit."""
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(_FDATASYNCS):
            began = time.monotonic()
            file.write(bytes(_PAGE_BYTES))
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    return statistics.median(times)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        # ARM kernels have no model name; the machine type says at least the architecture.
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    """Return type and device of the mount that a directory lies on (proc_pid_mountinfo(5))."""
    place, best, found = directory.resolve(), -1, "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, described = line.split(" - ", 1)
        point = Path(mount.split()[4])
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), " on ".join(described.split()[:2])
    return found


def _ask(program: str, *arguments: str) -> str:
    if shutil.which(program) is None:
        return "not installed"
    answer = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=_ASK_S, check=False
    )
    return answer.stdout.strip() or "unknown"
