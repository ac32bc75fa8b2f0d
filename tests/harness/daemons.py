"""Real daemons as processes, driven by the real command line, on loopback unless told otherwise.

Everything waits for an event with a bound that only a hang reaches. What a test starts is ended
by its process id when the fleet's block is left, and every log is read for tracebacks then.
"""

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.command_line import Done, start
from harness.programs import Cold, Process, Programs, daemon_of

PATIENCE_S = 40.0
"""Only a hang takes this long, on however busy a machine."""

STOP_S = 5.0
"""What the contract gives a daemon to end after SIGTERM."""

LOOPBACK = ("--listen", "127.0.0.1:0")
"""Listen, and be discovered, on loopback and nowhere else."""

COLD = Cold()

Event = dict[str, Any]


class Lines:
    """The lines of a pipe, read as they come so that the writer never waits for us."""

    def __init__(self, source: IO[bytes]) -> None:
        self.seen: list[str] = []
        self._more = threading.Event()
        self._unread: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=[source], daemon=True)
        self._reader.start()

    def next(self) -> str | None:
        """Wait for the next line; None at the end."""
        line = self._unread.get(timeout=PATIENCE_S)
        if line is None:
            self._unread.put(None)
        return line

    def rest(self) -> list[str]:
        """Wait for the end; return what was not read yet."""
        return list(iter(self.next, None))

    def wait_more(self, seconds: float) -> None:
        """Wait until there are lines that this did not wait for before, at most so long."""
        self._more.wait(seconds)
        self._more.clear()

    def wait_end(self) -> None:
        """Wait until all that was written stands in `seen`."""
        self._reader.join(PATIENCE_S)

    def _read(self, source: IO[bytes]) -> None:
        with source:
            for line in source:
                self.seen.append(line.decode(errors="backslashreplace").rstrip("\n"))
                self._unread.put(self.seen[-1])
                self._more.set()
        self._unread.put(None)


