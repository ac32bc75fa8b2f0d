"""What the options that every command takes have said, and what follows from them."""

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from p2pvault.cli.report import Report
from p2pvault.errors import Refused
from p2pvault.limits import CONTROL_START_S

if TYPE_CHECKING:
    from p2pvault.control.caller import Caller
    from p2pvault.control.home import Home
    from p2pvault.control.messages import JsonObject

_ANSWER_BYTES_MAX: Final = 4_096
"""A typed line: the longest is the address that stands for a pairing code."""

_COMMAND: Final = re.compile(r"`(p2pvaultd?)((?: (?!--home\b)[^ `]+)*)`")
"""A command line of ours in a text, unless it names a home itself."""


@dataclass(slots=True)
class Session:
    """One run of the command line. The options fill it in while they are parsed.

    Attributes:
        directory: What `--home` said.
        as_json: `--json`.
        debug: `--debug`.
        no_colour: `--no-color`.
    """

    directory: Path | None = None
    as_json: bool = False
    debug: bool = False
    no_colour: bool = False

    @property
    def home(self) -> "Home":
        """The device that this run is about."""
        from p2pvault.control.home import find_home  # noqa: PLC0415  # `--help` needs none of it

        return find_home(self.directory)

    @property
    def report(self) -> Report:
        """Where results and messages go."""
        return Report(as_json=self.as_json, colour=not self.no_colour)

    def connect(self, patience_s: float = CONTROL_START_S) -> "Caller":
        """Connect to the daemon; see `p2pvault.control.caller.connect`."""
        from p2pvault.control.caller import connect  # noqa: PLC0415  # `--help` needs none of it

        return connect(self.home, patience_s)

    def greet(self, patience_s: float = CONTROL_START_S) -> "JsonObject":
        """Ask the daemon how it is, before a person is asked for something that it is to take.

        Not on the connection that takes it: the daemon lets go of a caller that keeps silent.

        Returns:
            What `hello` answers.

        Raises:
            DaemonUnreachable: There is none.
        """
        with self.connect(patience_s) as caller:
            return caller.call("hello")

    def command(self, *words: str, program: str = "p2pvault") -> str:
        """Return a command line of ours to show, with the `--home` that this run was given."""
        home = [] if self.directory is None else ["--home", str(self.directory)]
        return f"`{shlex.join([program, *home, *words])}`"

    def here(self, text: str) -> str:
        """Return a text with the `--home` that this run was given in the commands that it shows.

        The daemon, which wrote the text, does not know how a person came to it. Commands that are
        for another device it names without the program, and they stay.
        """
        if self.directory is None:
            return text
        return _COMMAND.sub(lambda found: self._with_home(found[1], found[2]), text)

    def _with_home(self, program: str, words: str) -> str:
        return f"`{program} --home {shlex.quote(str(self.directory))}{words}`"

    def may_ask(self) -> bool:
        """Whether a person sits at the other end of stdin."""
        return sys.stdin.isatty() and not self.as_json

    def confirm(self, question: str, nothing: str) -> None:
        """Ask a person whether to go on; in a script the command itself is the answer.

        Args:
            question: What is about to happen, as a question.
            nothing: What to say that did not happen, if the answer is no.

        Raises:
            Refused: The answer was not yes.
        """
        if not self.may_ask():
            return
        if (self.read_line(f"{question} [y/N]") or "").lower() not in {"y", "yes"}:
            raise Refused("it was not confirmed", hint=nothing)

    def read_line(self, question: str) -> str | None:
        """Read one line from stdin, asking only where a person can see the question.

        Returns:
            The line without surrounding spaces, or None at the end of the input.
        """
        self._ask(question)
        return self.answer()

    def may_answer(self, caller: "Caller", question: str) -> bool:
        """Ask, and wait for an `answer`, or for the daemon: what it says may void the question.

        Returns:
            Whether there is an answer to read.
        """
        self._ask(question)
        if caller.silent_until(sys.stdin.fileno()):
            return True
        self._leave_line()
        return False

    def answer(self) -> str | None:
        """Read one line from stdin; see `read_line`."""
        line = _line_of(sys.stdin.fileno())
        if not line.endswith(b"\n"):
            self._leave_line()
        return line.decode(errors="replace").strip() if line else None

    def _ask(self, question: str) -> None:
        if self.may_ask():
            click.echo(question + " ", nl=False, err=True)

    def _leave_line(self) -> None:
        """End the line on which a question stands that was not answered with Enter."""
        if self.may_ask():
            click.echo(err=True)


def _line_of(descriptor: int) -> bytes:
    """Read one line and nothing behind it: what a buffer holds cannot be waited for."""
    line = bytearray()
    while len(line) < _ANSWER_BYTES_MAX and not line.endswith(b"\n"):
        if not (byte := os.read(descriptor, 1)):
            break
        line += byte
    return bytes(line)


pass_session = click.make_pass_decorator(Session)
