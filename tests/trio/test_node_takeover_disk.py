"""A takeover on a disk without much room: the whole of it, or nothing, and it can be begun anew."""

import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from harness import store_child
from harness.nodes import founded
from harness.small_disk import SmallDisk, small_disk, unavailable
from p2pvault.core.asks import Edit
from p2pvault.crypto.schedule import store_key
from p2pvault.protocol.recovery_words import read_words
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

RECORDS = 60
STEP = 576 * 1024


@pytest.fixture
async def backup(tmp_path: Path) -> tuple[Path, bytes]:
    """Return a home of some 700 KB, and the seed of its recovery key."""
    home = tmp_path / "backup"
    async with founded(home) as node:
        for n in range(RECORDS):
            text = Random(n).randbytes(4_000).hex()
            await node.edit([Edit(f"notes/{n}", ((("text",), text),))])
        return home, read_words(await node.recovery_words())


def take(disk: SmallDisk, room: int, backup: Path, seed: bytes) -> str:
    """Leave so much room on the disk, and take over there; return what was said."""
    disk.fill(leave_bytes=room)
    words = [sys.executable, store_child.__file__, "take_over_from", str(disk.place / "home")]
    program = disk.command(*words, str(backup), seed.hex())
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    disk.relieve()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def names(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()} if home.exists() else set()


@pytest.mark.heavy
async def test_with_any_room_a_takeover_is_whole_or_did_not_happen(
    backup: tuple[Path, bytes], tmp_path: Path
) -> None:
    directory, seed = backup
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, "16m") as disk:
        home = disk.outside / "home"
        room, refused = 0, 0
        while "StoreFull" in (said := take(disk, room, directory, seed)):
            assert names(home) <= {"device.key", "keys.slots", "vault.lock"} or not room
            assert "two copies" in said
            refused += 1
            room += STEP
        assert said == "VaultTakenOver\n"
        assert not [name for name in names(home) if "unfinished" in name]
        shutil.copytree(home, tmp_path / "new")
    key = store_key(load_master_key(HomeFiles(tmp_path / "new")))
    with closing(open_store(tmp_path / "new", key)) as store:
        assert store.faults() == []
        assert store.count() == RECORDS
    assert refused > 3
