"""Disks that are full, broken or read-only under a running daemon.

Whatever call fails: whoever asked is told why, the daemon lives, what was acknowledged is there,
and it goes on by itself once the disk does.
"""

import errno
import resource
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from harness import faulty
from harness.daemons import LOOPBACK, Device, Fleet, wait_synced
from harness.faulty import Calls, Faults
from harness.soundness import assert_sound
from p2pvault.control.caller import Caller, connect
from p2pvault.control.home import find_home
from p2pvault.control.messages import Json
from p2pvault.errors import StoreError, VaultError
from p2pvault.limits import KIB

REASON = faulty.unavailable()

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

MANY = 400
"""Records in a large write: some 150 pages of the log."""

PROSE_BITS = 800

PHOTO_BYTES = 200 * KIB
"""Of a record that takes 100 pages: a tenth of the log that leads to a checkpoint."""

SIZE_BYTES = 64 * KIB
"""Less than a large write takes in the log."""


@dataclass
class Frail:
    """A laptop on a bad disk, a phone on a good one, and what the laptop has acknowledged."""

    laptop: Device
    phone: Device
    faults: Faults
    acknowledged: dict[str, int] = field(default_factory=dict)
    edits: Iterator[int] = field(default_factory=count)

    def write(self, records: int) -> None:
        """Write so many records at once; they are acknowledged when this returns."""
        number = next(self.edits)
        prose = f"{Random(number).getrandbits(PROSE_BITS):x}"
        paths = [f"bulk/{n:04}" for n in range(records)]
        self._set({path: {"n": number, "prose": prose} for path in paths}, number)

    def write_photo(self) -> None:
        """Write one large record; it is acknowledged when this returns."""
        number = next(self.edits)
        photo = b64encode(Random(number).randbytes(PHOTO_BYTES)).decode()
        self._set({f"photos/{number}": {"n": number, "photo": {"$bytes": photo}}}, number)

    def _set(self, values: dict[str, Json], number: int) -> None:
        rows: list[Json] = [{"path": path, "value": value} for path, value in values.items()]
        with connect(find_home(self.laptop.home)) as caller:
            caller.call("set_many", records=rows)
        self.acknowledged |= dict.fromkeys(values, number)

    def is_refused(self, records: int) -> str | None:
        """Try to write; return the code of the refusal, None where it went through."""
        try:
            self.write(records)
        except VaultError as error:
            return error.code
        return None

    def told(self) -> list[str]:
        """Return the codes of the problems that `status` names."""
        with connect(find_home(self.laptop.home)) as caller:
            problems = caller.call("status")["problems"]
        assert isinstance(problems, list)
        return [str(problem["code"]) for problem in problems if isinstance(problem, dict)]

    def held_by(self, device: Device) -> dict[str, int]:
        """Read the number of each acknowledged record on a device."""
        with connect(find_home(device.home)) as caller:
            return {path: number(caller, path) for path in self.acknowledged}


def number(caller: Caller, path: str) -> int:
    """Read the number of a record."""
    value = caller.call("get", path=path, field="n")["value"]
    assert isinstance(value, int)
    return value


@pytest.fixture(scope="module")
def frail(shared: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frail]:
    """Both devices; after all tests of the module the daemon is the same, and all is well."""
    faults = Faults(tmp_path_factory.mktemp("faults"), "laptop", shared.directory)
    laptop = shared.device("laptop", LOOPBACK, faults.command)
    laptop.do("init", "--name", "laptop")
    laptop.start()
    pid = laptop.daemon.process.pid
    made = Frail(laptop, shared.member(laptop, "phone"), faults)
    yield made
    wait_synced(made.laptop, made.phone)
    assert made.held_by(made.phone) == made.acknowledged
    assert laptop.daemon.process.pid == pid, "it lived through all of it"
    laptop.stop()
    assert_sound(laptop.home)


@pytest.fixture(autouse=True)
def nothing_is_lost(frail: Frail) -> Iterator[None]:
    """Whatever a test does, what was acknowledged is there, and more can be written."""
    yield
    frail.faults.relieve()
    frail.write(1)
    assert frail.told() == []
    assert frail.held_by(frail.laptop) == frail.acknowledged


