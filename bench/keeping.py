"""Disk use after many edits, once the device has dropped and folded what it can."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from daemons import Daemon, Stuck, alone
from sample import path, record, scattered
from summary import Figures
from vaults import fill

from p2pvault.crypto.schedule import store_key
from p2pvault.limits import CHUNKS_BEFORE_FOLD
from p2pvault.store.home import HomeFiles
from p2pvault.store.port import Reader
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_reader

EDITS_MEANWHILE: Final = 100
"""Edits at a person's pace while the device tidies up, to see whether it makes them wait."""

_PATIENCE_S: Final = 1_800.0
_LOOK_S: Final = 0.5
_PACE_S: Final = 0.05


def keep_small(root: Path, count: int, edits: int) -> Figures:
    """Change one field of a record so many times, in a commit each, and wait until all is tidy.

    The content is what the records are kept as, with their whole history.
    """
    with alone(root) as daemon:
        files = HomeFiles(daemon.home.state)
        fill(daemon, count)
        began = time.monotonic()
        _edit(daemon, count, range(edits))
        edited = time.monotonic()
        grown = files.database.stat().st_size
        with closing(open_reader(daemon.home.state, store_key(load_master_key(files)))) as reader:
            _wait(lambda: _first(reader) > 1)
            times = _edit_slowly(daemon, count, edits)
            _wait(lambda: _is_tidy(reader))
            tidy = time.monotonic()
            content = _content_bytes(reader)
        daemon.stop()
        disk = files.database.stat().st_size
    values = sum(len(json.dumps(record(i), separators=(",", ":"))) for i in range(count))
    return {
        "edits_per_s": edits / (edited - began),
        "grown_mb": grown / 1e6,
        "tidy_s": tidy - edited,
        "edit_p50_ms": times[len(times) // 2] * 1e3,
        "edit_most_ms": times[-1] * 1e3,
        "disk_mb": disk / 1e6,
        "content_mb": content / 1e6,
        "disk_over_content": disk / content,
        "disk_over_json": disk / values,
    }


def _edit(daemon: Daemon, count: int, numbers: range) -> list[float]:
    times = []
    with daemon.connect() as caller:
        for number in numbers:
            began = time.monotonic()
            target = path(scattered(number, count))
            caller.call("set", path=target, puts=[[["rev"], number + 2]], deletes=[])
            times.append(time.monotonic() - began)
    return times


def _edit_slowly(daemon: Daemon, count: int, first: int) -> list[float]:
    """Return how long edits take at a person's pace, sorted."""
    times: list[float] = []
    for number in range(first, first + EDITS_MEANWHILE):
        times += _edit(daemon, count, range(number, number + 1))
        time.sleep(_PACE_S)
    return sorted(times)


def _wait(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        if time.monotonic() > deadline:
            raise Stuck("the device does not tidy up")
        time.sleep(_LOOK_S)


def _first(reader: Reader) -> int:
    """Return the number of the first entry that is kept, a large one if none is."""
    entries = reader.entries(0, 0)
    return entries[0].n if entries else 2**31


def _is_tidy(reader: Reader) -> bool:
    found = reader.surplus(
        [(head.author, head.n) for head in reader.state().journals], CHUNKS_BEFORE_FOLD
    )
    return not found.dropped and not found.crowded and found.free_pages * 8 <= found.pages


def _content_bytes(reader: Reader) -> int:
    size, after = 0, None
    while page := reader.records_behind(after, 1 << 20):
        size += sum(len(chunk) for stored in page for chunk in stored.chunks)
        after = page[-1].row.id
    return size
