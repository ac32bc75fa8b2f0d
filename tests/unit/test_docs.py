"""What the documents point at must be there: files, tests, sections and commands."""

import re
from pathlib import Path

import click
import pytest

from p2pvault.cli.root import root

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)")
NAMED = re.compile(r"`((?:tests|scripts|p2pvault|daemon|systemd|bench|docs)/[\w./*-]+)`")
TEST_NAME = re.compile(r"`(test_\w+)`")
ROW = re.compile(r"^\| ([PAL]\d+) \| [^|]+ \| ((?:`[^`]+`(?:, )?)+) \|$", re.MULTILINE)
LEFT_OUT = re.compile(r"^\| ([PAL]\d+(?:[-,] ?[PAL]\d+)*) \| [^|]+ \| [^`|].+\|$", re.MULTILINE)
LAST_ROWS = {"P": 22, "A": 33, "L": 8}
"""How many rows the table of hostile input has, by their letter."""
COMMAND = re.compile(r"^(?:\w+)?\$ +p2pvault (?:--\S+ \S+ )?([a-z]+)", re.MULTILINE)


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        found = (document.parent / target).resolve() if target else document
        assert found.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{document.name} links to {target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    for name in NAMED.findall(document.read_text(encoding="utf-8")):
        assert list(ROOT.glob(name.rstrip("/"))), f"{document.name} names {name}"


def test_every_command_in_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(COMMAND.findall(text))
    assert commands
    assert commands <= set(root.list_commands(click.Context(root)))


def names_of_tests() -> dict[str, set[str]]:
    """Return the names of all tests, by file under `tests/`."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {
        str(file.relative_to(ROOT / "tests")): set(
            re.findall(r"\bdef (test_\w+)", file.read_text(encoding="utf-8"))
        )
        for file in files
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = set(TEST_NAME.findall(document.read_text(encoding="utf-8")))
    assert named <= set().union(*names_of_tests().values())


def rows_in_tests() -> dict[str, set[str]]:
    """Return the files whose tests have a row of the table of hostile input in their names."""
    rows: dict[str, set[str]] = {}
    for file, names in names_of_tests().items():
        for name in names:
            numbers = re.match(r"test_((?:[pal]\d+_)+)", name)
            for number in numbers[1].strip("_").split("_") if numbers else ():
                rows.setdefault(number.upper(), set()).add(file)
    return rows


def rows_left_out(text: str) -> set[str]:
    """Return the rows of the second table, in which A24-A28 stands for five."""
    rows: set[str] = set()
    for cell in LEFT_OUT.findall(text):
        for part in cell.split(", "):
            first, _, last = part.partition("-")
            numbers = range(int(first[1:]), int((last or first)[1:]) + 1)
            rows |= {f"{part[0]}{number}" for number in numbers}
    return rows


def test_every_row_of_hostile_input_is_a_test_or_has_a_reason() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    listed = {row: set(re.findall(r"`([^`]+)`", files)) for row, files in ROW.findall(text)}
    assert listed == rows_in_tests()
    left_out = rows_left_out(text)
    assert not left_out & listed.keys()
    every = {f"{letter}{n + 1}" for letter, last in LAST_ROWS.items() for n in range(last)}
    assert left_out | listed.keys() == every
