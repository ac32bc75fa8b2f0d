"""What the command line prints: for people, or as JSON lines for programs; never both.

Data goes to stdout, messages to stderr. Text from elsewhere (names, values, messages of peers) is
made harmless for the terminal here, so that no command can forget to.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click

from p2pvault.cli.wording import visible

JSON_VERSION: Final = 1
"""The `v` of every JSON document that the command line prints."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A line that begins with a coloured mark."""

    mark: str
    colour: str
    text: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The few characters beyond ASCII, or what stands for them on a terminal without Unicode."""

    up: str
    down: str
    arrow: str
    quotes: tuple[str, str]


_QUOTES: Final = str.maketrans({"“": '"', "”": '"'})
"""The quotation marks of the daemon's messages, for a terminal without them."""

_UNICODE: Final = Marks("●", "○", "→", ("“", "”"))
_ASCII: Final = Marks("*", "-", "->", ('"', '"'))


class Report:
    """Prints for one command.

    Args:
        as_json: Whether a program reads it.
        colour: Whether colours are allowed; a terminal is needed as well.
    """

    def __init__(self, *, as_json: bool, colour: bool) -> None:
        self.as_json = as_json
        self._colour = colour and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.unicode = "utf" in (sys.stdout.encoding or "").lower()
        self.marks = _UNICODE if self.unicode else _ASCII

    def show(self, tree: Mapping[str, object], *lines: str | Marked) -> None:
        """Print a result or one event on stdout: `tree` for programs, `lines` for people."""
        if self.as_json:
            self.raw(_dump({"v": JSON_VERSION, **tree}) + b"\n")
            return
        for line in lines:
            click.echo(self._styled(line), color=self._colour and sys.stdout.isatty())
        sys.stdout.flush()

    def raw(self, data: bytes) -> None:
        """Write bytes to stdout as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def progress(self, text: str) -> None:
        """Show a person at a terminal how far something is, in place of what was shown before.

        An empty text ends it, which has to happen before anything else is printed.
        """
        if not self.as_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            click.echo(f"\r\x1b[K{self._plain(text)}", nl=False, err=True)

    def note(self, text: str) -> None:
        """Tell a person something on stderr; a program is told by what `show` prints."""
        if not self.as_json:
            click.echo(self._plain(text), err=True)

    def aside(self, tree: Mapping[str, object], text: str) -> None:
        """Say something on stderr that is no result: `tree` to programs, `text` to people."""
        if self.as_json:
            sys.stderr.buffer.write(_dump({"v": JSON_VERSION, **tree}) + b"\n")
            sys.stderr.flush()
        self.note(text)

    def error(self, tree: Mapping[str, object], text: str) -> None:
        """Print why the command failed, as one line on stderr."""
        if self.as_json:
            sys.stderr.buffer.write(_dump(tree) + b"\n")
            sys.stderr.flush()
            return
        name = self._paint("p2pvault:", "red", on=sys.stderr.isatty())
        click.echo(
            f"{name} {self._plain(text)}", err=True, color=self._colour and sys.stderr.isatty()
        )

    def quote(self, name: str) -> str:
        """Return a name in quotation marks."""
        left, right = self.marks.quotes
        return f"{left}{name}{right}"

    def _styled(self, line: str | Marked) -> str:
        if isinstance(line, str):
            return self._plain(line)
        mark = self._paint(line.mark, line.colour, on=sys.stdout.isatty())
        return f"{mark} {self._plain(line.text)}"

    def _plain(self, text: str) -> str:
        shown = visible(text)
        return shown if self.unicode else shown.translate(_QUOTES)

    def _paint(self, text: str, colour: str, *, on: bool) -> str:
        return click.style(text, fg=colour) if self._colour and on else text


def _dump(tree: Mapping[str, object]) -> bytes:
    # JSON leaves DEL, C1 controls and bidirectional marks as they are. What `visible` writes for
    # them is also how JSON escapes them, so a program reads the same and a terminal is safe.
    text = visible(json.dumps(tree, ensure_ascii=False, separators=(", ", ": ")))
    return text.encode(errors="replace")
