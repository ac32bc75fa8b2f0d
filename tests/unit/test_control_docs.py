"""docs/protocol/control.md says what the schema says."""

from pathlib import Path

import p2pvault
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


def test_the_specification_describes_no_method_that_does_not_exist() -> None:
    page = PAGE.read_text(encoding="utf-8")
    titles = [line[4:] for line in page.splitlines() if line.startswith("### ")]
    assert titles == list(METHODS)
