"""The stage of the demonstration: devices, their terminals, and the transcript of both.

Every command runs on a terminal of its own, so that it asks and prints as it does for a person.
Nothing here knows what the demonstration shows.
"""

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

BIN: Final = Path(sys.executable).parent
PATIENCE_S: Final = 40.0
"""Only a hang takes this long: the slowest step, `join`, gives up by itself after 30 s."""

STOP_S: Final = 8.0
"""The daemon ends within 5 s of SIGTERM; a little more than that is an error."""

LOG_LINES: Final = 15
"""Of each daemon's log, shown when something went wrong."""


class SurpriseError(Exception):
    """Something is not as the demonstration says it is."""


class Transcript:
    """What the audience sees. Colours only on a terminal."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._step = 0

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._print(f"\n{self._paint('1', f'{self._step}. {title}')}")

    def say(self, text: str) -> None:
        """Explain something."""
        self._print(text)

    def typed(self, device: str, line: str) -> None:
        """Show what a person types at a device's prompt."""
        self._print(f"{self._paint('36', f'{device:>6}$')} {self._paint('1', line)}")

    def printed(self, device: str, line: str) -> None:
        """Show a line that appears on a device's terminal."""
        self._print(f"{self._paint('2', f'{device:>6}|')} {line}".rstrip())

    def _print(self, line: str) -> None:
        print(line, flush=True)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


class Terminal:
    """One command that runs on a terminal, with what it has shown so far."""

    def __init__(self, device: "Device", words: tuple[str, ...]) -> None:
        self._device = device
        self._words = words
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(  # noqa: S603  # our own programs only
            [BIN / words[0], *words[1:]],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=device.environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._printed = 0

    def expect(self, pattern: str) -> str:
        """Wait until something appears; return its first group, or all of it."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.shown)) is None:
            if not self._read(deadline):
                self._surprise(f"ended without showing {pattern!r}")
        return found[found.re.groups and 1]

    def type(self, line: str) -> None:
        """Type a line; the terminal shows it."""
        os.write(self._ours, line.encode() + b"\n")

    def finish(self) -> str:
        """Wait for a good end; return all that was shown."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        if self.process.wait(STOP_S):
            self._surprise(f"ended with exit code {self.process.returncode}")
        return self.shown

    def interrupt(self) -> None:
        """Press Ctrl-C, which is the usual end of a command that waits for more."""
        self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass

    def close(self) -> None:
        """End the command whatever it does, and give the terminal back."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with suppress(OSError):
            os.close(self._ours)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            self._surprise(f"did not go on within {PATIENCE_S:.0f} s")
        try:
            piece = os.read(self._ours, 65_536)
        except OSError:  # how Linux reports the end of a terminal
            piece = b""
        self.shown += piece.decode(errors="replace").replace("\r", "")
        self._print_lines(to_the_end=not piece)
        return bool(piece)

    def _print_lines(self, *, to_the_end: bool) -> None:
        until = len(self.shown) if to_the_end else self.shown.rfind("\n") + 1
        for line in self.shown[self._printed : until].splitlines():
            self._device.transcript.printed(self._device.name, line)
        self._printed = max(until, self._printed)

    def _surprise(self, what: str) -> None:
        raise SurpriseError(f"{self._device.name}: `{shlex.join(self._words)}` {what}")


class Log:
    """What a daemon writes, read as it comes so that the daemon never waits for a reader."""

    def __init__(self, source: IO[bytes]) -> None:
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self._ready = False
        self._told = threading.Event()
        threading.Thread(target=self._read, args=[source], daemon=True).start()

    def wait_ready(self) -> bool:
        """Wait until the daemon answers; return whether it does."""
        self._told.wait(PATIENCE_S)
        return self._ready

    def _read(self, source: IO[bytes]) -> None:
        with source:
            for line in source:
                self.lines.append(line.decode(errors="replace").rstrip())
                if b'"event": "ready"' in line:
                    self._ready = True
                    self._told.set()
        self._told.set()


class Device:
    """One device: a home of its own, a daemon, and terminals.

    Args:
        name: What it is called.
        directory: Where its home goes.
        transcript: Where all that happens is shown.
    """

    def __init__(self, name: str, directory: Path, transcript: Transcript) -> None:
        self.name = name
        self.transcript = transcript
        self._log: Log | None = None
        self._terminals: list[Terminal] = []
        self._daemon: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "P2PVAULT_HOME": str(directory / name),
            "COLUMNS": "96",
            "PYTHONUTF8": "1",
        }
        if not transcript.colour:
            self.environment["NO_COLOR"] = "1"

    def run(self, *words: str) -> str:
        """Run a command to its good end; return what it showed."""
        return self.open(*words).finish()

    def open(self, *words: str) -> Terminal:
        """Start a command and leave it running."""
        self.transcript.typed(self.name, shlex.join(words))
        self._terminals.append(Terminal(self, words))
        return self._terminals[-1]

    def start(self) -> None:
        """Start the daemon; returns when it answers."""
        words = ["p2pvaultd", "--listen", "127.0.0.1:0"]
        self.transcript.typed(self.name, f"{shlex.join(words)} &")
        self._daemon = subprocess.Popen(  # noqa: S603  # our own program
            [BIN / words[0], *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment,
            start_new_session=True,
        )
        assert self._daemon.stderr is not None, "it was asked for"
        self._log = Log(self._daemon.stderr)
        if not self._log.wait_ready():
            raise SurpriseError(f"{self.name}: p2pvaultd did not begin to answer")

    def kill(self) -> None:
        """Let the daemon die as in a power cut."""
        daemon = self._running()
        self.transcript.typed(self.name, f"kill -9 {daemon.pid}    # p2pvaultd")
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """End the daemon as a service manager does it."""
        daemon = self._running()
        self.transcript.typed(self.name, f"kill {daemon.pid}    # p2pvaultd")
        daemon.terminate()
        if daemon.wait(STOP_S):
            raise SurpriseError(f"{self.name}: p2pvaultd ended with {daemon.returncode}")

    def log_lines(self) -> list[str]:
        """Return the end of the daemon's log."""
        return [] if self._log is None else list(self._log.lines)

    def close(self) -> None:
        """Leave nothing of this device running."""
        for terminal in self._terminals:
            terminal.close()
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.terminate()
            try:
                self._daemon.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._daemon is None or self._daemon.poll() is not None:
            raise SurpriseError(f"{self.name}: p2pvaultd does not run any more")
        return self._daemon
