"""One bit that flipped in a file of the home: named, refused or read as it stands, never a guess.

The other bits are left alone: put back, the bit makes the home as good as before.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from harness.daemons import Device, Fleet
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import ConfigError, KeyUnavailable, SchemaTooNew, StoreCorrupt
from p2pvault.store.cipher import PAGE_BYTES, connect
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store
from p2pvaultd.config import Settings, parse_settings

pytestmark = pytest.mark.e2e

CONFIG = b'listen = "127.0.0.1:0"\n\n[discovery]\nmode = "off"\n\n[log]\nlevel = "info"\n'
RECORDS = 300
"""Enough that the trees of the large tables have leaves beside their roots."""


@pytest.fixture(scope="module")
def good(shared: Fleet) -> Device:
    """A home with some of everything, whose daemon was stopped."""
    device = shared.founder("good")
    rows = "".join(f'{{"path": "n/{n:04}", "value": {{"n": {n}}}}}\n' for n in range(RECORDS))
    device.do("set", "--stdin", stdin=rows.encode())
    device.stop()
    (device.home / "config.toml").write_bytes(CONFIG)
    return device


@pytest.fixture
def broken(good: Device, fleet: Fleet) -> Device:
    """A copy of the good home, for a test to break."""
    device = fleet.device("broken")
    shutil.copytree(good.home, device.home)
    return device


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """Flip one bit of a file inside the block."""
    _flip(path, bit)
    yield
    _flip(path, bit)


def _flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def bits(path: Path) -> range:
    return range(8 * path.stat().st_size)


@pytest.mark.parametrize("name", ["device.key", "keys.slots"])
def test_every_bit_of_the_keys_is_looked_at(broken: Device, name: str) -> None:
    files = HomeFiles(broken.home)
    master = load_master_key(files)
    for bit in bits(broken.home / name):
        with (
            flipped(broken.home / name, bit),
            pytest.raises((KeyUnavailable, StoreCorrupt, SchemaTooNew)),
        ):
            load_master_key(files)
    assert load_master_key(files) == master


@pytest.mark.parametrize(
    ("name", "byte", "codes"),
    [
        ("device.key", 0, {4}),
        ("keys.slots", 0, {1}),
        ("keys.slots", 1, {8}),
        ("keys.slots", -1, {4}),
    ],
)
def test_a_daemon_with_a_bad_key_names_the_file(
    broken: Device, name: str, byte: int, codes: set[int]
) -> None:
    path = broken.home / name
    with flipped(path, byte % path.stat().st_size * 8 + 1):
        code, line = broken.refuse_to_start()
    assert code in codes
    assert name in line or "key slot" in line or "key file" in line
    broken.start()
    assert len(broken.paths()) == RECORDS


def test_every_bit_of_the_settings_is_refused_or_is_what_it_says(broken: Device) -> None:
    """A person may write what a flipped bit writes; what cannot be meant is refused."""
    refused = 0
    for bit in range(8 * len(CONFIG)):
        data = bytearray(CONFIG)
        data[bit // 8] ^= 1 << bit % 8
        try:
            assert isinstance(parse_settings(bytes(data)), Settings)
        except ConfigError:
            refused += 1
    assert refused > 4 * len(CONFIG)
    with flipped(broken.home / "config.toml", 1):
        code, line = broken.refuse_to_start()
    assert code == 2
    assert "unknown setting" in line
    broken.start()


@pytest.mark.parametrize("name", ["vault.lock", "control.lock"])
def test_what_stands_in_a_lock_does_not_matter(broken: Device, name: str) -> None:
    (broken.home / name).write_bytes(b"\x10")
    broken.start()
    assert len(broken.paths()) == RECORDS


READ_AT_START = ("meta", "journals", "entries", "fingerprints", "operations", "peers")


def root_page(home: Path, name: str) -> int:
    """Return the number of the first page of a table or an index, from 0."""
    key = store_key(load_master_key(HomeFiles(home)))
    with closing(open_store(home, key)) as store:
        found = store._connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)
        )
        ((page,),) = found.fetchall()
    return int(page) - 1


def content(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables, but for what vouches for the store."""
    files = HomeFiles(home)
    key = store_key(load_master_key(files))
    with closing(connect(files.database, key, writable=False)) as db:
        names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        tables = [name for (name,) in names if name != "witness"]
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


@pytest.mark.parametrize("table", ["sqlite_schema", *READ_AT_START])
def test_a_bad_page_that_is_needed_to_begin_is_one_clear_line(broken: Device, table: str) -> None:
    page = 0 if table == "sqlite_schema" else root_page(broken.home, table)
    before = content(broken.home)
    assert before["records"]
    with flipped(broken.home / "vault.db", page * PAGE_BYTES * 8 + 8_000):
        code, line = broken.refuse_to_start()
        assert code == 1
        assert "vault.db" in line
        assert "Do not delete anything" in line
    assert content(broken.home) == before
    broken.start()
    assert len(broken.paths()) == RECORDS


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("records", ["get", "n/0001"]),
        ("records_by_path", ["ls"]),
        ("chunks", ["get", "n/0001"]),
        ("chunks_by_record", ["get", "n/0001"]),
    ],
)
def test_a_bad_page_that_is_met_later_refuses_what_needs_it(
    broken: Device, table: str, words: list[str]
) -> None:
    page = root_page(broken.home, table)
    with flipped(broken.home / "vault.db", page * PAGE_BYTES * 8 + 8_000):
        broken.start()
        done = broken.run(*words)
        assert (done.code, done.out) == (1, b"")
        assert "vault.db" in done.messages
        assert "Do not delete anything" in done.messages
        assert broken.refused("set", "n/0001", "n=1") == (1, "store_corrupt")
        assert broken.ask("status")["vault"]["records"] == RECORDS
        broken.stop()
    broken.start()
    assert len(broken.paths()) == RECORDS
    assert broken.value("n/0001") == {"n": 1}
