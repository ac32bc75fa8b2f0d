"""Stores with pages that are past mending: all that can be read is kept, the rest comes back."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
import trio

from harness.nodes import founded, pair, settings, where
from p2pvault.core.asks import Edit
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import StoreCorrupt
from p2pvault.node.offline import verify_home
from p2pvault.node.port import Finding, Lost, Verified
from p2pvault.node.running import open_node
from p2pvault.node.salvage import salvage
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.fresh import make_fresh, put_in_place
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.types import Batch, JournalHead, StoreState

RECORDS = 24


def put(path: str, **fields: object) -> Edit:
    return Edit(path, tuple(((name,), value) for name, value in fields.items()))


def key_of(home: Path) -> bytes:
    return store_key(load_master_key(HomeFiles(home)))


def wipe(home: Path, page: int) -> None:
    """Lose most of one page, as a bad sector does; pages count from 0."""
    database = HomeFiles(home).database
    raw = bytearray(database.read_bytes())
    raw[page * PAGE_BYTES + 500 : (page + 1) * PAGE_BYTES - 500] = bytes(PAGE_BYTES - 1_000)
    database.write_bytes(bytes(raw))


def state_of(home: Path) -> StoreState:
    with closing(open_store(home, key_of(home))) as store:
        return store.state()


@pytest.fixture
async def two_homes(tmp_path: Path) -> tuple[Path, Path]:
    """Two closed homes of one vault, equal."""
    ada, bob = tmp_path / "ada", tmp_path / "bob"
    async with founded(ada) as node:
        for n in range(RECORDS):
            await node.edit([put(f"notes/{n}", n=n, text="x" * 900)])
        await pair(node, bob, "bob")
        async with open_node(settings(bob)) as other:
            with trio.fail_after(60.0):
                await other.wait_synced(None)
            await other.edit([put("notes/0", n=100)])
            with trio.fail_after(60.0):
                await other.wait_synced(None)
    return ada, bob


async def test_a_bad_sector_anywhere_is_survived_or_named(
    two_homes: tuple[Path, Path], tmp_path: Path
) -> None:
    _, bob = two_homes
    pages = HomeFiles(bob).database.stat().st_size // PAGE_BYTES
    before = state_of(bob)
    outcomes: dict[str, list[int]] = {"kept": [], "lost": [], "past it": []}
    for page in range(pages):
        copy = tmp_path / f"copy{page}"
        shutil.copytree(bob, copy)
        wipe(copy, page)
        events = list(verify_home(copy, repair=True))
        end = events[-1]
        assert isinstance(end, Verified)
        if end.findings != end.repaired:
            outcomes["past it"].append(page)
            continue
        lost = [event for event in events if isinstance(event, Lost)]
        outcomes["lost" if lost else "kept"].append(page)
        after = state_of(copy)
        assert after.operations == before.operations
        assert after.meta["device-keys"] == before.meta["device-keys"]
        assert list(verify_home(copy, repair=False))[-1].findings == 0
        assert end.findings == 0 or after.meta["journal"] != before.meta["journal"]
        shutil.rmtree(copy)
    assert len(outcomes["lost"]) >= 3, outcomes
    assert outcomes["past it"] == [], "keys and membership have a second copy"


async def test_what_is_lost_comes_back_from_the_other_device(two_homes: tuple[Path, Path]) -> None:
    ada, bob = two_homes
    lost: list[Lost] = []
    pages = HomeFiles(bob).database.stat().st_size // PAGE_BYTES
    for page in range(0, pages, 3):
        wipe(bob, page)
        events = list(verify_home(bob, repair=True))
        assert events[-1].findings == events[-1].repaired
        lost += [event for event in events if isinstance(event, Lost)]
    assert lost
    async with open_node(settings(ada)) as host, open_node(settings(bob)) as other:
        with trio.fail_after(120.0):
            await host.edit([put("notes/new", n=1)])
            await other.add_address("ada", where(host))
            await other.wait_synced(None)
            assert (await other.rows(None, None, 99)).rows == (await host.rows(None, None, 99)).rows
            assert (await other.get("notes/5")).value == (await host.get("notes/5")).value


async def test_without_either_copy_of_the_keys_the_store_stays_as_it_is(
    two_homes: tuple[Path, Path],
) -> None:
    _, bob = two_homes
    wipe(bob, 0)
    HomeFiles(bob).keepsake.unlink()
    raw = HomeFiles(bob).database.read_bytes()
    *_, finding, end = verify_home(bob, repair=True)
    assert isinstance(finding, Finding)
    assert finding.kind == "unreadable"
    assert (end.findings, end.repaired) == (1, 0)
    assert HomeFiles(bob).database.read_bytes() == raw
    with pytest.raises(StoreCorrupt, match=r"vault\.db"):
        open_store(bob, key_of(bob))


async def test_a_salvage_that_a_crash_cuts_short_is_finished_or_never_was(
    two_homes: tuple[Path, Path],
) -> None:
    _, bob = two_homes
    files, key = HomeFiles(bob), key_of(bob)
    before = state_of(bob)
    with make_fresh(files, key):
        pass
    assert state_of(bob).operations == [], "complete, so it is the store"
    files.database.with_name("vault.db.damaged").replace(files.database)
    assert state_of(bob) == before
    with pytest.raises(RuntimeError), make_fresh(files, key):
        raise RuntimeError
    put_in_place(files)
    assert state_of(bob) == before


async def test_a_damaged_page_does_not_blind_a_reader_for_ever(
    two_homes: tuple[Path, Path],
) -> None:
    _, bob = two_homes
    wipe(bob, HomeFiles(bob).database.stat().st_size // PAGE_BYTES - 4)
    with (
        closing(open_store(bob, key_of(bob))),
        closing(open_reader(bob, key_of(bob))) as reader,
    ):
        rows = reader.rows(None, None, 99)
        outcomes = set()
        for row in rows:
            try:
                reader.records([row.id])
            except StoreCorrupt:
                outcomes.add("damaged")
            else:
                outcomes.add("read")
        entries = 0
        try:
            reader.entries(0, 1 << 30)
        except StoreCorrupt:
            entries += 1
        assert outcomes == {"read"} or "damaged" in outcomes
        assert ("damaged" in outcomes) or entries
        assert reader.count() == RECORDS


async def test_a_sound_store_is_salvaged_whole(two_homes: tuple[Path, Path]) -> None:
    _, bob = two_homes
    before = state_of(bob)
    assert salvage(HomeFiles(bob), key_of(bob), lambda size: b"j" * size) == []
    after = state_of(bob)
    assert (after.journals, after.fingerprints) == (before.journals, before.fingerprints)
    assert (after.operations, after.last_arrival) == (before.operations, before.last_arrival)
    assert after.meta == {**before.meta, "journal": b"j" * 16}


async def test_a_journal_that_begins_behind_its_first_entry_is_sound_and_stays(
    two_homes: tuple[Path, Path],
) -> None:
    _, bob = two_homes
    with closing(open_store(bob, key_of(bob))) as store:
        fifth = store.entries(0, 1 << 30)[4]
        base = JournalHead(fifth.author, fifth.n, fifth.hash)
        store.persist(Batch(dropped=(base,)))
    before = state_of(bob)
    assert tuple(before.bases) == (base,)
    assert list(verify_home(bob, repair=False))[-1].findings == 0
    assert salvage(HomeFiles(bob), key_of(bob), lambda size: b"j" * size) == []
    after = state_of(bob)
    assert (after.bases, after.journals) == (before.bases, before.journals)
    assert after.meta == {**before.meta, "journal": b"j" * 16}
    assert list(verify_home(bob, repair=False))[-1].findings == 0
