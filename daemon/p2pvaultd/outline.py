"""A crash without its secrets: types and places of an exception, never messages or values.

Messages of exceptions may quote names, paths and values of the vault, and source lines of a
library may quote more. What is left is enough to find the bug.
"""

import traceback
from collections.abc import Iterator
from itertools import islice

from p2pvault.errors import VaultError
from p2pvault.limits import LOG_FRAMES_MAX


def outline(error: BaseException) -> list[str]:
    """List the types and frames of an exception, of its causes and of a group's members.

    Returns:
        At most LOG_FRAMES_MAX lines such as `AssertionError` and `app.run:41`, outermost
        frame first under each type.
    """
    return list(islice(_lines(error, set()), LOG_FRAMES_MAX))


def kind(error: BaseException) -> str:
    """Name an exception: its stable code if it is one of ours, else its type."""
    return error.code if isinstance(error, VaultError) else type(error).__name__


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield kind(error)
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "?")
        yield f"{module}.{frame.f_code.co_name}:{line}"
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _lines(member, seen)
    hidden = None if error.__suppress_context__ else error.__context__
    if (origin := error.__cause__ or hidden) is not None:
        yield from _lines(origin, seen)
