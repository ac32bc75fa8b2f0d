"""One line a minute for what repeats: whoever makes us complain does not get to fill the disk.

Warnings and errors are what others can provoke without end, so those are bounded; what a crash
says is not, since it is the last line. A line that follows left-out ones says how many there were.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from structlog import DropEvent
from structlog.typing import EventDict, WrappedLogger

from p2pvault.limits import LOG_REPEAT_S, LOG_REPEATS_MAX

_BOUNDED: Final = frozenset({"warning", "error"})

_SAME: Final = ("level", "event", "reason", "device", "error", "place")
"""Fields that make two lines the same complaint."""


@dataclass(slots=True)
class _Window:
    began: float
    left_out: int = 0


class Repeats:
    """Drops lines that say what was said less than LOG_REPEAT_S ago (a structlog processor).

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[tuple[object, ...], _Window] = {}
        # Libraries log from threads of their own.
        self._lock = threading.Lock()

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Let a line through, with the number of those that were left out before it, or drop it.

        Raises:
            DropEvent: It was said a moment ago.
        """
        if event["level"] not in _BOUNDED:
            return event
        with self._lock:
            left_out = self._take(tuple(event.get(field) for field in _SAME))
        return {**event, "left_out": left_out} if left_out else event

    def _take(self, complaint: tuple[object, ...]) -> int:
        now = self._clock()
        window = self._windows.get(complaint)
        if window is not None and now - window.began < LOG_REPEAT_S:
            window.left_out += 1
            raise DropEvent
        # Dictionaries keep the order of insertion, so the first one is the one that began first.
        self._windows.pop(complaint, None)
        if len(self._windows) >= LOG_REPEATS_MAX:
            del self._windows[next(iter(self._windows))]
        self._windows[complaint] = _Window(now)
        return window.left_out if window is not None else 0