FAILURES = [
    pytest.param(Calls.WRITE, errno.ENOSPC, "disk_full", id="full"),
    pytest.param(Calls.WRITE, errno.EDQUOT, "store_unwritable", id="quota"),
    pytest.param(Calls.WRITE, errno.EIO, "store_unwritable", id="broken"),
    pytest.param(Calls.WRITE, 0, "disk_full", id="short"),
    pytest.param(Calls.WRITE, errno.EROFS, "store_unwritable", id="read-only"),
    pytest.param(Calls.SYNC, errno.EIO, "store_unwritable", id="sync"),
]


@pytest.mark.parametrize(("calls", "code", "error"), FAILURES)
def test_every_call_of_a_small_write_may_be_the_first_that_fails(
    frail: Frail, calls: Calls, code: int, error: str
) -> None:
    for good in count():
        frail.faults.arm(calls, code, good)
        refused = frail.is_refused(1)
        hits = frail.faults.hits
        told = frail.told()
        frail.faults.relieve()
        frail.write(1)
        if not hits:
            break
        assert refused == error, good
        assert told == [error], good
    assert refused is None
    assert good > 0


@pytest.mark.parametrize(("calls", "code", "error"), FAILURES)
def test_a_large_write_fails_whole_wherever_the_failing_calls_are(
    frail: Frail, calls: Calls, code: int, error: str
) -> None:
    frail.faults.arm(calls | Calls.LOG, errno.EIO, bad=0)
    frail.write(MANY)
    made = frail.faults.seen
    for good in range(0, made, max(1, made // 6)):
        frail.faults.arm(calls | Calls.LOG, code, good, bad=2)
        refused = frail.is_refused(MANY)
        # SQLite goes on after a call that took a part; only one that takes nothing is a full disk.
        assert refused == (error if frail.faults.hits and code else None)
    assert made > 1 or calls is Calls.SYNC


@pytest.mark.parametrize(("calls", "code", "error"), FAILURES)
def test_a_checkpoint_that_fails_is_made_up_for(
    frail: Frail, calls: Calls, code: int, error: str
) -> None:
    """What a checkpoint moves is durable in the log, so no write is refused because of it."""
    del error
    frail.faults.arm(calls | Calls.DATABASE, code, 10 if calls is Calls.WRITE else 0, bad=2)
    frail.write(MANY)
    while not frail.faults.hits:
        frail.write_photo()


def test_what_arrives_while_the_disk_is_full_arrives_later(frail: Frail) -> None:
    frail.faults.arm(Calls.CHANGE, errno.ENOSPC)
    frail.phone.do("set", "notes/arriving", "body=1")
    frail.laptop.daemon.wait_event("link_failed")
    assert frail.laptop.refused("get", "notes/arriving") == (5, "not_found")
    assert frail.told() == ["disk_full"]
    frail.faults.relieve()
    wait_synced(frail.laptop, frail.phone)
    assert frail.laptop.value("notes/arriving") == {"body": "1"}


def test_pages_that_cannot_be_read_are_refused_and_read_later(frail: Frail) -> None:
    frail.write(MANY)
    refused = []
    with connect(find_home(frail.laptop.home)) as caller:
        for good in range(40):
            path = f"bulk/{good * 10:04}"
            frail.faults.arm(Calls.READ, errno.EIO, good % 8)
            try:
                caller.call("get", path=path)
            except StoreError as error:
                refused.append(error.code)
            frail.faults.relieve()
            assert number(caller, path) == frail.acknowledged[path]
    # SQLCipher decrypts what was not read, and finds that it does not check out.
    assert set(refused) == {"store_corrupt"}


def test_a_file_that_must_not_grow_refuses_what_would_let_it(frail: Frail) -> None:
    pid = frail.laptop.daemon.process.pid
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (SIZE_BYTES, usual[1]))
    refused = frail.is_refused(MANY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
    assert refused == "store_unwritable"
