"""A home on a disk that is really full or really read-only, as the kernel makes it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness import small_disk
from harness.daemons import LOOPBACK, Device, Fleet, wait_synced
from harness.small_disk import SmallDisk
from harness.soundness import assert_sound
from p2pvault.limits import KIB

REASON = small_disk.unavailable()

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

ROOM_STEP_BYTES = 16 * KIB
"""Four pages: every so many bytes of room a write gets a little further."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk.small_disk(place, "24m") as made:
        yield made


@pytest.fixture
def device(fleet: Fleet, disk: SmallDisk) -> Iterator[Device]:
    """A device without a vault whose home is on that disk."""
    inside = str(disk.place / "home")
    made = fleet.device("laptop", LOOPBACK, lambda *words: disk.command(*words, "--home", inside))
    made.home = disk.outside / "home"
    yield made
    fleet.close()  # before the disk goes


def check_store(device: Device) -> None:
    """Check a copy of the store: SQLite finds its files by their real path, which is inside."""
    device.stop()
    with TemporaryDirectory() as directory:
        copy = Path(directory) / "home"
        shutil.copytree(device.home, copy)
        assert_sound(copy)


def bulk(number: int) -> bytes:
    rows = (f'{{"path": "n/{n:04}", "value": {{"n": {number}}}}}\n' for n in range(400))
    return "".join(rows).encode()


def test_a_disk_that_fills_up_refuses_writes_until_there_is_room(
    fleet: Fleet, device: Device, disk: SmallDisk
) -> None:
    device.start()
    device.do("init", "--name", "laptop")
    phone = fleet.member(device, "phone")
    device.do("set", "--stdin", stdin=bulk(0))
    wait_synced(device, phone)
    held, refused = 0, 0
    for attempt in range(1, 13):
        disk.fill(leave_bytes=(attempt - 1) * ROOM_STEP_BYTES)
        done = device.run("--json", "set", "--stdin", stdin=bulk(attempt))
        if done.code == 0:
            held = attempt
        else:
            assert (done.code, done.error["code"]) == (1, "disk_full")
            refused += 1
        assert device.value("n/0399") == {"n": held}
        disk.relieve()
    assert refused
    phone.do("set", "notes/two", "body=1")
    device.do("set", "--stdin", stdin=bulk(99))
    wait_synced(device, phone)
    assert device.paths() == phone.paths()
    assert phone.value("n/0000") == {"n": 99}
    assert device.ask("status")["problems"] == []
    check_store(device)


def test_no_room_for_a_vault_is_said_and_leaves_a_home_that_works(
    device: Device, disk: SmallDisk
) -> None:
    device.start()
    refused = 0
    for room in range(0, 20 * ROOM_STEP_BYTES, ROOM_STEP_BYTES // 2):
        disk.fill(leave_bytes=room)
        done = device.run("--json", "init", "--name", "laptop")
        disk.relieve()
        if done.code == 0:
            break
        assert (done.code, done.error["code"]) == (1, "disk_full"), done.error
        refused += 1
    assert refused
    device.do("set", "notes/one", "body=1")
    check_store(device)
    device.start()
    assert device.paths() == ["notes/one"]


def test_a_daemon_starts_on_a_full_disk_and_reads(device: Device, disk: SmallDisk) -> None:
    device.start()
    device.do("init", "--name", "laptop")
    device.do("set", "notes/one", "body=1")
    device.kill()
    disk.fill()
    device.start()
    assert device.value("notes/one") == {"body": "1"}
    assert device.refused("set", "--stdin", stdin=bulk(1)) == (1, "disk_full")
    disk.relieve()
    device.do("set", "notes/one", "body=2")
    device.kill()
    device.start()
    assert device.value("notes/one") == {"body": "2"}


def test_a_read_only_disk_is_one_clear_line(device: Device, disk: SmallDisk) -> None:
    device.start()
    device.do("init", "--name", "laptop")
    device.stop()
    disk.set_read_only(read_only=True)
    code, line = device.refuse_to_start()
    assert code in {1, 2}
    assert "read-only" in line.lower()
    disk.set_read_only(read_only=False)
    device.start()
    assert device.paths() == []
