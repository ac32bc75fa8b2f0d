"""A bounded way for values from another thread into trio."""

import queue
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Carries values from any thread to the trio thread; drops the newest when full.

    Two stages of the same size, because trio lets other threads in only one callback at a time:
    `put` fills the first, a callback moves its content into the second, which trio code receives
    from. The callback is asked for idempotently, so a flood costs trio one callback, not one each.
    """

    def __init__(self, size: int, token: trio.lowlevel.TrioToken) -> None:
        self._arrived: queue.Queue[T] = queue.Queue(size)
        self._token = token
        self._send, self.receive = trio.open_memory_channel[T](size)
        self._refused = 0
        self._overflowed = 0

    @property
    def dropped(self) -> int:
        """How many values found no room."""
        return self._refused + self._overflowed

    def put(self, value: T) -> None:
        """Hand over a value; from one thread, which is never kept waiting."""
        try:
            self._arrived.put_nowait(value)
        except queue.Full:
            self._refused += 1
            return
        try:
            self._token.run_sync_soon(self._move, idempotent=True)
        except trio.RunFinishedError:
            # The daemon is gone while its mDNS thread still ends; nobody waits for the value.
            return

    def close(self) -> None:
        """End the channel; what is put from now on is lost."""
        self._send.close()

    def _move(self) -> None:
        while True:
            try:
                self._send.send_nowait(self._arrived.get_nowait())
            except queue.Empty:
                return
            except trio.WouldBlock:
                self._overflowed += 1
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
