"""What docs/protocol says of messages and bounds is what the code has."""

import re

import pytest

from harness.diagrams import PROTOCOL
from p2pvault import limits
from p2pvault.core.kinds import Kind
from p2pvault.protocol.pairing import messages

UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": 1}
BOUND = re.compile(r"^\| [^|]+ \| ([^|]+) \| ((?:`[A-Z_]+`(?:, )?)+) \|$", re.MULTILINE)


def rows(document: str, name: str) -> list[tuple[int, str]]:
    """Return the numbers and names of a table of messages."""
    text = (PROTOCOL / document).read_text(encoding="utf-8")
    found = re.findall(rf"^\| (\d+) \| ({name}) \|", text, re.MULTILINE)
    return [(int(number), name) for number, name in found]


def test_every_kind_of_message_stands_in_the_table_of_journals() -> None:
    assert rows("journal.md", "[A-Z_]+") == [(kind.value, kind.name) for kind in Kind]


def test_every_message_of_pairing_stands_in_the_table_of_pairing() -> None:
    kinds = sorted((number, message.__name__) for message, number in messages._KINDS.items())
    assert rows("pairing.md", "[A-Z][a-z]+") == kinds


def value(text: str) -> float:
    """Read a value of a table, such as `1 MiB`, `2^30`, `5 s` or `8 for each /24`."""
    match = re.match(r"(\d[\d ]*\d|\d)(?:\^(\d+))?(?: (\w+))?", text.strip())
    assert match is not None, text
    number, power, unit = match.groups()
    base = int(number.replace(" ", ""))
    return (base ** int(power) if power else base) * UNITS.get(unit or "", 1)


@pytest.mark.parametrize(("document", "least"), [("link.md", 12), ("journal.md", 18)])
def test_the_bounds_in_a_table_are_those_of_the_code(document: str, least: int) -> None:
    found = BOUND.findall((PROTOCOL / document).read_text(encoding="utf-8"))
    assert len(found) >= least
    for values, names in found:
        named = re.findall(r"`([A-Z_]+)`", names)
        said = [value(part) for part in values.split(";")]
        assert said == [getattr(limits, name) for name in named], names
