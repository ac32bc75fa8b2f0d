"""Shapes: what a decoded tree must look like, and the value it becomes.

A `Shape` is a function from a tree to a typed value that raises `MalformedMessage` or
`LimitExceeded`. Small ones combine into larger ones; `structure` reads a positional array into a
frozen dataclass, and `to_tree` is its inverse.
"""

from collections.abc import Callable
from dataclasses import fields
from enum import Enum, StrEnum
from functools import cache
from types import NoneType
from typing import Final, TypeVar, cast

from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.wire.codec import Tree

T = TypeVar("T")
U = TypeVar("U")
E = TypeVar("E", bound=StrEnum)

Shape = Callable[[Tree], T]

_LEAVES: Final = frozenset({NoneType, bool, int, bytes, str})
"""Kinds of values that travel as they are; an enumeration is a string, and none of these."""


def to_tree(value: object) -> Tree:
    """Turn a dataclass, an enumeration, or nested tuples of them into a tree to pack."""
    kind: type = type(value)
    if kind in _LEAVES:
        return cast("Tree", value)
    if isinstance(value, tuple | list):
        return [to_tree(item) for item in value]
    if isinstance(value, Enum):
        return cast("Tree", value.value)
    return [to_tree(getattr(value, name)) for name in _field_names(kind)]


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def boolean(tree: Tree) -> bool:
    """Read true or false."""
    if not isinstance(tree, bool):
        raise MalformedMessage("expected true or false")
    return tree


def unsigned(maximum: int) -> Shape[int]:
    """Return the shape of an integer from 0 to `maximum`."""

    def read(tree: Tree) -> int:
        if not isinstance(tree, int) or isinstance(tree, bool) or tree < 0:
            raise MalformedMessage("expected a number that is not negative")
        if tree > maximum:
            raise LimitExceeded(f"the number {tree} is above its bound {maximum}")
        return tree

    return read


def signed(tree: Tree) -> int:
    """Read a signed 64-bit integer."""
    if not isinstance(tree, int) or isinstance(tree, bool) or not -(2**63) <= tree < 2**63:
        raise MalformedMessage("expected a signed 64-bit number")
    return tree


def exactly(size: int) -> Shape[bytes]:
    """Return the shape of a byte string of `size` bytes."""

    def read(tree: Tree) -> bytes:
        if not isinstance(tree, bytes) or len(tree) != size:
            raise MalformedMessage(f"expected {size} bytes")
        return tree

    return read


def binary(bytes_max: int) -> Shape[bytes]:
    """Return the shape of a byte string of at most `bytes_max` bytes."""

    def read(tree: Tree) -> bytes:
        if not isinstance(tree, bytes):
            raise MalformedMessage("expected bytes")
        if len(tree) > bytes_max:
            raise LimitExceeded(f"{len(tree)} bytes where at most {bytes_max} are allowed")
        return tree

    return read


def text(characters_max: int) -> Shape[str]:
    """Return the shape of a string of at most `characters_max` characters."""

    def read(tree: Tree) -> str:
        if not isinstance(tree, str):
            raise MalformedMessage("expected a string")
        if len(tree) > characters_max:
            raise LimitExceeded(f"{len(tree)} characters where {characters_max} are allowed")
        return tree

    return read


def choice(kind: type[E]) -> Shape[E]:
    """Return the shape of one member of a string enumeration."""

    def read(tree: Tree) -> E:
        try:
            return kind(tree)  # type: ignore[arg-type]  # the constructor checks the value
        except ValueError as error:
            raise MalformedMessage(f"not one of the known kinds of {kind.__name__}") from error

    return read


def optional(shape: Shape[T]) -> Shape[T | None]:
    """Return the shape of nil or of what `shape` reads."""

    def read(tree: Tree) -> T | None:
        return None if tree is None else shape(tree)

    return read


def sequence(shape: Shape[T], items_max: int) -> Shape[tuple[T, ...]]:
    """Return the shape of an array of at most `items_max` items of one shape."""

    def read(tree: Tree) -> tuple[T, ...]:
        if not isinstance(tree, list):
            raise MalformedMessage("expected an array")
        if len(tree) > items_max:
            raise LimitExceeded(f"{len(tree)} items where at most {items_max} are allowed")
        return tuple(map(shape, tree))

    return read


def structure(kind: Callable[..., T], *shapes: Shape[object]) -> Shape[T]:
    """Return the shape of a positional array that becomes `kind(*items)`."""

    def read(tree: Tree) -> T:
        if not isinstance(tree, list) or len(tree) != len(shapes):
            raise MalformedMessage(f"expected an array of {len(shapes)} items")
        return kind(*[shape(item) for shape, item in zip(shapes, tree, strict=True)])

    return read


def pair(first: Shape[T], second: Shape[U]) -> Shape[tuple[T, U]]:
    """Return the shape of an array of two items of their own shapes."""

    def read(tree: Tree) -> tuple[T, U]:
        if not isinstance(tree, list) or len(tree) != 2:
            raise MalformedMessage("expected an array of 2 items")
        return first(tree[0]), second(tree[1])

    return read
