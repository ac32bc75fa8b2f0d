"""W2: one edit after the other, until each is visible on the other device."""

import threading
import time
from collections.abc import Iterator
from typing import Final

from daemons import Daemon, Stuck
from p2pvault.control.caller import Caller
from p2pvault.control.messages import JsonObject
from p2pvault.errors import DaemonUnreachable
from sample import path, scattered
from summary import Figures, percentile
from vaults import check_changed

SPACING_S: Final = 0.05
IDLE_S: Final = 5.0
LAST_S: Final = 10.0


class Watcher:
    """Notes when the events of one device's `watch` arrive."""

    def __init__(self, caller: Caller) -> None:
        self.seen: dict[str, float] = {}
        self._moved = threading.Condition()
        # Opened here, so that nothing is changed before the daemon watches.
        events = caller.stream("watch")
        threading.Thread(target=self._follow, args=[events], daemon=True).start()

    def wait(self, paths: set[str]) -> None:
        """Wait until each of these was seen."""
        with self._moved:
            if not self._moved.wait_for(lambda: paths <= self.seen.keys(), LAST_S):
                raise Stuck(f"{len(paths - self.seen.keys())} edits were not seen")

    def _follow(self, events: Iterator[JsonObject]) -> None:
        try:
            for event in events:
                at = time.monotonic()
                with self._moved:
                    self.seen.setdefault(str(event.get("path")), at)
                    self._moved.notify()
        except DaemonUnreachable:
            return  # the workload is over, and its connection with it


def edit_live(a: Daemon, b: Daemon, count: int, edits: int, rev: int) -> Figures:
    """Change one field of scattered records on A, evenly spaced, while B's subscriber watches.

    Latency is from the return of A's call, which is when the edit is durable there, to the event
    at B, which is sent when it is durable there too. It can be negative: A's answer and the link
    are served at the same time.
    """
    indices = [scattered(edit, count) for edit in range(edits)]
    with a.connect() as editor, b.connect() as subscriber:
        watcher = Watcher(subscriber)
        calls = _edit(editor, indices, rev)
        watcher.wait(set(map(path, indices)))
    check_changed(b, indices, rev)
    latencies = [watcher.seen[path(i)] - returned for i, (_, returned) in zip(indices, calls)]
    whole = [watcher.seen[path(i)] - called for i, (called, _) in zip(indices, calls)]
    local = [returned - called for called, returned in calls]
    return {
        **_spread("latency", latencies),
        **_spread("from_call", whole),
        **_spread("local_call", local),
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


def _spread(name: str, seconds: list[float]) -> Figures:
    return {
        f"{name}_p50_ms": percentile(seconds, 50) * 1e3,
        f"{name}_p99_ms": percentile(seconds, 99) * 1e3,
        f"{name}_max_ms": max(seconds) * 1e3,
    }
