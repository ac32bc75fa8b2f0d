"""Programs that use a store in a process of their own, to be killed or starved by a test.

Run as `python store_child.py PROGRAM HOME [ARGUMENT]`; each prints what it did, line by line.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

# The directory of this file is on the path of a script, not the one above.
sys.path.insert(0, str(Path(__file__).parent.parent))

from harness.batches import numbered
from p2pvault.errors import StoreError
from p2pvault.store.sqlite import open_store

KEY = bytes(range(32))


def report(*items: object) -> None:
    """Send one line to the test, at once."""
    sys.stdout.write(" ".join(map(str, items)) + "\n")
    sys.stdout.flush()


def write_for_ever(home: Path) -> None:
    """Persist numbered batches, and print each number once it is durable.

    The next batch is at hand before the number is printed, so that whoever kills this process on
    reading a number hits it inside `persist`.
    """
    store = open_store(home, KEY, create=True)
    first = store.state().last_arrival + 1
    batch = numbered(first)
    for n in count(first):
        store.persist(batch)
        batch = numbered(n + 1)
        report(n)


def die_in_the_next_batch(home: Path, after_us: str) -> None:
    """Persist a few numbered batches, and be ended by the kernel some time into the next one.

    Nothing handles SIGALRM here, so the process is gone at that instant, as after SIGKILL.
    """
    store = open_store(home, KEY, create=True)
    first = store.state().last_arrival + 1
    for n in range(first, first + 3):
        store.persist(numbered(n))
        report(n)
    batch = numbered(first + 3)
    signal.setitimer(signal.ITIMER_REAL, int(after_us) / 1e6)
    store.persist(batch)
    report(first + 3)
    signal.pause()


def write_until_refused(home: Path, relieve: Callable[[], None]) -> None:
    """Persist until the store refuses, relieve it, and go on with the same batch.

    Prints the error, the entries held after it, and those held in the end.
    """
    store = open_store(home, KEY, create=True)
    for n in count(1):
        try:
            store.persist(numbered(n))
        except StoreError as error:
            report(type(error).__name__)
            break
    report(n - 1, store.state().last_arrival, store.count())
    relieve()
    store.persist(numbered(n))
    report(n, store.state().last_arrival, store.count())
    store.close()


def fill_file_size_limit(home: Path) -> None:
    """Let no file grow beyond 1 MiB, then lift the limit. Python ignores SIGXFSZ by itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    write_until_refused(home, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))


def fill_disk(home: Path) -> None:
    """Fill a small disk that also holds a ballast file, then remove the ballast."""
    ballast = home / "ballast"
    ballast.write_bytes(bytes(2**19))
    write_until_refused(home, ballast.unlink)


def make_with_little_room(home: Path) -> None:
    """Make a store on a disk with no room, with a page more, and so on; print each refusal."""
    for pages in count():
        ballast, place = home / "ballast", home / f"store{pages}"
        room = os.statvfs(home)
        ballast.write_bytes(bytes((room.f_bavail - pages) * room.f_frsize))
        try:
            open_store(place, KEY, create=True).close()
        except StoreError as error:
            report(type(error).__name__)
        else:
            return
        finally:
            ballast.unlink()
            shutil.rmtree(place, ignore_errors=True)


def open_on_read_only_disk(home: Path) -> None:
    """Fill a store, make its disk read-only, and open it again."""
    store = open_store(home, KEY, create=True)
    store.persist(numbered(1))
    store.close()
    subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True)
    try:
        open_store(home, KEY)
    except StoreError as error:
        report(type(error).__name__)


def repair(home: Path) -> None:
    """Verify and repair a home; print the kind of each event, or the error that ended it."""
    from p2pvault.node.offline import verify_home  # noqa: PLC0415 (the others start without it)

    try:
        for event in verify_home(home, repair=True):
            report(type(event).__name__, getattr(event, "kind", ""))
    except StoreError as error:
        report(type(error).__name__)


def take_over_from(home: Path, backup: str, seed: str) -> None:
    """Take a vault over into a home that may not be there; print the end, or the error."""
    from p2pvault.core.takeover import Takeover  # noqa: PLC0415 (as in `repair`)
    from p2pvault.node.takeover import take_over  # noqa: PLC0415

    try:
        for event in take_over(home, Path(backup), Takeover(bytes.fromhex(seed), "new")):
            last = event
        report(type(last).__name__)
    except StoreError as error:
        report(type(error).__name__, error.hint)


PROGRAMS: dict[str, Callable[..., None]] = {
    program.__name__: program
    for program in (
        write_for_ever,
        die_in_the_next_batch,
        fill_file_size_limit,
        fill_disk,
        make_with_little_room,
        open_on_read_only_disk,
        repair,
        take_over_from,
    )
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
