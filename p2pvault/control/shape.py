"""Shapes of JSON values, as data: checked by both ends, printed into the specification.

A shape says what a value must look like and finds the first place where it does not. It never
converts: what was checked is used as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from p2pvault.control.messages import Json
from p2pvault.limits import INTEGER_MAX


class Shape(Protocol):
    """What a JSON value must look like."""

    def problem(self, value: Json, where: str) -> str:
        """Say what is wrong with `value`, found at `where`, or return an empty string."""
        ...

    def __str__(self) -> str:
        """Return the notation that docs/protocol/control.md uses."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string of `least` to `most` characters."""

    most: int
    least: int = 1

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        if not isinstance(value, str):
            return f"{where} must be a string"
        if not self.least <= len(value) <= self.most:
            return f"{where} must have {self.least} to {self.most} characters"
        return ""

    def __str__(self) -> str:
        """See `Shape`."""
        return f"text({self.least}..{self.most})"


@dataclass(frozen=True, slots=True)
class Words:
    """One of a few fixed strings."""

    words: tuple[str, ...]

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        return "" if value in self.words else f"{where} must be one of {', '.join(self.words)}"

    def __str__(self) -> str:
        """See `Shape`."""
        return " | ".join(f'"{word}"' for word in self.words)


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer from `least` to `most`."""

    most: int
    least: int = 0

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        if type(value) is not int or not self.least <= value <= self.most:
            return f"{where} must be a whole number from {self.least} to {self.most}"
        return ""

    def __str__(self) -> str:
        """See `Shape`."""
        return "whole" if self.most == INTEGER_MAX else f"whole({self.least}..{self.most})"


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds, from 0 to `most`, whole or not."""

    most: float

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        if type(value) not in {int, float} or not 0 <= value <= self.most:  # type: ignore[operator]  # a number
            return f"{where} must be a number of seconds from 0 to {self.most:g}"
        return ""

    def __str__(self) -> str:
        """See `Shape`."""
        return "seconds" if self.most == INTEGER_MAX else f"seconds(0..{self.most:g})"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        return "" if isinstance(value, bool) else f"{where} must be true or false"

    def __str__(self) -> str:
        """See `Shape`."""
        return "flag"


@dataclass(frozen=True, slots=True)
class Value:
    """Anything that a record can hold; what that is, the vault decides."""

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        del value, where
        return ""

    def __str__(self) -> str:
        """See `Shape`."""
        return "value"


@dataclass(frozen=True, slots=True)
class Optional:
    """Null, or what `shape` takes."""

    shape: Shape

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        return "" if value is None else self.shape.problem(value, where)

    def __str__(self) -> str:
        """See `Shape`."""
        return f"{self.shape} | null"


@dataclass(frozen=True, slots=True)
class Items:
    """A list of `least` to `most` items of one shape."""

    shape: Shape
    most: int
    least: int = 0

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        if not isinstance(value, list):
            return f"{where} must be a list"
        if not self.least <= len(value) <= self.most:
            return f"{where} must have {self.least} to {self.most} items"
        found = (self.shape.problem(item, f"{where}[{n}]") for n, item in enumerate(value))
        return next(filter(None, found), "")

    def __str__(self) -> str:
        """See `Shape`."""
        return f"[{self.shape}, ...]"


@dataclass(frozen=True, slots=True)
class Both:
    """A list of exactly two items, each of its own shape."""

    first: Shape
    second: Shape

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        if not isinstance(value, list) or len(value) != 2:
            return f"{where} must be a list of two items"
        first = self.first.problem(value[0], f"{where}[0]")
        return first or self.second.problem(value[1], f"{where}[1]")

    def __str__(self) -> str:
        """See `Shape`."""
        return f"[{self.first}, {self.second}]"


@dataclass(frozen=True, slots=True)
class Members:
    """An object with exactly these members; those in `may` can be left out."""

    must: Mapping[str, Shape]
    may: Mapping[str, Shape]

    def problem(self, value: Json, where: str) -> str:
        """See `Shape`."""
        name = where or "it"
        if not isinstance(value, dict):
            return f"{name} must be an object"
        shapes = {**self.must, **self.may}
        for missing in self.must.keys() - value.keys():
            return f'{name} lacks "{missing}"'
        for unknown in value.keys() - shapes.keys():
            return f'{name} has an unknown member "{unknown}"'
        found = (
            shapes[key].problem(item, f"{where}.{key}".lstrip(".")) for key, item in value.items()
        )
        return next(filter(None, found), "")

    def __str__(self) -> str:
        """See `Shape`."""
        must = [f'"{name}": {shape}' for name, shape in self.must.items()]
        may = [f'"{name}"?: {shape}' for name, shape in self.may.items()]
        return "{" + ", ".join(must + may) + "}"


def members(may: Mapping[str, Shape] | None = None, **must: Shape) -> Members:
    """Return the shape of an object with the members `must`, and perhaps those of `may`."""
    return Members(must, may or {})
