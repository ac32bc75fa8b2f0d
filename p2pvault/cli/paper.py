"""The recovery key as it is shown, and as it is read: 24 words, never among the arguments."""

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click

from p2pvault.cli.qr import qr_lines
from p2pvault.cli.session import Session

_COLUMNS: Final = 4


def show_words(session: Session, words: str, *, no_qr: bool = False) -> None:
    """Print the words for a person, and as a QR code where a camera can see the terminal."""
    session.report.show({}, *_lines(session, words, no_qr=no_qr))


def read_words(session: Session) -> str:
    """Read the words as one line from the terminal or from stdin.

    They show while they are typed, on purpose: nobody copies 24 words from paper blindly without a
    mistake, and what is wrong would have to be found among all of them. Whoever types them is
    where `recovery show` would show them, too.

    Raises:
        UsageError: There are none.
    """
    words = session.read_line("The 24 words of the recovery key:")
    if not words:
        raise click.UsageError("No words: type them, or give them as one line on stdin.")
    return words


def question(gone: Sequence[str], back: Sequence[str]) -> str:
    """Return what the key is about to do, for a person to confirm.

    Args:
        gone: Who is removed, as it is to be shown.
        back: Who is let in again.
    """
    remove = [f"remove {', '.join(gone)} from the vault for good"] if gone else []
    restore = [f"let {', '.join(back)} in again"] if back else []
    deeds = " and ".join([*remove, *restore]) or "take the vault over and remove nobody"
    return f"{deeds[0].upper()}{deeds[1:]}?"


def _lines(session: Session, words: str, *, no_qr: bool) -> Iterator[str]:
    yield "\nRecovery key: write these words on paper, in this order, and keep it away from here."
    yield "Whoever has them can take the vault over, also when every admin device is lost.\n"
    numbered = [f"{place:2} {word:<9}" for place, word in enumerate(words.split(), start=1)]
    for row in range(0, len(numbered), _COLUMNS):
        yield "  " + " ".join(numbered[row : row + _COLUMNS]).rstrip()
    if not no_qr and session.report.unicode and sys.stdout.isatty():
        yield "\nThe same, for a camera that keeps no copy elsewhere:\n"
        yield from qr_lines(words)
    yield ""
