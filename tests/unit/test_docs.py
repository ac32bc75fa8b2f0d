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
