"""One long-lived thread that owns one store, and the way to it from trio.

SQLite connections belong to a thread, and one thread makes the order of calls the order of
commits. A thread per call (`trio.to_thread`) could keep neither promise. The same worker serves
a reader, so that long reads do not wait behind writes.

A call either raises `trio.Cancelled` and never runs, or runs to its end and is answered: once it
is queued, its caller waits for it whatever happens. So no batch is ever written behind the back
of a caller who was told that it was not.
"""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import trio

from p2pvault.limits import STORE_CALLS_QUEUED_MAX


class Closable(Protocol):
    """What a worker can own: a `Store` or a `Reader`."""

    def close(self) -> None:
        """Let go of the files."""
        ...


T = TypeVar("T")
S = TypeVar("S", bound=Closable)


class _Thread:
    """A single thread that runs calls in the order in which they are handed over."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._token = trio.lowlevel.current_trio_token()

    async def perform(self, call: Callable[[], T]) -> T:
        """Queue a call at once, and wait until it has ended, cancelled or not."""
        ended = trio.Event()
        future = self._executor.submit(call)
        future.add_done_callback(lambda _: self._token.run_sync_soon(ended.set))
        with trio.CancelScope(shield=True):
            await ended.wait()
        return future.result()

    def join(self) -> None:
        """End the thread. It is idle by now, so this does not block."""
        self._executor.shutdown()


class StoreWorker(Generic[S]):
    """The way from trio tasks to a store that lives in a thread; made by `open_worker`."""

    def __init__(self, thread: _Thread, store: S) -> None:
        self._thread = thread
        self._store = store
        self._turn = trio.StrictFIFOLock()
        self._room = trio.Semaphore(STORE_CALLS_QUEUED_MAX)

    async def run(self, call: Callable[[S], T]) -> T:
        """Run a call in the store's thread, after all calls made before it.

        Args:
            call: Gets the store. It must not keep it.

        Returns:
            What the call returns; what it raises is raised here.

        Raises:
            trio.Cancelled: While waiting for room in the queue; the call never runs.
        """
        async with self._turn:
            await self._room.acquire()
        try:
            return await self._thread.perform(lambda: call(self._store))
        finally:
            self._room.release()


@asynccontextmanager
async def open_worker(
    opener: Callable[[], S], *, name: str = "store"
) -> AsyncIterator[StoreWorker[S]]:
    """Open a store in a thread of its own, and close it there at the end.

    Args:
        opener: Opens the store; runs in the new thread.
        name: What the thread is called, for whoever looks at the process.

    Raises:
        StoreError: What `opener`, or closing, raises.
    """
    thread = _Thread(name)
    try:
        store = await thread.perform(opener)
        try:
            yield StoreWorker(thread, store)
        finally:
            await thread.perform(store.close)
    finally:
        thread.join()
