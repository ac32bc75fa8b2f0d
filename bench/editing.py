"""W2: one edit after the other, until each is visible on the other device."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from daemons import Daemon, Stuck
from sample import path, scattered
from summary import Figures, spread
from vaults import check_changed

from p2pvault.control.caller import Caller
from p2pvault.control.messages import JsonObject
from p2pvault.errors import DaemonUnreachable

SPACING_S: Final = 0.05
LAST_S: Final = 10.0


class Watcher:
    """Notes when changes of the awaited records arrive at one device's subscriber."""

    def __init__(self, caller: Caller, awaited: set[str]) -> None:
        self.seen: dict[str, float] = {}
        self._awaited = awaited
        # Opened here, so that nothing is changed before the daemon watches.
        events = caller.stream("watch")
        self._reader = threading.Thread(target=self._follow, args=[events], daemon=True)
        self._reader.start()

    def wait(self) -> None:
        """Wait until all were seen."""
        self._reader.join(LAST_S)
        if self._awaited:
            raise Stuck(f"{len(self._awaited)} edits were not seen within {LAST_S:g} s")

    def _follow(self, events: Iterator[JsonObject]) -> None:
        # After a failure the connection is closed under this thread, which ends it.
        with suppress(DaemonUnreachable, OSError):
            while self._awaited:
                changed = str(next(events).get("path"))
                self.seen[changed] = time.monotonic()
                self._awaited.discard(changed)


def edit_live(a: Daemon, b: Daemon, count: int, edits: int, rev: int) -> Figures:
    """Change one field of scattered records on A, evenly spaced, while B's subscriber watches.

    Latency is from the return of A's call, which is when the edit is durable there, to the event
    at B, which is sent when it is durable there too. It can be negative: A's answer and the link
    are served at the same time.
    """
    indices = [scattered(edit, count) for edit in range(edits)]
    with a.connect() as editor, b.connect() as subscriber:
        watcher = Watcher(subscriber, set(map(path, indices)))
        calls = _edit(editor, indices, rev)
        watcher.wait()
    check_changed(b, indices, rev)
    seen = [watcher.seen[path(index)] for index in indices]
    called, returned = zip(*calls, strict=True)
    return {
        **spread("latency", seen, returned),
        **spread("from_call", seen, called),
        **spread("local_call", returned, called),
    }


def _edit(editor: Caller, indices: list[int], rev: int) -> list[tuple[float, float]]:
    calls = []
    due = time.monotonic()
    for index in indices:
        time.sleep(max(0.0, due - time.monotonic()))
        due += SPACING_S
        called = time.monotonic()
        editor.call("set", path=path(index), puts=[[["rev"], rev]], deletes=[])
        calls.append((called, time.monotonic()))
    return calls
