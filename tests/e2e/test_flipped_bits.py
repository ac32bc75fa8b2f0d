"""Bits that flip on the disk of a real device: noticed, named, put back; the vault goes on."""

from pathlib import Path
from random import Random

import pytest

from harness.daemons import Device, wait_synced
from p2pvault.control.home import find_home
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.home import HomeFiles

pytestmark = pytest.mark.e2e


def files_of(device: Device) -> HomeFiles:
    return HomeFiles(find_home(device.home).state)


def flip(path: Path, bit: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(bytes(raw))


def test_one_bit_in_every_page_and_in_the_keys(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    for n in range(8):
        phone.do("set", f"notes/{n}", f"n={n}", f"text={'x' * 700}")
    wait_synced(laptop, phone)
    assert phone.do("verify").startswith("Sound: ")
    phone.stop()
    files, random = files_of(phone), Random(8)
    pages = files.database.stat().st_size // PAGE_BYTES
    assert pages > 15
    for page in range(1, pages):
        flip(files.database, 8 * PAGE_BYTES * page + random.randrange(8 * PAGE_BYTES))
    named = phone.run("verify")
    assert named.code == 1
    flip(files.database, 8 * 100)
    flip(files.slots, 77)
    code, why = phone.refuse_to_start()
    assert code != 0
    assert "p2pvault verify --repair" in why
    flip(files.slots, 77)
    code, why = phone.refuse_to_start()
    assert "vault.db" in why
    assert "p2pvault verify --repair" in why
    flip(files.device_key, 9)
    repaired = phone.run("verify", "--repair")
    assert repaired.code == 0, repaired
    assert f"page {files.database} page {pages}: repaired" in repaired.text
    assert repaired.text.count("repaired\n") == pages + 1
    phone.start()
    laptop.do("set", "notes/last", "n=1")
    wait_synced(laptop, phone)
    assert phone.paths() == laptop.paths()
    assert phone.do("verify").startswith("Sound: 9 records")
    assert laptop.do("verify").startswith("Sound: 9 records")


def test_a_bad_sector_in_the_middle_of_everything(couple: tuple[Device, Device]) -> None:
    laptop, phone = couple
    for n in range(12):
        phone.do("set", f"notes/{n}", f"n={n}", f"text={'x' * 900}")
    wait_synced(laptop, phone)
    phone.stop()
    files = files_of(phone)
    raw = bytearray(files.database.read_bytes())
    pages = len(raw) // PAGE_BYTES
    for page in range(0, pages, 4):
        raw[page * PAGE_BYTES + 300 : page * PAGE_BYTES + 3_000] = bytes(2_700)
    files.database.write_bytes(bytes(raw))
    code, why = phone.refuse_to_start()
    assert code != 0
    assert "p2pvault verify --repair" in why
    repaired = phone.run("verify", "--repair")
    assert repaired.code == 0, repaired
    assert "lost here, comes back from devices that have it" in repaired.text
    assert f"The damaged store stays as {files.database}.damaged." in repaired.text
    phone.start()
    laptop.do("set", "notes/last", "n=1")
    wait_synced(laptop, phone)
    assert phone.paths() == laptop.paths()
    for device in (laptop, phone):
        assert device.do("verify").startswith("Sound: 13 records")
