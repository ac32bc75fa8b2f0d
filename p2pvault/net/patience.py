"""Accepting streams while the process, or the machine, is short of descriptors or memory.

The stream stays in the kernel's queue and is accepted once there is room. A shortage is reported
when it begins and, while there are more, once in `SHORTAGE_REPORT_S`: whoever brings it about must
not fill the log too.
"""

import errno
from collections.abc import Callable, Sequence
from typing import Final

import trio

from p2pvault.limits import SHORTAGE_PAUSE_S, SHORTAGE_REPORT_S

_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""What accept(2) says when the stream is fine and the system is not."""

Report = Callable[[str], None]
"""Is told the name of the error, for example `EMFILE`."""


class PatientListener(trio.abc.Listener[trio.SocketStream]):
    """A listener that waits a shortage out.

    Args:
        listener: The one that accepts; owned from now on.
        report: Is told of a shortage.
    """

    def __init__(self, listener: trio.abc.Listener[trio.SocketStream], report: Report) -> None:
        self._listener = listener
        self._report = report
        self._quiet_until = float("-inf")

    async def accept(self) -> trio.SocketStream:
        """Wait for the next stream, and for room for it."""
        while True:
            try:
                return await self._listener.accept()
            except OSError as error:
                if error.errno not in _SHORTAGES:
                    raise
                self._say(errno.errorcode[error.errno])
            # Nothing tells when a descriptor is free again.
            await trio.sleep(SHORTAGE_PAUSE_S)

    async def aclose(self) -> None:
        """Close the listener."""
        await self._listener.aclose()

    def _say(self, reason: str) -> None:
        now = trio.current_time()
        if now >= self._quiet_until:
            self._quiet_until = now + SHORTAGE_REPORT_S
            self._report(reason)


def patient(
    listeners: Sequence[trio.SocketListener], report: Report
) -> list[trio.abc.Listener[trio.SocketStream]]:
    """Return listeners that accept the same streams and wait shortages out."""
    return [PatientListener(listener, report) for listener in listeners]
