"""State diagrams of the documents, read as sets of arrows, and what machines were seen to do.

A diagram is a Mermaid block of `docs/protocol`, named by its document and the section that it
stands in. Of Mermaid it uses states, one level of composite states, and arrows. An arrow from a
composite state goes from every state inside, except where that state has an arrow of its own for
the same event. One arrow may stand for several events, with ` / ` between them.
"""

import re
from collections.abc import Iterable
from pathlib import Path

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol"

Arrow = tuple[str, str, str]
"""State, event, next state."""

_BLOCK = re.compile(r"^```mermaid\nstateDiagram-v2\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ARROW = re.compile(r"(\[\*\]|\w+) --> (\[\*\]|\w+)(?: : ([^:;#]+))?")
_OPENS = re.compile(r'state (?:"[^"]+" as )?(\w+) \{')
_NAMES = re.compile(r'direction (?:LR|TB)|state "[^"]+" as \w+')


def drawn() -> dict[tuple[str, str], set[Arrow]]:
    """Return every diagram, by the document and the section that it stands in."""
    found: dict[tuple[str, str], set[Arrow]] = {}
    for document in sorted(PROTOCOL.glob("*.md")):
        text = document.read_text(encoding="utf-8")
        blocks = list(_BLOCK.finditer(text))
        assert len(blocks) == text.count("```mermaid"), f"{document.name}: a block of another form"
        for block in blocks:
            name = (document.name, _HEADING.findall(text[: block.start()])[-1])
            assert name not in found, f"two diagrams in {name}"
            found[name] = read(block[1])
    return found


def read(diagram: str) -> set[Arrow]:
    """Return the arrows of a diagram; raises on what is not understood."""
    arrows: set[Arrow] = set()
    inside: dict[str, set[str]] = {}
    composite: str | None = None
    for line in filter(None, (line.strip() for line in diagram.splitlines())):
        if match := _OPENS.fullmatch(line):
            assert composite is None, "one level of composite states is enough"
            composite = match[1]
            inside[composite] = set()
        elif line == "}":
            composite = None
        elif match := _ARROW.fullmatch(line):
            events = {(match[1], event, match[2]) for event in (match[3] or "").split(" / ")}
            assert not events & arrows, f"drawn twice: {line}"
            arrows |= events
            if composite is not None:
                inside[composite] |= {match[1], match[2]} - {"[*]"}
        else:
            assert _NAMES.fullmatch(line), f"not understood: {line}"
    return _spread(arrows, inside)


def _spread(arrows: set[Arrow], inside: dict[str, set[str]]) -> set[Arrow]:
    """Replace arrows from a composite state by arrows from the states in it."""
    own = {(state, event) for state, event, _ in arrows}
    spread = {arrow for arrow in arrows if arrow[0] not in inside}
    for state, event, after in arrows - spread:
        spread |= {(s, event, after) for s in inside[state] if (s, event) not in own}
    assert not any(after in inside for _, _, after in spread), "an arrow into no state"
    return spread


def differences(diagram: Iterable[Arrow], seen: Iterable[Arrow]) -> list[str]:
    """Return what is drawn and never happened, and what happened and is not drawn."""
    diagram, seen = set(diagram), set(seen)
    lines = [f"never happened: {' | '.join(arrow)}" for arrow in sorted(diagram - seen)]
    return lines + [f"not drawn: {' | '.join(arrow)}" for arrow in sorted(seen - diagram)]
