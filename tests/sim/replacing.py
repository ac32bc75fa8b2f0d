"""Putting something else in a name's place for the time of one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: object, name: str, new: Any) -> Iterator[None]:
    """Let an attribute of a module or class be another one within the block."""
    old = vars(owner)[name]
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)
