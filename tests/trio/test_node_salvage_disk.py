"""A salvage on a disk without much room: the whole of it, or everything as it was."""

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
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

RECORDS = 60
STEP = 192 * 1024


@pytest.fixture
async def damaged(tmp_path: Path) -> Path:
    """A home of some 700 KB, whose store has a page beyond repair."""
    home = tmp_path / "damaged"
    async with founded(home) as node:
        for n in range(RECORDS):
            text = Random(n).randbytes(4_000).hex()
            await node.edit([Edit(f"notes/{n}", ((("text",), text),))])
    files = HomeFiles(home)
    raw = bytearray(files.database.read_bytes())
    raw[-PAGE_BYTES + 500 : -500] = bytes(PAGE_BYTES - 1_000)
    files.database.write_bytes(raw)
    return home


def repair(disk: SmallDisk, room: int) -> list[str]:
    """Leave so much room on the disk, and repair the home there; return what was said."""
    disk.fill(leave_bytes=room)
    program = [sys.executable, store_child.__file__, "repair", str(disk.place / "home")]
    done = subprocess.run(disk.command(*program), capture_output=True, text=True, check=False)
    disk.relieve()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def databases(home: Path) -> dict[str, bytes]:
    """Return the database, and everything that is called after it but what SQLite makes."""
    paths = home.glob("vault.db*")
    return {path.name: path.read_bytes() for path in paths if path.suffix != ".db-shm"}


def records(home: Path) -> int:
    with closing(open_store(home, store_key(load_master_key(HomeFiles(home))))) as store:
        assert store.faults() == []
        return len(store.index(b"", None, 1 << 30))


@pytest.mark.heavy
async def test_with_any_room_a_salvage_is_whole_or_did_not_happen(
    damaged: Path, tmp_path: Path
) -> None:
    size = HomeFiles(damaged).database.stat().st_size
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, "16m") as disk:
        shutil.copytree(damaged, disk.outside / "home")
        room, refused = STEP, 0
        while "StoreFull" in (said := repair(disk, room)):
            assert [*databases(disk.outside / "home")] == ["vault.db"], room
            refused += 1
            room += STEP
        shutil.copytree(disk.outside / "home", tmp_path / "repaired")
    assert "Kept " in said
    assert said.count("Repaired ") >= 1
    assert records(tmp_path / "repaired") + said.count("Lost record") == RECORDS
    assert room > size, "it was refused where the log of the new store still fitted"
    assert refused > 3
