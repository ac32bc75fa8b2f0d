"""Homes that are rolled back and copied under real daemons, in every way of the table.

Whatever happens, no number is used twice for two things, the devices end equal, and the person is
told. What the store itself notices is in tests/unit/test_store_witness.py, way by way.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.daemons import Device, Fleet, wait_synced
from harness.soundness import assert_no_number_twice

pytestmark = pytest.mark.e2e

DATABASE = ("vault.db", "vault.db-wal", "vault.db-shm")


def copy_of(home: Path, name: str) -> Path:
    """Copy all of a home that can be copied, with times and modes."""
    to = home.with_name(f"{home.name}-{name}")
    to.mkdir(mode=0o700)
    for path in home.iterdir():
        if path.is_file():
            shutil.copy2(path, to)
    return to


def put_back(backup: Path, home: Path, names: tuple[str, ...] = ()) -> None:
    """Overwrite files in place: the same inodes, and the old times."""
    for name in DATABASE:
        if not (backup / name).exists():
            (home / name).unlink(missing_ok=True)
    for path in backup.iterdir():
        if not names or path.name in names:
            (home / path.name).write_bytes(path.read_bytes())
            shutil.copystat(path, home / path.name)


def anew(backup: Path, home: Path) -> None:
    """Delete a home and put a copy in its place, as most programs restore."""
    shutil.rmtree(home)
    shutil.copytree(backup, home)


def in_place(backup: Path, home: Path) -> None:
    put_back(backup, home)


def only_the_database(backup: Path, home: Path) -> None:
    put_back(backup, home, ("vault.db",))


def database_and_log(backup: Path, home: Path) -> None:
    put_back(backup, home, DATABASE)


def problems(device: Device) -> list[str]:
    """Return the codes of what `status` complains about."""
    return [problem["code"] for problem in device.ask("status")["problems"]]


def couple(fleet: Fleet) -> tuple[Device, Device]:
    laptop = fleet.founder("laptop")
    return laptop, fleet.member(laptop, "phone")


@pytest.mark.parametrize(
    ("restore", "live"),
    [(anew, False), (in_place, False), (database_and_log, True), (only_the_database, True)],
)
def test_a_backup_that_is_put_back_is_noticed_at_once(
    fleet: Fleet, restore: Callable[[Path, Path], None], live: bool
) -> None:
    laptop, phone = couple(fleet)
    laptop.do("set", "notes/one", "text=early")
    if not live:
        laptop.stop()
    backup = copy_of(laptop.home, "backup")
    if live:
        laptop.stop()
    laptop.start()
    laptop.do("set", "notes/one", "text=late")
    laptop.do("set", "notes/two", "text=late")
    wait_synced(phone, laptop)
    laptop.stop()
    later = copy_of(laptop.home, "later")
    phone.stop()
    restore(backup, laptop.home)

    laptop.start()
    assert any("journal_renewed" in line for line in laptop.logs)
    assert problems(laptop) == ["rolled_back"]
    assert "may have been restored or copied" in laptop.do("status")
    laptop.do("set", "notes/three", "text=after")
    phone.start()
    phone.do("wait", "--synced", "laptop")
    wait_synced(laptop, phone)  # the laptop may have forgotten that there is a phone
    assert laptop.value("notes/one") == phone.value("notes/one") == {"text": "late"}
    assert phone.paths() == laptop.paths() == ["notes/one", "notes/three", "notes/two"]
    assert problems(laptop) == problems(phone) == []
    laptop.stop()
    phone.stop()
    assert_no_number_twice(laptop.home, phone.home, backup, later)


def test_a_rollback_that_only_a_peer_can_notice_loses_nothing(fleet: Fleet) -> None:
    laptop, phone = couple(fleet)
    laptop.do("set", "notes/one", "text=early")
    backup = copy_of(laptop.home, "backup")
    laptop.do("set", "notes/two", "text=first life")
    wait_synced(phone, laptop)
    phone.do("set", "notes/two", "phone=builds on it")
    wait_synced(laptop, phone)
    laptop.kill()
    phone.stop()
    put_back(backup, laptop.home, DATABASE)
    laptop.start()
    assert problems(laptop) == []
    laptop.do("set", "notes/one", "text=second life")
    laptop.do("set", "notes/three", "text=second life")
    phone.start()
    laptop.daemon.wait_event("fork_mended")
    wait_synced(laptop, phone)
    assert any("journal_forked" in line for line in phone.logs)
    assert phone.value("notes/one") == {"text": "second life"}
    assert phone.value("notes/two") == {"text": "first life", "phone": "builds on it"}
    assert phone.value("notes/three") == {"text": "second life"}
    assert laptop.paths() == phone.paths()
    laptop.do("set", "notes/four", "text=goes on")
    wait_synced(phone, laptop)
    laptop.stop()
    phone.stop()
    assert_no_number_twice(laptop.home, phone.home)


def test_a_crash_alone_keeps_the_journal(fleet: Fleet) -> None:
    laptop, phone = couple(fleet)
    for number in range(3):
        laptop.do("set", "notes/one", f"text={number}")
        laptop.kill()
        laptop.start()
        assert problems(laptop) == []
    wait_synced(laptop, phone)
    assert not any("journal_renewed" in line for line in laptop.logs)


def test_a_copy_that_runs_beside_the_original_is_refused_and_both_are_told(fleet: Fleet) -> None:
    laptop, phone = couple(fleet)
    laptop.do("set", "notes/one", "text=early")
    laptop.stop()
    twin = Device("laptop", copy_of(laptop.home, "twin"))
    fleet.devices.append(twin)
    laptop.start()
    twin.start()
    laptop.do("set", "notes/two", "text=original")
    twin.do("set", "notes/three", "text=twin")
    phone.daemon.wait_event("device_runs_twice")
    assert "runs_twice" in problems(phone)
    for device in (laptop, twin):
        device.do("wait", "--ready")
        while "runs_twice" not in problems(device):
            device.daemon.wait_event("link_failed")
    assert "runs twice" in twin.do("status")
    twin.stop()
    phone.stop()
    phone.start()
    wait_synced(laptop, phone)
    assert phone.value("notes/two") == {"text": "original"}
    assert "runs_twice" not in problems(laptop)
    assert twin.home.exists()
    laptop.stop()
    phone.stop()
    assert_no_number_twice(laptop.home, phone.home, twin.home)
