"""Homes that are not as they should be: one clear line, the documented code, nothing destroyed."""

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from harness.daemons import Device, Fleet

pytestmark = pytest.mark.e2e

NOISE = Random(7).randbytes(50_000)


@pytest.fixture(scope="module")
def good(shared: Fleet) -> Device:
    device = shared.device("good")
    device.do("init")
    return device


@pytest.fixture
def broken(good: Device, fleet: Fleet) -> Device:
    """A copy of a good home, for a test to break."""
    device = fleet.device("broken")
    shutil.copytree(good.home, device.home)
    return device


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("keys.slots", None, 4),
        ("keys.slots", b"", 1),
        ("keys.slots", NOISE[:200], 1),
        ("device.key", None, 4),
        ("device.key", NOISE[:32], 4),
        ("device.key", b"short", 4),
        ("vault.db", NOISE, 1),
        ("config.toml", b"\xff\xfe", 2),
        ("config.toml", b"listen = ", 2),
        ("config.toml", b"[[[[", 2),
        ("config.toml", b"[discovery]\nmode = 'loud'\n", 2),
    ],
)
def test_a_bad_file_is_one_clear_line(
    broken: Device, name: str, content: bytes | None, code: int
) -> None:
    path = broken.home / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    found, line = broken.refuse_to_start()
    assert found == code
    assert name.partition(".")[0] in line or "slot" in line
    assert (path.read_bytes() if path.exists() else None) == content


@pytest.mark.parametrize("name", ["keys.slots", "device.key", "vault.db", "config.toml"])
def test_a_directory_in_the_place_of_a_file_is_one_clear_line(broken: Device, name: str) -> None:
    (broken.home / name).unlink(missing_ok=True)
    (broken.home / name).mkdir()
    code, line = broken.refuse_to_start()
    assert code != 0
    assert name in line


def test_an_init_that_died_early_leaves_a_home_that_works(broken: Device) -> None:
    """A crash between making the store's file and filling it leaves an empty file and the keys."""
    for name in ("vault.db", "vault.db-wal", "vault.db-shm"):
        (broken.home / name).unlink(missing_ok=True)
    (broken.home / "vault.db").touch(0o600)
    broken.start()
    assert broken.ask("status")["vault"] is None
    broken.do("init", "--name", "again")
    broken.do("set", "notes/one", "body=1")
    assert broken.paths() == ["notes/one"]


def test_a_home_whose_name_is_no_text_is_one_clear_line(fleet: Fleet, tmp_path: Path) -> None:
    device = fleet.device("odd")
    device.home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    device.home.touch()
    code, line = device.refuse_to_start()
    assert code == 2
    assert "\\udcff" in line
