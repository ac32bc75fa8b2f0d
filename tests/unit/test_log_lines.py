"""The lines of the log that worlds insist on are the ones that the core can write."""

import ast
from pathlib import Path

import pytest

import p2pvault.core
from harness.log_lines import LINES, check_line
from p2pvault.core.io import Report


def written() -> set[tuple[str, str]]:
    """Return the level and event of every `Report` in the source of the core."""
    found: set[tuple[str, str]] = set()
    for path in Path(p2pvault.core.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name("Report") | ast.Attribute(attr="Report"),
                    args=[level, ast.Constant(str(event)), *_],
                ):
                    levels = (each for each in ast.walk(level) if isinstance(each, ast.Constant))
                    found |= {(each.value, event) for each in levels}
                case _:
                    pass
    return found


def test_every_line_is_known_and_none_is_outdated():
    assert written() == LINES.keys()


@pytest.mark.parametrize(
    "line",
    [
        Report("warning", "link_down", {"device": "ab" * 32}),
        Report("info", "link_down", {"device": "the phone"}),
        Report("info", "link_down", {"device": "AB" * 32}),
        Report("info", "link_down", {"peer": "ab" * 32}),
        Report("info", "link_down"),
        Report("warning", "link_failed", {"reason": "a text", "phase": "up"}),
        Report("info", "snapshots_fetched", {"records": -1}),
        Report("info", "snapshots_fetched", {"records": True}),
    ],
    ids=lambda line: f"{line.level} {line.event} {dict(line.fields)}",
)
def test_another_level_or_field_or_what_a_person_wrote_is_none(line: Report):
    with pytest.raises((KeyError, AssertionError)):
        check_line(line)


def test_whoever_failed_a_link_is_named_where_that_is_known():
    fields = {"reason": "protocol", "phase": "up"}
    check_line(Report("warning", "link_failed", fields))
    check_line(Report("warning", "link_failed", {**fields, "device": "ab" * 32}))
