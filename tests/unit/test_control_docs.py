"""docs/protocol/control.md says what the schema says."""

import re
from pathlib import Path

import p2pvault
from harness.cli_fixtures import served
from harness.command_line import run
from harness.fake_state import with_vault
from p2pvault.control.schema import METHODS, SCHEMA_VERSION

PAGE = Path(p2pvault.__file__).parents[1] / "docs" / "protocol" / "control.md"


def written(name: str) -> str:
    """Return the section of one method, as the page has to carry it."""
    method = METHODS[name]
    lines = [f"### {name}", "", method.summary, "", "```", f"params {method.params}"]
    lines.append(f"result {method.result}")
    lines += [f"event  {shape}" for shape in method.events.values()]
    return "\n".join([*lines, "```"])


def test_the_specification_carries_every_method_of_the_schema() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"Schema version: {SCHEMA_VERSION}" in page
    for name in METHODS:
        assert written(name) in page


ROW = re.compile(r"^\| `([^`]+)` \|([^:|]*)", re.MULTILINE)
"""A command and what it prints, in the table of what differs from the methods."""


def test_the_command_line_prints_what_the_specification_says(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = ROW.findall(text[text.index("| Command |") : text.index("## Notation")])
    assert len(rows) == 7
    with served(tmp_path / "a", with_vault()):
        for command, members in rows:
            done = run(
                tmp_path / "a", *command.split(), "--json",
                XDG_CONFIG_HOME=str(tmp_path / "config"), PATH="/nonexistent",
            )  # fmt: skip
            assert set(done.tree) == {"v", *re.findall("`([a-z_]+)`", members)}, command


def test_the_specification_describes_no_method_that_does_not_exist() -> None:
    page = PAGE.read_text(encoding="utf-8")
    titles = [line[4:] for line in page.splitlines() if line.startswith("### ")]
    assert titles == list(METHODS)
