"""What a command line leaves behind, what it inherits, and how it is run with an interpreter."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = (sys.executable, "-c", "from p2pvault.cli import main; main()")

SECONDS = 60
"""A stuck command fails its test instead of the whole run; no test measures it."""


@dataclass(frozen=True)
class Done:
    """What a command line left behind."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """What it printed for people."""
        return self.out.decode()

    @property
    def messages(self) -> str:
        """What it said on stderr."""
        return self.err.decode()

    @property
    def tree(self) -> Any:
        """The one JSON document that it printed."""
        return json.loads(self.out)

    @property
    def trees(self) -> list[Any]:
        """The JSON lines that it printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error object that it printed with `--json`."""
        (line,) = self.err.splitlines()
        return json.loads(line)["error"]


def environment(home: Path | None, **extra: str) -> dict[str, str]:
    """Return a process environment that names this home, and nothing of the person running it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"P2PVAULT_HOME", "NO_COLOR", "TERM", "USER"}
        and not name.startswith(("XDG_", "LC_", "_P2PVAULT"))
    }
    named = {} if home is None else {"P2PVAULT_HOME": str(home)}
    return {**kept, "LANG": "C.UTF-8", "TERM": "xterm", "COLUMNS": "80", **named, **extra}


def run_cold(home: Path | None, *words: str | bytes, stdin: bytes = b"", **extra: str) -> Done:
    """Run `p2pvault WORDS` with an interpreter of its own, and pipes for its three streams."""
    done = subprocess.run(
        [*PROGRAM, *words],
        input=stdin,
        capture_output=True,
        env=environment(home, **extra),
        timeout=SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
