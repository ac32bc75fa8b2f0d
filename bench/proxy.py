"""A TCP proxy that counts: how many bytes a link really costs, and when it began.

It stands on the address that the dialling side knows, and passes everything on unchanged.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

Place = tuple[str, int]

_READ_BYTES: Final = 65_536
_DIAL_S: Final = 5.0


class Proxy:
    """Counts the payload of every connection, both directions together; a context manager."""

    def __init__(self, here: Place, there: Place) -> None:
        self._there = there
        self._listener = socket.create_server(here)
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._bytes = 0
        self._began: list[float] = []
        self._last = 0.0
        _spawn(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A thread that waits in `accept` notices a shutdown, not a close.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in self._open:
            _hang_up(stream)
            stream.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def bytes(self) -> int:
        """Payload since the last `reset`."""
        with self._lock:
            return self._bytes

    @property
    def began(self) -> float | None:
        """When the first connection since the last `reset` came; monotonic seconds."""
        with self._lock:
            return self._began[0] if self._began else None

    @property
    def last(self) -> float:
        """When something last happened, a connection or data; monotonic seconds."""
        with self._lock:
            return self._last

    def reset(self) -> None:
        """Count from zero."""
        with self._lock:
            self._bytes = 0
            self._began.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                stream, _ = self._listener.accept()
                with self._lock:
                    self._last = time.monotonic()
                    self._began.append(self._last)
                self._join(stream)

    def _join(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._there, timeout=_DIAL_S)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        self._open += [near, far]
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _spawn(self._pass_on, one, other)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_READ_BYTES):
                with self._lock:
                    self._bytes += len(data)
                    self._last = time.monotonic()
                target.sendall(data)
        _hang_up(source)
        _hang_up(target)


def _hang_up(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def _spawn(work: Callable[..., None], *arguments: socket.socket) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()