class Conversation:
    """A command line that runs, prints lines, and perhaps reads answers."""

    def __init__(self, home: Path, *words: str) -> None:
        self.process = start(home, *words)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._out, self._err = Lines(self.process.stdout), Lines(self.process.stderr)

    def event(self, name: str) -> Event:
        """Read the next event, which has to be this one."""
        event = self.any_event()
        assert event["event"] == name, event
        return event

    def any_event(self) -> Event:
        """Read the next event."""
        event: Event = json.loads(self.line())
        assert event.pop("v") == 1
        return event

    def line(self) -> str:
        """Read the next line."""
        line = self._out.next()
        if line is None:
            raise AssertionError(f"it ended: {self.process.wait(PATIENCE_S)}, {self._err.rest()}")
        return line

    def note(self) -> str:
        """Read the next line for people on stderr."""
        line = self._err.next()
        assert line is not None, "it ended"
        return line

    def type(self, line: str) -> None:
        """Send one line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def finish(self) -> Done:
        """Wait for the end; return the exit code and what was not read yet."""
        code = self.process.wait(PATIENCE_S)
        out, err = ("\n".join(lines.rest()).encode() for lines in (self._out, self._err))
        return Done(code, out, err)

    def refused(self) -> tuple[int, str]:
        """Wait for a bad end; return the exit code and the code of the error."""
        done = self.finish()
        return done.code, str(done.error["code"])

    def interrupt(self) -> Done:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def close(self) -> None:
        """End it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._out.wait_end()
        self._err.wait_end()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Daemon:
    """One run of `p2pvaultd` and its log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        assert process.stderr is not None
        self.log = Lines(process.stderr)

    def wait_event(self, name: str) -> Event:
        """Read the log on to an event."""
        while (line := self.log.next()) is not None:
            event = _parsed(line)
            if event.get("event") == name:
                return event
        raise AssertionError(f"p2pvaultd ended before {name}: {self.log.seen}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        code = self.process.wait(STOP_S)
        self.log.wait_end()
        return code


class Device:
    """One home, with a daemon now and then.

    Args:
        name: What it is called.
        home: Where it lives; need not exist.
        options: For the daemon.
        inside: Turns a command line into one that runs on the device's own network.
        programs: How its commands start, and its daemon where `inside` does not say.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        options: Sequence[str] = LOOPBACK,
        inside: Callable[..., list[str]] | None = None,
        programs: Programs = COLD,
    ) -> None:
        self.name = name
        self.home = home
        self.options = tuple(options)
        self._inside = inside
        self._programs = programs
        self._daemons: list[Daemon] = []
        self._conversations: list[Conversation] = []

    # The daemon --------------------------------------------------------------------------

    @property
    def daemon(self) -> Daemon:
        """The daemon that was started last."""
        return self._daemons[-1]

    def start(self, *options: str) -> Daemon:
        """Start the daemon and wait until it answers."""
        daemon = self.launch(*options)
        daemon.wait_event("ready")
        return daemon

    def launch(self, *options: str) -> Daemon:
        """Start the daemon without waiting for anything."""
        words = [*self.options, *options]
        if self._inside is None:
            process = self._programs.daemon(self.home, words)
        else:
            process = daemon_of(self._inside(sys.executable, "-m", "p2pvaultd", *words), self.home)
        self._daemons.append(Daemon(process))
        return self.daemon

    def refuse_to_start(self, *options: str) -> tuple[int, str]:
        """Start a daemon that has to end by itself; return its exit code and its one line."""
        daemon = self.launch(*options)
        code = daemon.process.wait(PATIENCE_S)
        daemon.log.wait_end()
        self._daemons.remove(daemon)
        (line,) = daemon.log.seen
        assert line.startswith("p2pvaultd: "), line
        return code, line

    def stop(self) -> None:
        """End the daemon as a service manager does, which has to succeed in time."""
        assert self.daemon.end(signal.SIGTERM) == 0, self.daemon.log.seen

    def kill(self) -> None:
        """Let the daemon die at once."""
        assert self.daemon.end(signal.SIGKILL) == -signal.SIGKILL

    @property
    def logs(self) -> list[str]:
        """All that its daemons have logged."""
        return [line for daemon in self._daemons for line in daemon.log.seen]

    # The command line --------------------------------------------------------------------

    def run(self, *words: str, stdin: bytes = b"") -> Done:
        """Run a command to its end."""
        return self._programs.command(self.home, words, stdin)

    def do(self, *words: str, stdin: bytes = b"") -> str:
        """Run a command that has to succeed; return what it printed for people."""
        done = self.run(*words, stdin=stdin)
        assert done.code == 0, (self.name, words, done)
        return done.text

    def ask(self, *words: str, stdin: bytes = b"") -> Any:
        """Run a command that has to succeed; return the JSON document that it printed."""
        return json.loads(self.do("--json", *words, stdin=stdin))

    def refused(self, *words: str, stdin: bytes = b"") -> tuple[int, str]:
        """Run a command that has to fail; return its exit code and the code of the error."""
        done = self.run("--json", *words, stdin=stdin)
        assert done.code != 0, (self.name, words, done)
        assert done.out == b"", "what fails prints no result"
        return done.code, str(done.error["code"])

    def open(self, *words: str) -> Conversation:
        """Start a command that prints JSON lines, and leave it running."""
        self._conversations.append(Conversation(self.home, "--json", *words))
        return self._conversations[-1]

    def watch(self, *words: str) -> Conversation:
        """Start `watch` for people, and wait until it follows."""
        self._conversations.append(Conversation(self.home, "watch", *words))
        assert self._conversations[-1].note().startswith("Waiting for changes")
        return self._conversations[-1]

    # What tests ask about ----------------------------------------------------------------

    def value(self, path: str) -> Any:
        """Read one record."""
        return self.ask("get", path)["value"]

    def peer(self, name: str) -> Event:
        """Read what `status` says about another device."""
        (found,) = (peer for peer in self.ask("status")["peers"] if peer["name"] == name)
        return dict(found)

    def paths(self) -> list[str]:
        """List the paths of all records."""
        return [row["path"] for row in self.ask("ls")["rows"]]

    def listening(self) -> str:
        """Return the one address that it can be dialled at."""
        (address,) = self.ask("status")["listening"]
        return str(address)

    def hang_up(self) -> None:
        """End every command that still runs."""
        for conversation in self._conversations:
            conversation.close()
        self._conversations.clear()

    def close(self) -> None:
        """Leave nothing of it running."""
        self.hang_up()
        for daemon in self._daemons:
            if daemon.process.poll() is None:
                daemon.process.terminate()
        for daemon in self._daemons:
            try:
                daemon.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                daemon.process.kill()
                daemon.process.wait()
            daemon.log.wait_end()


