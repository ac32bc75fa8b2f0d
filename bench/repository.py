"""automerge-repo devices: installed from npm, run by Node, driven over their standard input."""

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from daemons import STOP_S, Stuck

PLACE: Final = Path(__file__).resolve().parent / "peers" / "automerge-repo"
ANSWER_S: Final = 300.0
"""One command: the slowest makes some thousands of documents."""

_INSTALL_S: Final = 180.0

Answer = dict[str, Any]
"""What peer.mjs says; its comments tell the members of each answer."""


def why_not() -> str | None:
    """Make sure that it can run; return None, or why it cannot."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not both installed"
    if _is_installed():
        return None
    try:
        subprocess.run(
            ["npm", "install", "--loglevel=error"],
            cwd=PLACE,
            stdout=subprocess.DEVNULL,
            timeout=_INSTALL_S,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return f"npm could not install it: {error}"
    return None


def versions() -> dict[str, str]:
    """Return what is installed of all that the package file pins."""
    return {name: _version(name) for name in _pinned()}


def _pinned() -> dict[str, str]:
    pinned: dict[str, str] = json.loads((PLACE / "package.json").read_text())["dependencies"]
    return pinned


def _is_installed() -> bool:
    try:
        return versions() == _pinned()
    except FileNotFoundError:
        return False


def _version(name: str) -> str:
    package = (PLACE / "node_modules" / name / "package.json").read_text()
    version: str = json.loads(package)["version"]
    return version


class Repository:
    """One device: a Node process with a repository in a directory; a context manager.

    Args:
        role: `listen` or `dial`.
        port: Of loopback; 0 to listen on a free one.
        directory: Where the repository lies, new or from an earlier process.
    """

    def __init__(self, role: str, port: int, directory: Path) -> None:
        self.began = time.monotonic()
        self._log = directory.with_suffix(".log")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["node", str(PLACE / "peer.mjs"), role, str(port), str(directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        answer = self._answer()
        self.ready: float = answer["ready"]
        self.port: int = answer.get("port", port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        """The Node process."""
        return self._process.pid

    def ask(self, command: str, **parameters: object) -> Answer:
        """Give a command and wait for its answer."""
        assert self._process.stdin is not None, "it was asked for"
        try:
            self._process.stdin.write(json.dumps({"command": command, **parameters}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise Stuck(self._last_words()) from error
        answer = self._answer()
        if "error" in answer:
            raise Stuck(f"{command}: {answer['error']}")
        return answer

    def _answer(self) -> Answer:
        assert self._process.stdout is not None, "it was asked for"
        # A process that hangs is ended, which ends the wait for its line.
        limit = threading.Timer(ANSWER_S, self._process.kill)
        limit.start()
        try:
            line = self._process.stdout.readline()
        finally:
            limit.cancel()
        if not line:
            raise Stuck(self._last_words())
        answer: Answer = json.loads(line)
        return answer

    def _last_words(self) -> str:
        # What a Node program dies of stands in the one line that begins with its class.
        lines = self._log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "Error" in line] or lines[-1:] or ["nothing"]
        return f"it ended, or did not answer within {ANSWER_S:g} s; it said: {errors[-1]}"
