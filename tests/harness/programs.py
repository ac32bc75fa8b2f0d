"""How tests start the two programs: each with an interpreter of its own, or forked from a warm one.

Nearly all that a start costs are imports, and the tests start two thousand programs. A
warm one is a process like any other, with environment, streams and an end of its own; only the
start of the interpreter is left out. What belongs to that is tested where programs start cold.
"""

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from harness import warm_host
from harness.ended import SECONDS, Done, environment, run_cold

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


class Process(Protocol):
    """What is used of a process that runs, as `subprocess.Popen` has it."""

    pid: int
    stderr: IO[bytes] | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Programs(Protocol):
    """Ways to start the two programs."""

    def daemon(self, home: Path, words: Sequence[str]) -> Process:
        """Start `p2pvaultd WORDS`; its log can be read from `stderr`."""
        ...

    def command(self, home: Path, words: Sequence[str], stdin: bytes) -> Done:
        """Run `p2pvault WORDS` to its end."""
        ...


class Cold:
    """Each with an interpreter of its own, as a person starts them."""

    def daemon(self, home: Path, words: Sequence[str]) -> Process:
        return daemon_of([sys.executable, "-m", "p2pvaultd", *words], home)

    def command(self, home: Path, words: Sequence[str], stdin: bytes) -> Done:
        return run_cold(home, *words, stdin=stdin)


class Warm:
    """Forked from a process that has imported them.

    Args:
        line: To that process, one message an order.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()

    def daemon(self, home: Path, words: Sequence[str]) -> Process:
        with ExitStack() as stack:
            nothing = os.open(os.devnull, os.O_RDWR)
            log, theirs = os.pipe()
            stack.callback(os.close, nothing)
            stack.callback(os.close, theirs)
            streams = [nothing, nothing, theirs]
            pid = self._fork(environment(home), ["p2pvaultd", *words], streams)
            return WarmProcess(pid, os.fdopen(log, "rb"))

    def command(self, home: Path | None, words: Sequence[str], stdin: bytes, **extra: str) -> Done:
        """Run `p2pvault WORDS` to its end; `extra` variables are for it alone."""
        with ExitStack() as theirs:
            (entrance, hand), *outlets = [os.pipe() for _ in range(3)]
            inner = [entrance, *(end for _, end in outlets)]
            for end in inner:
                theirs.callback(os.close, end)
            pid = self._fork(environment(home, **extra), ["p2pvault", *words], inner)
        shown = [_Collected(os.fdopen(end, "rb")) for end, _ in outlets]
        with suppress(BrokenPipeError), os.fdopen(hand, "wb") as typed:
            typed.write(stdin)
        out, err = (each.all() for each in shown)
        return Done(WarmProcess(pid, None).wait(SECONDS), out, err)

    def _fork(self, variables: dict[str, str], words: Sequence[str], streams: Sequence[int]) -> int:
        order = {"words": list(words), "environment": variables, "place": str(Path.cwd())}
        with self._lock:
            socket.send_fds(self._line, [json.dumps(order).encode()], streams)
            return int(self._line.recv(32))


class WarmProcess:
    """One of them; this process inherits it, as the nearest one that asked for orphans."""

    def __init__(self, pid: int, stderr: IO[bytes] | None) -> None:
        self.pid = pid
        self.stderr = stderr
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._reaped(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None and timeout is not None:
            self._await_end(timeout)
        code = self._reaped(0)
        assert code is not None
        return code

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _await_end(self, timeout: float) -> None:
        process = os.pidfd_open(self.pid)
        try:
            end = select.poll()
            end.register(process, select.POLLIN)
            if not end.poll(timeout * 1_000):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        finally:
            os.close(process)

    def _reaped(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class _Collected:
    """All that comes out of a pipe, read as it comes so that the writer never waits."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._bytes = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def all(self) -> bytes:
        """Wait for the end; return everything."""
        self._reader.join(SECONDS)
        assert not self._reader.is_alive(), "it does not end"
        return self._bytes

    def _read(self) -> None:
        with self._source:
            self._bytes = self._source.read()


def daemon_of(command: Sequence[str], home: Path) -> subprocess.Popen[bytes]:
    """Start a command line that runs the daemon of a home."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(home),
    )


@contextmanager
def warm_programs() -> Iterator[Warm]:
    """Have a warm process as long as the block lasts.

    This process inherits what it starts, and stays the parent of orphans afterwards.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _adopt_orphans()
    with theirs:
        host = subprocess.Popen(
            [sys.executable, warm_host.__file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment(None),
        )
    with host, ours:
        yield Warm(ours)


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent has ended."""
    result = ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    assert result == 0, os.strerror(ctypes.get_errno())
