"""`verify` of a home without a daemon."""

from contextlib import closing
from pathlib import Path

import pytest

from p2pvault.crypto.schedule import store_key
from p2pvault.errors import NoVault, StoreInUse
from p2pvault.node.create import create_vault
from p2pvault.node.offline import verify_home
from p2pvault.node.port import Finding, Repaired, Verified
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import SqliteStore, open_store
from p2pvault.types import Batch, Fingerprint


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_vault(tmp_path / "home", "laptop", "home")
    return tmp_path / "home"


def opened(home: Path) -> SqliteStore:
    return open_store(home, store_key(load_master_key(HomeFiles(home))))


def test_a_sound_home_is_sound(home: Path) -> None:
    events = list(verify_home(home, repair=True))
    assert events[-1] == Verified(0, 0, 0, 0)
    assert not [event for event in events if isinstance(event, Finding)]


def test_a_wrong_fingerprint_is_named_and_only_written_right_when_asked(home: Path) -> None:
    with closing(opened(home)) as store:
        store.persist(Batch(fingerprints=(Fingerprint("notes", 5, 1),)))
    assert list(verify_home(home, repair=False))[-1] == Verified(0, 0, 1, 0)
    assert list(verify_home(home, repair=True))[-1] == Verified(0, 0, 1, 1)
    assert list(verify_home(home, repair=False))[-1] == Verified(0, 0, 0, 0)


def test_a_bit_in_the_first_page_and_in_the_keys_is_put_back(home: Path) -> None:
    files = HomeFiles(home)
    for path, at in ((files.database, 50), (files.slots, 60)):
        raw = bytearray(path.read_bytes())
        raw[at] ^= 4
        path.write_bytes(bytes(raw))
    events = list(verify_home(home, repair=True))
    repaired = [event.finding.what for event in events if isinstance(event, Repaired)]
    assert repaired == [str(files.slots), f"{files.database} page 1"]
    assert events[-1] == Verified(0, 0, 2, 2)


def test_a_home_that_cannot_be_opened_is_a_finding(home: Path) -> None:
    database = HomeFiles(home).database
    raw = database.read_bytes()
    database.write_bytes(raw[:500] + bytes(100) + raw[600:])
    *_, finding, end = verify_home(home, repair=False)
    assert isinstance(finding, Finding)
    assert (finding.kind, finding.what) == ("unreadable", str(database))
    assert end == Verified(0, 0, 1, 0)
    assert len(raw) > PAGE_BYTES


def test_a_home_that_is_in_use_or_empty_is_left_alone(home: Path, tmp_path: Path) -> None:
    with closing(opened(home)), pytest.raises(StoreInUse):
        list(verify_home(home, repair=True))
    with pytest.raises(NoVault):
        list(verify_home(tmp_path / "nothing", repair=True))
