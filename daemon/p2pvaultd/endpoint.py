"""The control socket: where programs of the same user reach the daemon, and nobody else.

The socket has mode 0600 in a directory of mode 0700, and every caller's uid is asked of the
kernel besides. A lock beside the socket says whether its daemon lives, so a socket that a dead
daemon left is replaced and a living one is never disturbed.
"""

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
import trio

from p2pvault.control.home import private_directory, short_path
from p2pvault.control.messages import Failure, encode, fault_from
from p2pvault.errors import ConfigError, Refused, StoreInUse
from p2pvault.limits import CONTROL_CALLERS_MAX
from p2pvault.net.patience import patient
from p2pvault.node.shell import cannot_accept
from p2pvault.store.lock import ExclusiveLock
from p2pvaultd.conversation import converse
from p2pvaultd.methods import Methods

_log = structlog.get_logger()

_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


@contextmanager
def open_endpoint(path: Path) -> Iterator[trio.SocketListener]:
    """Listen on the control socket; the file goes away with the context.

    Raises:
        StoreInUse: A living daemon answers there.
        ConfigError: The directory cannot be used, or is not ours alone.
    """
    private_directory(path.parent)
    lock = _lock(path)
    try:
        with _bind(path) as listening:
            try:
                yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))
            finally:
                # The next daemon replaces what cannot be removed, on a disk that fails by then.
                with suppress(OSError):
                    path.unlink(missing_ok=True)
    finally:
        lock.release()


async def serve_callers(
    listener: trio.SocketListener, methods: Callable[[], Awaitable[Methods]]
) -> None:
    """Accept callers for ever, each with a method table of its own."""
    callers = trio.CapacityLimiter(CONTROL_CALLERS_MAX)

    async def serve(stream: trio.SocketStream) -> None:
        uid = caller_uid(stream.socket)
        if uid != os.geteuid():
            _log.warning("foreign_caller_refused", uid=uid)
            await stream.aclose()
        elif callers.available_tokens < 1:
            await _turn_away(stream)
        else:
            async with callers:
                await converse(stream, await methods())

    await trio.serve_listeners(serve, patient([listener], cannot_accept))


def caller_uid(caller: trio.socket.SocketType) -> int:
    """Ask the kernel who called: the uid at the time of `connect`, see unix(7)."""
    answer = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(answer)
    return int(uid)


def _lock(path: Path) -> ExclusiveLock:
    try:
        return ExclusiveLock(path.with_suffix(".lock"))
    except StoreInUse as error:
        raise StoreInUse(f"another daemon answers on {path}") from error


def _bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with short_path(path) as name:
            listener.bind(name)
        # Nobody else can reach it in the meantime: the directory is closed already.
        path.chmod(0o600)
        listener.listen(CONTROL_CALLERS_MAX)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{path} cannot be listened on: {error.strerror}") from error
    return listener


async def _turn_away(stream: trio.SocketStream) -> None:
    busy = Refused(
        f"{CONTROL_CALLERS_MAX} programs use the daemon already",
        hint="Close some of them, for example forgotten `p2pvault watch`.",
    )
    _log.warning("too_many_callers", limit=CONTROL_CALLERS_MAX)
    # A fresh connection's buffer takes this line at once; who does not read it loses it.
    with suppress(trio.BrokenResourceError):
        async with stream:
            await stream.send_all(encode(Failure(None, fault_from(busy))))
