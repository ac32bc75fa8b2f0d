"""`verify` against a daemon whose disk is damaged, or fails while it looks: the daemon lives."""

import errno
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from harness import faulty
from harness.bad_pages import flip, root_page
from harness.daemons import LOOPBACK, Device, Fleet
from harness.faulty import Calls, Faults
from p2pvault.control.caller import connect
from p2pvault.control.home import find_home
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import VaultError
from p2pvault.store.cipher import Connection
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store

REASON = faulty.unavailable()

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

RECORDS = 12


@pytest.fixture
def laptop(fleet: Fleet, tmp_path: Path) -> Iterator[tuple[Device, Faults]]:
    """A device with a few records on a bad disk, whose one daemon lives to the end of the test."""
    faults = Faults(tmp_path, "laptop", fleet.directory)
    device = fleet.device("laptop", LOOPBACK, faults.command)
    device.do("init", "--name", "laptop")
    device.start()
    rows = "".join(f'{{"path": "notes/{n}", "value": {{"n": {n}}}}}\n' for n in range(RECORDS))
    device.do("set", "--stdin", stdin=rows.encode())
    device.stop()
    yield device, faults
    faults.relieve()
    assert device.ask("status")["vault"]["records"] == RECORDS
    device.stop()


def files_of(device: Device) -> HomeFiles:
    return HomeFiles(find_home(device.home).state)


@contextmanager
def opened(device: Device) -> Iterator[Connection]:
    """Open a store whose daemon does not run."""
    files = files_of(device)
    with closing(open_store(files.home, store_key(load_master_key(files)))) as store:
        yield store._connection


def test_a_repair_meets_a_page_that_cannot_be_read(laptop: tuple[Device, Faults]) -> None:
    device, _ = laptop
    with opened(device) as connection:
        page = root_page(connection, "sqlite_autoindex_records_1")
    flip(files_of(device).database, page)
    device.start()
    done = device.run("verify", "--repair")
    assert done.code == 1
    assert "unreadable fingerprints" in done.text
    looked = "Looked at 0 records, deleted ones too, and 1 journal entry.\n"
    assert done.text.endswith(f"findings. {looked}")
    assert "repaired" not in done.text
    assert done.messages.startswith("Stop the daemon and run")


def test_a_repair_that_the_disk_refuses_is_an_error(laptop: tuple[Device, Faults]) -> None:
    device, faults = laptop
    with opened(device) as connection:
        connection.execute("UPDATE fingerprints SET total = zeroblob(32)")
    device.start()
    faults.arm(Calls.WRITE, errno.ENOSPC)
    done = device.run("verify", "--repair")
    assert "fingerprint notes: its fingerprint is not that of its records" in done.text
    assert (done.code, done.messages.count("disk is full")) == (1, 1), done
    faults.relieve()
    assert device.do("verify", "--repair").endswith(
        "1 of them repaired. Looked at 12 records, deleted ones too, and 1 journal entry.\n"
    )


def test_every_read_of_a_run_may_be_the_one_that_fails(laptop: tuple[Device, Faults]) -> None:
    device, faults = laptop
    device.start()
    ended: set[str] = set()
    for good in count():
        faults.arm(Calls.READ, errno.EIO, good, bad=1)
        ended.add(outcome(device))
        if not faults.hits:
            break
    assert good > RECORDS
    assert ended == {"sound", "damaged", "store_corrupt"}


def outcome(device: Device) -> str:
    """Run a repair; say how it ended."""
    with connect(find_home(device.home)) as caller:
        try:
            events = list(caller.stream("verify", repair=True))
        except VaultError as error:
            return error.code
    assert events[-1]["event"] == "verified", events
    return "damaged" if events[-1]["findings"] else "sound"