@dataclass(frozen=True)
class Secrets:
    """What one pairing ceremony has shown on the two screens."""

    code: str
    uri: str
    words: str


class Fleet:
    """The devices of one test or module."""

    def __init__(self, directory: Path, programs: Programs = COLD) -> None:
        self.directory = directory
        self.devices: list[Device] = []
        self._programs = programs

    def device(
        self,
        name: str,
        options: Sequence[str] = LOOPBACK,
        inside: Callable[..., list[str]] | None = None,
    ) -> Device:
        """Add a device without vault and daemon."""
        home = self.directory / f"{len(self.devices)}-{name}"
        self.devices.append(Device(name, home, options, inside, self._programs))
        return self.devices[-1]

    def founder(self, name: str, *options: str) -> Device:
        """Add a device that has made a vault and runs."""
        device = self.device(name, options or LOOPBACK)
        device.do("init", "--name", name)
        device.start()
        return device

    def member(self, holder: Device, name: str, *options: str, admin: bool = False) -> Device:
        """Add a device that runs and was paired from `holder`."""
        device = self.device(name, options or LOOPBACK)
        device.start()
        pair(holder, device, admin=admin)
        return device

    def close(self) -> None:
        """Leave nothing running."""
        for device in self.devices:
            device.close()

    def check_logs(self) -> None:
        """Check that no daemon met a bug or said something that is not its structured log."""
        for device in self.devices:
            for line in device.logs:
                event = _parsed(line)
                assert event, (device.name, line)
                assert event["level"] != "critical", (device.name, line)
                assert "Traceback" not in line, (device.name, device.logs)


@contextmanager
def open_fleet(directory: Path, programs: Programs = COLD) -> Iterator[Fleet]:
    """Make devices under a directory; leaving the block ends and checks them all."""
    fleet = Fleet(directory, programs)
    with ExitStack() as stack:
        stack.callback(fleet.close)
        yield fleet
    fleet.check_logs()


def pair(holder: Device, newcomer: Device, *, admin: bool = False, by: str = "code") -> Secrets:
    """Hold the whole pairing ceremony, as two people would, and wait for the first proof.

    Args:
        holder: Has the vault.
        newcomer: Has none; its daemon runs.
        admin: Whether it may add and remove devices.
        by: Which of `code` and `uri` is typed.

    Returns:
        What was shown, which nobody else may learn.
    """
    window = holder.open("pair", *(["--admin"] if admin else []))
    offered = window.event("code")
    joining = newcomer.open("join", "--name", newcomer.name)
    joining.type(offered[by])
    words = joining.event("words")["words"]
    joining.event("vault")
    assert window.event("joiner")["name"] == newcomer.name
    window.event("confirm")
    window.type(words)
    joining.type("yes")
    joining.event("paired")
    window.event("paired")
    assert (joining.finish().code, window.finish().code) == (0, 0)
    wait_synced(newcomer, holder)
    return Secrets(offered["code"], offered["uri"], words)


def wait_synced(*devices: Device) -> None:
    """Wait until each device has proof that each other one holds the same."""
    for device in devices:
        for other in devices:
            if other is not device:
                device.do("wait", "--synced", other.name, "--timeout", str(PATIENCE_S))


def _parsed(line: str) -> Event:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
