"""The same workloads for automerge-repo, as fair to it as its design allows.

One document a record, whole strings as `ImmutableString`. It encrypts nothing and never calls
fsync, and there is no proof of equal content to wait for. Its own bound on changes of one document
is one message every 100 ms; W2 edits a different document each time, which it does not bound.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import process
from daemons import HOST, Stuck
from editing import LAST_S, SPACING_S
from proxy import Proxy
from repository import Repository
from reunion import AWAY_S, CHANGED
from sample import record, scattered
from summary import Figures, spread

PATIENCE_S: Final = 150.0
"""For one meeting or reunion; beyond it the size is too much for it."""

IDLE_S: Final = 5.0
"""Between W1 and W2, for what it writes late."""

QUIET_S: Final = 2.0
"""Silence that counts as being in sync: it does not say when it is."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A device that holds documents, and the names of those."""

    a: Repository
    ids: list[str]
    proxy: Proxy
    root: Path

    @contextmanager
    def other(self) -> Iterator[Repository]:
        """Run the other device, new or again."""
        with Repository("dial", self.proxy.port, self.root / "b") as b:
            yield b
            b.ask("flush")


@contextmanager
def filled(root: Path, count: int) -> Iterator[Filled]:
    """Run A with R(0) to R(count - 1) on disk, behind a counting proxy."""
    root.mkdir(parents=True)
    file = root / "records.json"
    file.write_text(json.dumps([record(index) for index in range(count)]))
    with (
        Repository("listen", 0, root / "a") as a,
        Proxy((HOST, 0), (HOST, a.port)) as proxy,
    ):
        yield Filled(a, a.ask("fill", file=str(file))["ids"], proxy, root)


def meet(filled: Filled, b: Repository) -> Figures:
    """W1: from B's process being ready to all documents there, the last with equal content."""
    held = b.ask("hold", ids=filled.ids, rev=1, patience_s=PATIENCE_S)
    if held["last"] != record(len(filled.ids) - 1):
        raise Stuck("automerge-repo holds something else than was written")
    seconds = held["at"] - b.ready
    return {
        "s": seconds,
        "from_start_s": held["at"] - b.began,
        "records_per_s": len(filled.ids) / seconds,
        "b_cpu_s": process.cpu_s(b.pid),
        "a_peak_rss_mb": process.memory(filled.a.pid).peak / 1e6,
        "b_peak_rss_mb": process.memory(b.pid).peak / 1e6,
        "bytes": filled.proxy.bytes,
        "bytes_per_record": filled.proxy.bytes / len(filled.ids),
    }


def edit_live(filled: Filled, b: Repository, edits: int, rev: int) -> Figures:
    """W2: from the return of A's change, which is not durable, to the event at B."""
    count = len(filled.ids)
    ids = [filled.ids[scattered(edit, count)] for edit in range(min(edits, count))]
    b.ask("watch", ids=ids)
    calls = filled.a.ask("edit", ids=ids, rev=rev, spacing_s=SPACING_S)["calls"]
    seen = b.ask("seen", ids=ids, patience_s=LAST_S)["at"]
    called, returned = zip(*calls, strict=True)
    return {**spread("latency", seen, returned), **spread("from_call", seen, called)}


def meet_unchanged(filled: Filled) -> Figures:
    """W3: until its last message, which is before B has loaded everything from its disk."""
    time.sleep(AWAY_S)
    filled.proxy.reset()
    with filled.other() as b:
        _wait_quiet(filled.proxy)
        return _since(filled.proxy, b, filled.proxy.last)


def meet_changed(filled: Filled, rev: int) -> Figures:
    """W4: until B has all changes."""
    count = len(filled.ids)
    ids = [filled.ids[number * count // CHANGED] for number in range(CHANGED)]
    filled.a.ask("edit", ids=ids, rev=rev, spacing_s=0.0)
    filled.a.ask("flush")
    time.sleep(AWAY_S)
    filled.proxy.reset()
    with filled.other() as b:
        complete = b.ask("hold", ids=ids, rev=rev, patience_s=PATIENCE_S)["at"]
        _wait_quiet(filled.proxy)
        return _since(filled.proxy, b, complete)


def _since(proxy: Proxy, b: Repository, end: float) -> Figures:
    assert proxy.began is not None, "it has no other way"
    return {
        "after_connect_ms": (end - proxy.began) * 1e3,
        "from_start_ms": (end - b.began) * 1e3,
        "bytes": proxy.bytes,
    }


def _wait_quiet(proxy: Proxy) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while proxy.began is None or time.monotonic() - proxy.last < QUIET_S:
        if time.monotonic() > deadline:
            raise Stuck(f"automerge-repo is not quiet after {PATIENCE_S:g} s")
        time.sleep(0.01)
