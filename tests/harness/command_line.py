"""Run the command line as a process, with pipes or on a terminal."""

import atexit
import os
import pty
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import BinaryIO, Self

from harness.ended import PROGRAM, SECONDS, Done, environment, run_cold
from harness.programs import Warm, warm_programs

__all__ = ["Done", "Terminal", "environment", "run", "run_into", "run_on_terminal", "start"]

_AS_TYPED = (
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from p2pvault.cli import main; main()",
)
"""With Ctrl-C at work as on a terminal; what runs in the background inherits that it is not."""


def run(home: Path | None, *words: str | bytes, stdin: bytes = b"", **extra: str) -> Done:
    """Run `p2pvault WORDS` with pipes for its three streams.

    It starts warm, unless `extra` has variables that are for an interpreter when it starts.
    """
    if any(name.startswith("PYTHON") for name in extra):
        return run_cold(home, *words, stdin=stdin, **extra)
    return warm().command(home, [os.fsdecode(word) for word in words], stdin, **extra)


@cache
def warm() -> Warm:
    """Return programs that start from one warm process, which ends with this one."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(warm_programs())


def run_into(out: BinaryIO, home: Path, *words: str) -> Done:
    """Run `p2pvault WORDS` with its output going to a file."""
    done = subprocess.run(
        [*PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        env=environment(home),
        timeout=SECONDS,
        check=False,
    )
    return Done(done.returncode, b"", done.stderr)


def start(home: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start `p2pvault WORDS` and leave it running; the test ends it."""
    return subprocess.Popen(
        [*_AS_TYPED, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
    )


def run_on_terminal(home: Path, *words: str, typed: bytes = b"", **extra: str) -> Done:
    """Run `p2pvault WORDS` on a terminal of its own; everything it shows is `out`."""
    with Terminal(home, *words, **extra) as terminal:
        if typed:
            terminal.type(typed)
        return Done(terminal.end(), terminal.shown, b"")


class Terminal:
    """`p2pvault WORDS` on a terminal that a test types into while it reads; ends with the block."""

    def __init__(self, home: Path, *words: str, **extra: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*_AS_TYPED, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(home, **extra),
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def await_text(self, text: str, times: int = 1) -> None:
        """Read until `text` has been shown so often."""
        while self.shown.decode(errors="replace").count(text) < times:
            assert self._read(), f"{text!r} is not in {self.shown!r}"

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def interrupt(self) -> None:
        """Press Ctrl-C, which a terminal turns into a signal."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read until the process ends and return its exit code."""
        while self._read():
            pass
        return self._process.wait(timeout=SECONDS)

    def _read(self) -> bool:
        """Read what is shown next; return whether there was anything before the end."""
        readable, _, _ = select.select([self._ours], [], [], SECONDS)
        assert readable, f"nothing comes after {self.shown!r}"
        try:
            piece = os.read(self._ours, 4_096)
        except OSError:
            return False  # Linux reports the end of a terminal as EIO
        self.shown += piece
        return bool(piece)
