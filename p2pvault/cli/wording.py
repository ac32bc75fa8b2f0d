"""How numbers, times and names from outside are put for people. Pure; prints nothing."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_UNSAFE: Final = re.compile(
    # C0 and C1 controls and DEL move the cursor or change the terminal; bidirectional controls
    # reorder what stands around them (Unicode Standard Annex 9); separators break lines.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
_ZERO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})
"""Marks on the character before, joiners and variation selectors take no column of their own."""

_SPANS: Final = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def visible(text: str) -> str:
    """Return `text` with everything that could steer a terminal written out as an escape.

    Line feeds and tabs stay.
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return `visible(text)` with its line feeds and tabs written out too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def span(seconds: float) -> str:
    """Return a duration in its largest whole unit: `4 s`, `2 min`, `3 h`, `1 day`, `9 days`."""
    whole = max(0, int(seconds))
    unit, length = next(((u, n) for u, n in _SPANS if whole >= n), _SPANS[-1])
    units = whole // length
    return f"{units} days" if unit == "day" and units > 1 else f"{units} {unit}"


def number(value: int) -> str:
    """Return a number in groups of three digits: `12 345`."""
    return f"{value:,}".replace(",", " ")


def count(value: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: `1 record`, `12 345 records`; `nouns` if no `s` makes it."""
    return f"{number(value)} {noun if value == 1 else nouns or noun + 's'}"


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Align rows of cells to the left; the last cell of a row is not padded."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        gap.join(
            cell + " " * (room - width(cell)) for cell, room in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def width(text: str) -> int:
    """Return how many terminal columns `text` takes (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
