"""Real daemons on loopback: started, called, paired and ended.

Discovery is off: the machine's network sees nothing of a benchmark, and every link leads where the
benchmark wants it.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, cast

from environment import ENVIRONMENT

from p2pvault.control.caller import Caller, connect
from p2pvault.control.home import find_home
from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import DaemonUnreachable

HOST: Final = "127.0.0.1"
HIDDEN_HOST: Final = "127.0.0.2"
"""Where A listens while a proxy has its place: no interface has this address, so A does not tell
it to B, and B can only come through the proxy."""

START_S: Final = 20.0
STOP_S: Final = 10.0
"""The daemon promises 5 s."""

_ASK_AGAIN_S: Final = 0.002


class Stuck(Exception):
    """Something did not happen in the time that even a slow machine needs."""


class Daemon:
    """One p2pvaultd with a home of its own.

    Args:
        name: Of the device.
        root: Where its home and its log go.
        profile: Write a deterministic profile here when the daemon ends; it slows the daemon down.
    """

    def __init__(self, name: str, root: Path, profile: Path | None = None) -> None:
        self.name = name
        self.home = find_home(root / name)
        self.began = 0.0
        self._log = root / f"{name}.log"
        self._profile = profile
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None, "started"
        return self._process.pid

    def start(self, host: str = HOST, port: int = 0) -> float:
        """Start it; return the monotonic time at which its control socket answered."""
        command = [sys.executable, *self._profiled(), "-m", "p2pvaultd", *self.home.arguments()]
        with self._log.open("ab") as log:
            self.began = time.monotonic()
            self._process = subprocess.Popen(
                [*command, "--listen", f"{host}:{port}", "--mode", "off", "--log-format", "json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=ENVIRONMENT,
            )
        return self._wait_answer()

    def stop(self) -> None:
        """End it as a service manager does."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise Stuck(f"{self.name} did not end within {STOP_S:g} s") from None
        finally:
            self._process = None

    def connect(self) -> AbstractContextManager[Caller]:
        """Open a connection to its control socket."""
        return connect(self.home, patience_s=0)

    def call(self, method: str, **params: Json) -> JsonObject:
        """Ask for one thing on a connection of its own."""
        with self.connect() as caller:
            return caller.call(method, **params)

    def port(self) -> int:
        """Return where it listens."""
        (listening,) = cast("list[str]", self.call("status")["listening"])
        return int(listening.rpartition(":")[2])

    def _profiled(self) -> list[str]:
        return [] if self._profile is None else ["-m", "cProfile", "-o", str(self._profile)]

    def _wait_answer(self) -> float:
        assert self._process is not None, "started"
        deadline = self.began + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.call("hello")
            except DaemonUnreachable:
                time.sleep(_ASK_AGAIN_S)
            else:
                return time.monotonic()
        raise Stuck(f"{self.name} did not begin to answer; it said {self._last_words()!r}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""


@contextmanager
def alone(root: Path) -> Iterator[Daemon]:
    """Run a daemon with an empty vault that is on no other device; it ends with the context."""
    root.mkdir(parents=True)
    daemon = Daemon("a", root)
    try:
        daemon.start()
        daemon.call("init", name="a")
        yield daemon
    finally:
        daemon.stop()


@contextmanager
def paired(root: Path, profiles: Path | None = None) -> Iterator[tuple[Daemon, Daemon]]:
    """Run two daemons that are members of one empty vault; both end with the context."""
    root.mkdir(parents=True)
    a, b = (
        Daemon(name, root, None if profiles is None else profiles / f"{root.name}-{name}.pstats")
        for name in ("a", "b")
    )
    try:
        a.start()
        b.start()
        a.call("init", name="a")
        _hold_ceremony(a, b)
        b.call("wait", **{"for": "synced"}, timeout_s=START_S)
        yield a, b
    finally:
        try:
            b.stop()
        finally:
            a.stop()


def _hold_ceremony(a: Daemon, b: Daemon) -> None:
    with a.connect() as holder, b.connect() as joiner:
        shown = holder.stream("pair", admin=False)
        code = _until(shown, "code")["uri"]
        seen = joiner.stream("join", code=code, name="b")
        words = _until(seen, "words")["words"]
        _until(shown, "confirm")
        holder.call("pair_confirm", words=words)
        _until(seen, "vault")
        joiner.call("join_accept", accept=True)
        _until(seen, "paired")
        _until(shown, "paired")


def _until(events: Iterator[JsonObject], wanted: str) -> JsonObject:
    for event in events:
        if event["event"] == wanted:
            return event
    raise Stuck(f"pairing ended before {wanted!r}")
