"""Gives memory back to the system once bulk work is over.

A thousand records are loaded while a large batch is staged, and the store keeps the pages that it
reads and writes. Soon after, all of that is free or of no use, but it stays with the process:
SQLite keeps its cache, and the GNU C library what was freed. Both let go when they are asked to;
other C libraries are not asked.
"""

import ctypes
import sys
from collections.abc import Awaitable, Callable

import trio

from p2pvault.limits import BULK_BYTES, BULK_OVER_S


class Memory:
    """Waits for the end of bulk work; `run` must be running for anything to happen.

    Args:
        shrink: Empties the caches of the stores.
    """

    def __init__(self, shrink: Callable[[], Awaitable[None]]) -> None:
        self._shrink = shrink
        self._used = trio.Event()

    def used(self, size: int) -> None:
        """Take note that so many bytes were just written or read in one go."""
        if size >= BULK_BYTES:
            self._used.set()

    async def run(self) -> None:
        """Give memory back after each stretch of bulk work, until cancelled."""
        while True:
            await self._used.wait()
            while self._used.is_set():
                self._used = trio.Event()
                await trio.sleep(BULK_OVER_S)
            await self._shrink()
            _trim()


def _trim() -> None:
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
