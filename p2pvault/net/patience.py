"""Accepting streams, cheaply and for ever, whoever sends how many.

A stream that may not begin is closed right where it was accepted, before anything is made for it,
and those that come after it are gathered for a moment: a flood costs a few system calls a stream.
While the process or the machine is short of descriptors
or memory, streams stay in the kernel's queue and are accepted once there is room.
"""

import errno
import socket
from collections.abc import Callable, Sequence
from typing import Final

import trio

from p2pvault.limits import LISTEN_BACKLOG, REFUSED_PAUSE_S, SHORTAGE_PAUSE_S

_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""What accept(2) says when the stream is fine and the system is not."""

_MISTAKES: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP})
"""What it says of a wrong call; everything else is about the stream that it would have been."""

Report = Callable[[str], None]
"""Is told the name of the error, for example `EMFILE`."""

MayBegin = Callable[[str], bool]
"""Decides on a stream by the literal address of its other end, before anything is known of it."""


def anybody(_: str) -> bool:
    """Let every stream begin."""
    return True


class PatientListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts what may begin, and waits shortages out.

    Args:
        listener: Whose socket to accept from; this takes it, and the listener is closed then.
        report: Is told of a shortage, again and again while it lasts.
        may_begin: Is asked about each stream.
    """

    def __init__(
        self, listener: trio.SocketListener, report: Report, may_begin: MayBegin = anybody
    ) -> None:
        # trio's own socket accepts one stream a task switch, too dear for those that are refused.
        # Taken and not copied: where descriptors are short, there is none for a copy.
        self._listening = socket.socket(fileno=listener.socket.detach())
        self._report = report
        self._may_begin = may_begin

    async def accept(self) -> trio.SocketStream:
        """Wait for the next stream that may begin, and for room for it."""
        while True:
            await trio.lowlevel.checkpoint()
            try:
                stream = self._take()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._listening)
            except OSError as error:
                await self._overcome(error)
            else:
                if stream is not None:
                    return stream
                await trio.sleep(REFUSED_PAUSE_S)

    async def aclose(self) -> None:
        """Close the listener."""
        trio.lowlevel.notify_closing(self._listening)
        self._listening.close()
        await trio.lowlevel.checkpoint()

    def _take(self) -> trio.SocketStream | None:
        """Return the first waiting stream that may begin, None where none of them may.

        Raises:
            BlockingIOError: No stream waits.
        """
        for refused in range(LISTEN_BACKLOG):
            try:
                accepted, name = self._listening.accept()
            except BlockingIOError:
                if refused:
                    return None
                raise
            if self._may_begin(name[0] if name else ""):
                return trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
            accepted.close()
        return None

    async def _overcome(self, error: OSError) -> None:
        assert error.errno is not None, "accept(2) gives a number"
        if error.errno in _MISTAKES:
            raise error
        if error.errno in _SHORTAGES:
            self._report(errno.errorcode[error.errno])
            # Nothing tells when a descriptor is free again.
            await trio.sleep(SHORTAGE_PAUSE_S)


def patient(
    listeners: Sequence[trio.SocketListener], report: Report, may_begin: MayBegin = anybody
) -> list[PatientListener]:
    """Return listeners that accept from the sockets of these, which are closed then."""
    return [PatientListener(listener, report, may_begin) for listener in listeners]
