"""Read `FIELD=VALUE` words, and the files that they name, into what `set` sends.

```
name=Ada            text                     tags:='["a", "b"]'   any JSON
notes=@ada.txt      a file: text if UTF-8    phone=               delete the field
address.city=Ely    a field inside a field
```
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from p2pvault.cli.wording import count, one_line
from p2pvault.control.messages import Json, read_json
from p2pvault.errors import BadValue, RemoteProtocolError
from p2pvault.limits import (
    FIELD_CHARACTERS_MAX,
    SCALAR_BYTES_MAX,
    TEXT_CHARACTERS_MAX,
    VALUE_DEPTH_MAX,
)

Steps = tuple[str, ...]
"""The way to a field: one name for each level."""

_UTF8_BYTES_MAX = 4
"""Bytes of one character (RFC 3629)."""


@dataclass(slots=True)
class FieldEdits:
    """What one `set` does to the fields of a record, in the order of the words."""

    puts: list[tuple[Steps, Json]] = field(default_factory=list)
    deletes: list[Steps] = field(default_factory=list)


def read_edits(words: Sequence[str]) -> FieldEdits:
    """Read the words behind the path of a `set`.

    Raises:
        BadValue: A word is none of the forms above, a file cannot be read, or two words are
            about the same field.
    """
    edits = FieldEdits()
    seen: list[Steps] = []
    for word in words:
        steps, value = _read_word(word)
        _check_apart(steps, seen)
        seen.append(steps)
        if value is None:
            edits.deletes.append(steps)
        else:
            edits.puts.append((steps, value.json))
    return edits


def field_steps(name: str) -> Steps:
    """Split a dotted field name.

    Raises:
        BadValue: A part is empty, there are too many, or it is no text.
    """
    steps = tuple(name.split("."))
    if not all(steps):
        raise BadValue(
            f"{name!r} is not a field: a name is empty",
            hint="A field is NAME, or NAME.NAME for one inside another.",
        )
    if (longest := max(map(len, steps))) > FIELD_CHARACTERS_MAX:
        most = FIELD_CHARACTERS_MAX
        raise BadValue(f"a name of a field with {longest} characters, at most {most} are possible")
    if len(steps) > VALUE_DEPTH_MAX:
        raise BadValue(f"a field {len(steps)} levels deep, at most {VALUE_DEPTH_MAX} are possible")
    return steps


@dataclass(frozen=True, slots=True)
class _Put:
    """A value to put; null is one, and differs from a deletion."""

    json: Json


def _read_word(word: str) -> tuple[Steps, _Put | None]:
    name, equals, value = word.partition("=")
    if not equals:
        raise BadValue(
            f"{one_line(word)!r} is not FIELD=VALUE",
            hint="Put quotes around values with spaces: name='Ada Lovelace'.",
        )
    if name.endswith(":"):
        return field_steps(name[:-1]), _Put(_read_typed(name[:-1], value))
    if value.startswith("@"):
        return field_steps(name), _Put(_read_file(name, value[1:]))
    return field_steps(name), _Put(value) if value else None


def _read_typed(name: str, text: str) -> Json:
    try:
        return read_json(text)
    except RemoteProtocolError as error:
        raise BadValue(
            f"the value of {name} is {error}", hint=f"For plain text write {name}=TEXT."
        ) from error


def _read_file(name: str, file_name: str) -> Json:
    if not file_name:
        raise BadValue(f"no file is named behind {name}=@", hint=_at_hint(name))
    path = Path(file_name)
    most = TEXT_CHARACTERS_MAX * _UTF8_BYTES_MAX
    bound = max(most, SCALAR_BYTES_MAX)
    try:
        with path.open("rb") as file:
            data = file.read(bound + 1)
    except OSError as error:
        raise BadValue(
            f"{path} cannot be read: {error.strerror or error}",
            hint=_at_hint(name),
        ) from error
    return _file_value(path, data)


def _at_hint(name: str) -> str:
    return f"If the text itself begins with @, write {name}:='\"@...\"'."


def _file_value(path: Path, data: bytes) -> Json:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        if len(data) > SCALAR_BYTES_MAX:
            most = count(SCALAR_BYTES_MAX, "byte")
            raise BadValue(f"{path} is larger than {most}, which a field holds") from None
        return {"$bytes": base64.b64encode(data).decode()}
    if len(text) > TEXT_CHARACTERS_MAX:
        most = count(TEXT_CHARACTERS_MAX, "character")
        raise BadValue(f"{path} is longer than {most}, which a text holds")
    return text


def _check_apart(steps: Steps, seen: Sequence[Steps]) -> None:
    for other in seen:
        shorter = min(len(steps), len(other))
        if steps[:shorter] == other[:shorter]:
            names = " and ".join(sorted({".".join(steps), ".".join(other)}))
            raise BadValue(f"two values for the same field: {names}")
