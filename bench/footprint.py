"""What it costs to have it: memory and processor of an idle daemon, and commands as processes."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import process
from daemons import Daemon
from sample import path
from summary import Figures

IDLE_S: Final = 20.0
_COMMAND_S: Final = 30.0
_PROGRAM: Final = Path(sys.executable).parent / "p2pvault"


def daemon_idle(daemon: Daemon) -> Figures:
    """Watch one connected daemon do nothing."""
    began, spent = time.monotonic(), process.cpu_s(daemon.pid)
    time.sleep(IDLE_S)
    spent = process.cpu_s(daemon.pid) - spent
    held = process.memory(daemon.pid)
    return {
        "rss_mb": held.resident / 1e6,
        "pss_mb": held.proportional / 1e6,
        "idle_cpu_percent": 100 * spent / (time.monotonic() - began),
    }


def commands(daemon: Daemon) -> Figures:
    """Run commands as whole processes, as a shell does."""
    home = daemon.home.arguments()
    return {
        "get_ms": _run(*home, "get", path(0)) * 1e3,
        "help_ms": _run("--help") * 1e3,
        "python_ms": _time([sys.executable, "-c", "pass"]) * 1e3,
    }


def _run(*arguments: str) -> float:
    return _time([str(_PROGRAM), *arguments])


def _time(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=_COMMAND_S, check=True)
    return time.monotonic() - began
