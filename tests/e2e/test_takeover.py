"""A device is lost, and a new one takes the vault over from a copy of its home: real daemons."""

import shutil
from pathlib import Path

import pytest

from harness.daemons import Device, Fleet, pair, wait_synced
from harness.paper import check_nothing_shows, founder
from harness.waiting import is_alone, is_removed, names, wait_until

pytestmark = pytest.mark.e2e


def with_a_record(fleet: Fleet) -> tuple[Device, bytes]:
    """Return a running device that has a record, and the words of its key as they are typed."""
    laptop, words = founder(fleet)
    laptop.do("set", "contacts/ada", "name=Ada")
    return laptop, words.encode() + b"\n"


def copied(fleet: Fleet, device: Device) -> Path:
    """Copy the home of a device whose daemon does not run."""
    backup = fleet.directory / "backup"
    shutil.copytree(device.home, backup, ignore=shutil.ignore_patterns("*.sock"))
    return backup


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_with_nobody_left_a_new_device_goes_on_from_the_backup(fleet: Fleet) -> None:
    laptop, words = with_a_record(fleet)
    laptop.kill()
    backup = copied(fleet, laptop)
    before = content(backup)
    assert before["vault.db-wal"], "what was written last is in the log only"
    fresh = fleet.device("fresh")
    fresh.start()
    taking = ("recovery", "use", "--from", str(backup), "--name", "fresh")
    other = ("abandon " * 23 + "art\n").encode()
    assert fresh.refused(*taking, stdin=other) == (8, "membership")
    assert fresh.ask("status")["vault"] is None

    done = fresh.ask(*taking, stdin=words)
    assert (done["device"]["name"], done["removed"]) == ("fresh", ["laptop"])
    assert content(backup) == before
    assert fresh.value("contacts/ada") == {"name": "Ada"}
    assert fresh.ask("status")["problems"] == []
    assert fresh.refused(*taking) == (8, "vault_exists")
    fresh.do("set", "contacts/ada", "phone=1")
    camera = fleet.member(fresh, "camera")
    assert camera.value("contacts/ada") == {"name": "Ada", "phone": "1"}
    fresh.stop()
    fresh.start()
    wait_synced(fresh, camera)
    laptop.start()
    assert is_alone(laptop)
    assert camera.value("contacts/ada") == {"name": "Ada", "phone": "1"}
    assert names(fresh) == names(camera) == {"fresh", "camera"}
    check_nothing_shows(fleet, words.decode())


def test_a_new_device_and_the_surviving_one_have_all_that_either_held(fleet: Fleet) -> None:
    laptop, words = with_a_record(fleet)
    phone = fleet.member(laptop, "phone")
    phone.stop()
    laptop.do("set", "contacts/bob", "name=Bob")  # the phone is off: the backup alone has it
    laptop.stop()
    backup = copied(fleet, laptop)
    laptop.start()
    assert fleet.device("fresh").refused(
        "recovery", "use", "--from", str(laptop.home), stdin=words
    ) == (8, "store_in_use")
    phone.start()
    wait_synced(laptop, phone)
    laptop.do("set", "contacts/cyd", "name=Cyd")  # no backup has it
    wait_synced(laptop, phone)
    laptop.kill()

    fresh = fleet.devices[-1]
    done = fresh.ask("recovery", "use", "--from", str(backup), "--name", "fresh", stdin=words)
    assert done["removed"] == ["laptop"]
    fresh.start()
    for device in (phone, fresh):
        wait_until(device, lambda it: names(it) == {"phone", "fresh"})
    wait_synced(phone, fresh)
    expected = ["contacts/ada", "contacts/bob", "contacts/cyd"]
    assert fresh.paths() == phone.paths() == expected
    phone.do("set", "secrets/one", "pin=1")
    wait_synced(phone, fresh)
    assert fresh.value("secrets/one") == {"pin": "1"}
    tablet = fleet.device("tablet")
    tablet.start()
    pair(fresh, tablet)
    wait_synced(phone, fresh, tablet)
    assert fresh.ask("status")["problems"] == []
    laptop.start()
    wait_until(laptop, is_removed)
    assert "secrets/one" not in laptop.paths()
    check_nothing_shows(fleet, words.decode())
