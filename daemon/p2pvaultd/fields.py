"""The allow-list of log fields: what is not on it can never be written.

A field that is not in `FIELDS`, or whose value does not have the shape that stands there, is left
out and counted. Names, paths, values, keys and codes have no field, so no mistake elsewhere in
the daemon can write one. Events are literal texts in our own source; a test holds us to that.
"""

import re
import sys
from collections.abc import Mapping
from typing import Final

from structlog.typing import EventDict, WrappedLogger

from p2pvault.limits import LOG_DEVICE_CHARACTERS, LOG_FIELD_CHARACTERS_MAX
from p2pvaultd.outline import kind, outline

Shape = re.Pattern[str] | tuple[type, ...]

_EVENT: Final = re.compile(r"[a-z][a-z0-9_]*")
_DEVICE: Final = re.compile(r"[0-9a-f]{64}")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_NUMBER: Final = (int,)
_AMOUNT: Final = (int, float)

FIELDS: Final[Mapping[str, Shape]] = {
    # Who and where. A device is given by its id and written by its first digits.
    "device": _DEVICE,
    "link": _NUMBER,
    "address": re.compile(r"\[?[0-9A-Fa-f.:]+(%[0-9A-Za-z_.-]+)?\]?:[0-9]{1,5}"),
    "port": _NUMBER,
    "pid": _NUMBER,
    "uid": _NUMBER,
    # What happened, in words out of our own source.
    "version": re.compile(r"[0-9][0-9A-Za-z.+]*"),
    "error": _WORD,
    "reason": _WORD,
    "method": _WORD,
    "mode": _WORD,
    "state": _WORD,
    "phase": _WORD,
    "dialled": (bool,),
    "direction": _WORD,
    "measure": _WORD,
    "setting": _WORD,
    "signal": _WORD,
    "place": re.compile(r"[A-Za-z0-9_.<>]+:[0-9]+"),
    # How much.
    "count": _NUMBER,
    "bytes": _NUMBER,
    "entries": _NUMBER,
    "records": _NUMBER,
    "epoch": _NUMBER,
    "attempt": _NUMBER,
    "limit": _AMOUNT,
    "seconds": _AMOUNT,
}
"""Every field that a log line may have beside its event, and the shape of its value."""


def allow_only(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep what the allow-list knows; count the rest as `withheld` (a structlog processor)."""
    kept: EventDict = {"level": event.pop("level"), "event": _checked(event.pop("event"))}
    error = _error_of(event.pop("exc_info", None))
    if error is not None:
        kept["error"], kept["trace"] = kind(error), outline(error)
    allowed = {name: value for name, value in event.items() if _fits(name, value)}
    if "device" in allowed:
        allowed["device"] = allowed["device"][:LOG_DEVICE_CHARACTERS]
    kept.update(allowed)
    if len(allowed) < len(event):
        kept["withheld"] = len(event) - len(allowed)
    return kept


def _checked(text: object) -> str:
    plain = isinstance(text, str) and len(text) <= LOG_FIELD_CHARACTERS_MAX
    return str(text) if plain and _EVENT.fullmatch(str(text)) else "forbidden_event"


def _error_of(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    return sys.exception() if given else None


def _fits(name: str, value: object) -> bool:
    shape = FIELDS.get(name)
    if isinstance(shape, re.Pattern):
        short = isinstance(value, str) and len(value) <= LOG_FIELD_CHARACTERS_MAX
        return short and shape.fullmatch(str(value)) is not None
    return shape is not None and isinstance(value, shape)
