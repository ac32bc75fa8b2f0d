"""Streams: what the core calls a link is here a socket, a queue of bytes and two tasks.

Bytes go out in the order in which they were given; one slow peer fills its own queue, and at its
bound the stream is ended. A stream that ends, for whatever reason, says so exactly once.
"""

from collections import deque
from collections.abc import Callable

import trio

from p2pvault.core import io
from p2pvault.limits import KIB, WRITE_QUEUE_BYTES_MAX, WRITE_STALL_S
from p2pvault.types import LinkId

_READ_BYTES = 256 * KIB
"""One read; four frames of the largest size."""

_PIECE_BYTES = 256 * KIB
"""One write; the stall limit counts from piece to piece."""

Feed = Callable[[io.Input], None]


class Stream:
    """One connected stream.

    Attributes:
        host: The address of this machine that it hangs on; None where that is not known.
    """

    def __init__(
        self, link: LinkId, stream: trio.abc.Stream, feed: Feed, host: str | None = None
    ) -> None:
        self.host = host
        self._link = link
        self._stream = stream
        self._feed = feed
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake_writer = trio.Event()
        self._closing = False
        self._scope = trio.CancelScope()

    def write(self, data: bytes) -> None:
        """Queue bytes; a peer that does not take them loses its link."""
        self._queue.append(data)
        self._queued_bytes += len(data)
        if self._queued_bytes > WRITE_QUEUE_BYTES_MAX:
            self.cut()
        self._wake_writer.set()

    def hang_up(self) -> None:
        """Close once everything queued is written."""
        self._closing = True
        self._wake_writer.set()

    def cut(self) -> None:
        """Close at once; what is queued is lost."""
        self._scope.cancel()

    async def run(self) -> None:
        """Carry bytes until the stream ends; says LinkDown at the end, also when cancelled."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_all, nursery.cancel_scope)
                    await self._read_all()
                    nursery.cancel_scope.cancel()
        finally:
            try:
                # A checkpoint, so a cancellation from outside gets no further than this.
                await trio.aclose_forcefully(self._stream)
            finally:
                self._feed(io.LinkDown(self._link))

    async def _read_all(self) -> None:
        while True:
            try:
                data = await self._stream.receive_some(_READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            self._feed(io.BytesReceived(self._link, bytes(data)))

    async def _write_all(self, everything: trio.CancelScope) -> None:
        while True:
            await self._wake_writer.wait()
            self._wake_writer = trio.Event()
            if not await self._drain():
                break
            if self._closing:
                await self._finish()
                break
            self._feed(io.Writable(self._link))
        everything.cancel()

    async def _drain(self) -> bool:
        """Write what is queued; return False when the stream does not take it."""
        while self._queue:
            data = memoryview(b"".join(self._queue))
            self._queue.clear()
            for start in range(0, len(data), _PIECE_BYTES):
                if not await self._send(data[start : start + _PIECE_BYTES]):
                    return False
            self._queued_bytes -= len(data)
        return True

    async def _send(self, piece: memoryview) -> bool:
        with trio.move_on_after(WRITE_STALL_S):
            try:
                await self._stream.send_all(piece)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True
        return False

    async def _finish(self) -> None:
        """End our direction, so that the peer reads everything before it sees the end."""
        if not isinstance(self._stream, trio.abc.HalfCloseableStream):
            return
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
