"""When a code may be tried, how often, and by how many at once.

A `PairingWindow` belongs to the device that shows the code and lives as long as its daemon. It
counts what an attacker would have to repeat: three wrong guesses burn a code, ten in an hour lock
pairing, and only one session runs at a time, so that guesses cannot be made in parallel. It holds
no code and no key, and reads no clock: `now` is monotonic time in seconds.
"""

from collections import deque
from enum import Enum, auto

from p2pvault.errors import CodeExpired, LocalProtocolError, PairingRefused
from p2pvault.limits import (
    PAIRING_FAILURES_PER_HOUR,
    PAIRING_GUESSES,
    PAIRING_LOCK_S,
    PAIRING_S,
)


class WindowState(Enum):
    """What the window is at some moment."""

    CLOSED = auto()
    """No code is shown, or the last one expired, was used or was burnt."""

    OPEN = auto()
    """A code is shown and nobody is trying it."""

    BUSY = auto()
    """A session has begun, which may outlast the code."""

    LOCKED = auto()
    """Too many wrong guesses of late; no code will be shown."""


_HOUR_S = 3_600.0


class PairingWindow:
    """Guards one device's codes. Sequence: `open`, then per session `begin` and `end`."""

    def __init__(self) -> None:
        self._closes_at: float | None = None
        self._guesses_left = 0
        self._busy = False
        self._failures: deque[float] = deque(maxlen=PAIRING_FAILURES_PER_HOUR)
        self._locked_until: float | None = None

    def state(self, now: float) -> WindowState:
        """Return what the window is at `now`."""
        if self._busy:
            return WindowState.BUSY
        if self.locked_s(now) > 0:
            return WindowState.LOCKED
        return WindowState.OPEN if self.expires_s(now) > 0 else WindowState.CLOSED

    def expires_s(self, now: float) -> float:
        """Return for how many seconds the code can still be tried, 0 when it cannot."""
        return 0.0 if self._closes_at is None else max(0.0, self._closes_at - now)

    def locked_s(self, now: float) -> float:
        """Return for how many seconds pairing stays locked, 0 when it is not."""
        return 0.0 if self._locked_until is None else max(0.0, self._locked_until - now)

    def open(self, now: float) -> None:
        """Begin to show a new code; an earlier one is no longer valid.

        Raises:
            PairingRefused: Pairing is locked, or somebody is being paired just now.
        """
        state = self.state(now)
        if state is WindowState.LOCKED:
            minutes = int(self.locked_s(now) // 60) + 1
            raise PairingRefused(
                f"{PAIRING_FAILURES_PER_HOUR} wrong codes within an hour: pairing is locked",
                hint=f"Somebody may be guessing. Try again in {minutes} minutes.",
            )
        if state is WindowState.BUSY:
            raise PairingRefused("another device is being paired with the code shown before")
        self._closes_at = now + PAIRING_S
        self._guesses_left = PAIRING_GUESSES

    def close(self) -> None:
        """Stop showing the code. A session that has begun may still finish."""
        self._closes_at = None

    def begin(self, now: float) -> None:
        """A device has connected to try the code.

        Raises:
            CodeExpired: No code is valid; answer with a refusal and hang up.
            PairingRefused: Another session is under way; the same.
        """
        state = self.state(now)
        if state is WindowState.BUSY:
            raise PairingRefused("another device is being paired", hint="Try again in a minute.")
        if state is not WindowState.OPEN:
            raise CodeExpired("no pairing code is valid")
        self._busy = True

    def end(self, now: float, *, guessed: bool, burn: bool = False) -> None:
        """The session that had begun is over.

        Args:
            now: Monotonic seconds.
            guessed: It showed a wrong code, or the wrong words.
            burn: The code must not be used again: it has served, or others seem to know it.
        """
        if not self._busy:
            raise LocalProtocolError("a pairing session ended that had not begun")
        self._busy = False
        if guessed:
            self._guesses_left -= 1
            self._count_failure(now)
        if burn or self._guesses_left <= 0:
            self.close()

    def _count_failure(self, now: float) -> None:
        self._failures.append(now)
        full = len(self._failures) == PAIRING_FAILURES_PER_HOUR
        if full and now - self._failures[0] <= _HOUR_S:
            self._locked_until = now + PAIRING_LOCK_S
            self._failures.clear()
            self.close()
