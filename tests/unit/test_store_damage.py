"""Pages of the database that cannot be read: what lies on others is still there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from harness.batches import numbered
from harness.store_child import KEY
from p2pvault.errors import StoreCorrupt
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.sqlite import SqliteReader, open_reader, open_store

BATCHES = 30


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with closing(open_store(tmp_path, KEY, create=True)) as store:
        for n in range(1, BATCHES + 1):
            store.persist(numbered(n))
    return tmp_path


@contextmanager
def flipped(path: Path, page: int) -> Iterator[None]:
    """Flip one bit of a page inside the block."""
    _flip(path, page)
    yield
    _flip(path, page)


def _flip(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES + 1_000)
        (byte,) = file.read(1)
        file.seek(page * PAGE_BYTES + 1_000)
        file.write(bytes([byte ^ 0x10]))


def readable(reader: SqliteReader) -> int:
    """Count the entries that can be read one by one."""
    found = 0
    for n in range(BATCHES):
        try:
            found += bool(reader.entries(n, 1))
        except StoreCorrupt:
            continue
    return found


def test_a_bad_page_hides_what_lies_on_it_and_nothing_else(home: Path) -> None:
    database = home / "vault.db"
    pages = database.stat().st_size // PAGE_BYTES
    hidden = []
    for page in range(1, pages):
        with closing(open_store(home, KEY)), closing(open_reader(home, KEY)) as reader:
            with flipped(database, page):
                hidden.append(BATCHES - readable(reader))
            assert readable(reader) == BATCHES, "it was the disk, which is well again"
    assert max(hidden) == BATCHES, "the root of a tree hides all of it"
    assert len([count for count in hidden if 0 < count < BATCHES]) > 0
