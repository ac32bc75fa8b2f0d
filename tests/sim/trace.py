"""What happened, in order: a digest of all of it, and the end of it for people to read."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

_TAIL = 400_000
_BYTES_SHOWN = 12


class Trace:
    """The inputs and effects of all devices of one run.

    Args:
        whole: Whether the digest is of all that happened; else of when it happened, to whom, and of
            what kind it was, which costs a tenth.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self._whole = whole
        self._moment, self._stamp = -1.0, ""
        self._hash = blake2b(digest_size=16)
        self._tail: deque[tuple[float, str, object]] = deque(maxlen=_TAIL)

    def note(self, monotonic: float, who: str, what: object) -> None:
        """Add an input, an effect, or a word on what fate did."""
        if monotonic != self._moment:
            self._moment, self._stamp = monotonic, f"\n{monotonic!r} "
        if self._whole:
            self._hash.update(f"{self._stamp}{who} ".encode())
            _feed(self._hash.update, what)
        else:
            self._hash.update(f"{self._stamp}{who} {type(what).__name__}".encode())
        self._tail.append((monotonic, who, what))

    @property
    def digest(self) -> str:
        """The same for the same run, in any process."""
        return self._hash.hexdigest()

    def tail(self, lines: int) -> list[str]:
        """Return the last lines, short enough to be read."""
        kept = list(self._tail)[-lines:]
        return [f"{monotonic:14.6f} {who:<6} {_short(what)}" for monotonic, who, what in kept]


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def _feed(update: Callable[[bytes], None], what: Any) -> None:
    """Hash a value: bytes as they are, sets in order, everything else by its parts."""
    if isinstance(what, bytes):
        update(b"%d:" % len(what))
        update(what)
    elif isinstance(what, frozenset):
        # It shows in an order that changes from process to process.
        update(repr(sorted(what)).encode())
    elif isinstance(what, tuple | list):
        for each in what:
            _feed(update, each)
        update(b")")
    elif isinstance(what, Mapping):
        for pair in what.items():
            _feed(update, pair)
    elif names := _names(type(what)):
        update(type(what).__name__.encode())
        for name in names:
            _feed(update, getattr(what, name))
    else:
        update(repr(what).encode())


def _short(what: object) -> str:
    if isinstance(what, str):
        return what
    if isinstance(what, bytes):
        shown = what[:_BYTES_SHOWN].hex()
        return f"<{len(what)}: {shown}>" if len(what) > _BYTES_SHOWN else f"<{shown}>"
    if isinstance(what, tuple | list):
        inner = ", ".join(_short(each) for each in what[:4])
        return f"({inner}{', ...' if len(what) > 4 else ''})"
    if names := _names(type(what)):
        named = ((name, getattr(what, name)) for name in names)
        inner = ", ".join(f"{name}={_short(value)}" for name, value in named if value != ())
        return f"{type(what).__name__}({inner})"
    return repr(what)
