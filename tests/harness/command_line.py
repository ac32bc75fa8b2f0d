"""Run the command line as a process, with pipes or on a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

_PROGRAM = (sys.executable, "-c", "from p2pvault.cli import main; main()")
_AS_TYPED = (
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from p2pvault.cli import main; main()",
)
"""With Ctrl-C at work as on a terminal; what runs in the background inherits that it is not."""

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


def run(home: Path | None, *words: str | bytes, stdin: bytes = b"", **extra: str) -> Done:
    """Run `p2pvault WORDS` with pipes for its three streams."""
    done = subprocess.run(
        [*_PROGRAM, *words],
        input=stdin,
        capture_output=True,
        env=environment(home, **extra),
        timeout=SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def run_into(out: BinaryIO, home: Path, *words: str) -> Done:
    """Run `p2pvault WORDS` with its output going to a file."""
    done = subprocess.run(
        [*_PROGRAM, *words],
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
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*_PROGRAM, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(home, **extra),
        start_new_session=True,
    )
    os.close(theirs)
    if typed:
        os.write(ours, typed)
    shown = bytearray()
    try:
        while piece := os.read(ours, 4_096):
            shown += piece
    except OSError:
        pass  # Linux reports the end of a terminal as EIO
    os.close(ours)
    return Done(process.wait(timeout=SECONDS), bytes(shown), b"")


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
