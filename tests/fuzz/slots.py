"""Fuzzing the file of key slots: it opens with the right key, or fails closed, and clearly."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fuzz.target import Target, chosen
from harness.entropy import seeded
from p2pvault.errors import KeyUnavailable, SchemaTooNew, StoreCorrupt
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import KeyFile, KeySlots, load_master_key, make_master_key
from p2pvault.wire.codec import pack


@cache
def _home() -> tuple[HomeFiles, bytes]:
    """Make a home with keys; returns its files and the master key."""
    home = Path(tempfile.mkdtemp(prefix="p2pvault-fuzz-"))
    atexit.register(shutil.rmtree, home)
    files = HomeFiles(home)
    return files, make_master_key(files, seeded("slots"))


def run(data: bytes) -> None:
    """Load a file of slots, or open the good one with another key file."""
    way, rest = chosen(2, data)
    files, master_key = _home()
    path = files.slots if way == 0 else files.device_key
    good = path.read_bytes()
    path.write_bytes(rest)
    try:
        assert load_master_key(files) == master_key
        if way == 0:
            # Only a good slot opens; what else the file holds has the one encoding too.
            KeySlots.load(path).save(path)
            assert path.read_bytes() == rest
        else:
            assert rest == good
    except (KeyUnavailable, StoreCorrupt, SchemaTooNew):
        pass
    finally:
        path.write_bytes(good)


def seeds() -> list[bytes]:
    """Return the good file, files with more slots, and the good key."""
    files, _ = _home()
    good = files.slots.read_bytes()
    slots = KeySlots.load(files.slots).slots
    assert len(slots) == 1
    tree = [slots[0].kind, slots[0].parameters, slots[0].wrapped]
    several = [["passphrase", b"parameters", b"w" * 72], tree, ["file", b"", b"w" * 72]]
    return [
        b"\x00" + good,
        b"\x00" + pack([1, several]),  # type: ignore[list-item]  # lists of lists of values
        b"\x00" + pack([2, []]),
        b"\x01" + KeyFile(files.device_key).slot_key(b""),
    ]


TARGET = Target("slots", run, seeds, 2_048)
