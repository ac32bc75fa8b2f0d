"""What it costs to have it: memory and processor of an idle daemon, and commands as processes."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import process
from daemons import Daemon, Stuck
from environment import ENVIRONMENT
from sample import path
from summary import Figures

IDLE_S: Final = 20.0
"""Nearly a heartbeat, so that one or two are in it."""

_COMMAND_S: Final = 30.0
_PROGRAM: Final = Path(sys.executable).parent / "p2pvault"
"""As installed: what is measured is what a shell starts."""


def idle(daemons: Mapping[str, Daemon]) -> Figures:
    """Watch connected daemons do nothing."""
    began = time.monotonic()
    before = {name: process.cpu_s(daemon.pid) for name, daemon in daemons.items()}
    time.sleep(IDLE_S)
    lasted = time.monotonic() - began
    figures: dict[str, float] = {}
    for name, daemon in daemons.items():
        held = process.memory(daemon.pid)
        spent = process.cpu_s(daemon.pid) - before[name]
        figures[f"{name}_rss_mb"] = held.resident / 1e6
        figures[f"{name}_pss_mb"] = held.proportional / 1e6
        figures[f"{name}_cpu_percent"] = 100 * spent / lasted
    return figures


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
    try:
        subprocess.run(
            command, stdout=subprocess.DEVNULL, env=ENVIRONMENT, timeout=_COMMAND_S, check=True
        )
    except subprocess.SubprocessError as error:
        raise Stuck(str(error)) from error
    return time.monotonic() - began
