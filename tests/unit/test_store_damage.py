"""Pages of the database that cannot be read: what lies on others is still there."""

from contextlib import closing
from pathlib import Path

import pytest

from harness.bad_pages import flipped, root_page, unread
from harness.batches import device, numbered, operation
from harness.store_child import KEY
from p2pvault.errors import StoreCorrupt
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.home import HomeFiles
from p2pvault.store.keepsake import read_keepsake
from p2pvault.store.reader import SqliteReader
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.types import Acknowledgement, Batch

BATCHES = 30


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with closing(open_store(tmp_path, KEY, create=True)) as store:
        for n in range(1, BATCHES + 1):
            store.persist(numbered(n))
    return tmp_path


def readable(reader: SqliteReader) -> int:
    """Count the entries that can be read one by one."""
    found = 0
    for n in range(BATCHES):
        try:
            found += bool(reader.entries(n, 1))
        except StoreCorrupt:
            continue
    return found


@pytest.mark.heavy
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


@pytest.mark.parametrize(("table", "copied"), [("acknowledged", True), ("meta", False)])
def test_a_batch_that_is_durable_is_not_refused_for_want_of_its_second_copy(
    home: Path, table: str, copied: bool
) -> None:
    with closing(open_store(home, KEY)) as store:
        store.persist(
            Batch(acknowledged=(Acknowledgement(device(1), numbered(1).entries[0].author, 1),))
        )
        before = store.state().operations
        with unread(store, table):
            store.persist(Batch(operations=(operation(99),)))
            kept = read_keepsake(HomeFiles(home), KEY).operations
            assert (operation(99) in kept) is copied
        assert store.state().operations == [*before, operation(99)]
    with closing(open_store(home, KEY)):
        assert operation(99) in read_keepsake(HomeFiles(home), KEY).operations


def test_a_second_copy_that_cannot_be_made_does_not_keep_a_store_from_opening(home: Path) -> None:
    with closing(open_store(home, KEY)) as store:
        page = root_page(store._connection, "meta")
    with flipped(home / "vault.db", page), closing(open_store(home, KEY)) as store:
        assert readable(store) == BATCHES
