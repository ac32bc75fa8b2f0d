"""Stores with pages that are past mending: all that can be read is kept, the rest comes back."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
import trio

from harness.nodes import founded, pair, settings, where
from p2pvault.core.asks import Edit
from p2pvault.core.interest import INTEREST, Interest
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import StoreCorrupt
from p2pvault.node.offline import verify_home
from p2pvault.node.port import Finding, Kept, Lost, Verified, VerifyEvent
from p2pvault.node.running import open_node
from p2pvault.node.salvage import salvage
from p2pvault.store.cipher import PAGE_BYTES, connect
from p2pvault.store.fresh import install, make_fresh, put_in_place
from p2pvault.store.home import HomeFiles
from p2pvault.store.reader import SqliteReader
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.types import AuthorId, Batch, JournalHead, RecordId, RecordRow, StoreState

RECORDS = 24
QUARANTINE_INDEX = "sqlite_autoindex_quarantine_1"
"""Also tells how many there are."""


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


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two closed homes of one vault are, equal."""
    directory = tmp_path_factory.mktemp("originals")
    trio.run(_fill, directory / "ada", directory / "bob")
    return directory


@pytest.fixture
def two_homes(originals: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Both of them, for one test to spoil."""
    shutil.copytree(originals, tmp_path / "homes")
    return tmp_path / "homes" / "ada", tmp_path / "homes" / "bob"


async def _fill(ada: Path, bob: Path) -> None:
    async with founded(ada) as node:
        for n in range(RECORDS):
            text = Random(n).randbytes(700).hex()  # so that it takes room on the disk too
            await node.edit([put(f"notes/{n}", n=n, text=text)])
        await node.edit([put("gone/now", n=1)])
        await node.edit([Edit("gone/now", remove=True)])
        await pair(node, bob, "bob")
        async with open_node(settings(bob)) as other:
            with trio.fail_after(60.0):
                await other.wait_synced(None)
            await other.edit([put("notes/0", n=100)])
            with trio.fail_after(60.0):
                await other.wait_synced(None)


@dataclass(frozen=True)
class Holding:
    """What a home holds, by which a loss is judged."""

    state: StoreState
    records: Mapping[RecordId, RecordRow]

    @property
    def ends(self) -> dict[AuthorId, int]:
        """The last entry of every journal."""
        return {head.author: head.n for head in self.state.journals}


def holding(home: Path) -> Holding:
    with closing(open_store(home, key_of(home))) as store:
        rows = store.index(b"", None, 1 << 30)
        return Holding(store.state(), {row.id: row for row in rows})


def assert_losses_are_named(before: Holding, after: Holding, lost: Sequence[Lost]) -> None:
    """Each record and entry that is gone is named or counted, and nothing that is still there."""
    if Lost("store", "everything but keys and membership") in lost:
        assert (after.records, after.ends) == ({}, {})
        return
    named = {RecordId(bytes.fromhex(each.what[-33:-1])) for each in lost if each.kind == "record"}
    gone = before.records.keys() - after.records.keys()
    assert named <= gone
    numbers = [each.what for each in lost if each.kind == "records"]
    for collection in {before.records[record].collection for record in gone - named}:
        rows = [
            before.records[r] for r in gone - named if before.records[r].collection == collection
        ]
        count = sum(not row.deleted for row in rows)
        known = f"{count} in {collection}, and deleted ones if there were any"
        unknown = f"an unknown number in {collection}, perhaps deleted ones"
        assert {known if count else unknown, "an unknown number"} & set(numbers), (rows, lost)
    assert bool(numbers) == bool(gone - named), lost
    ends = {a: after.ends.get(a, 0) for a, n in before.ends.items() if after.ends.get(a, 0) < n}
    cut = {f"{author.hex()} from {end + 1} on" for author, end in ends.items()}
    named_cuts = {each.what for each in lost if each.kind == "entry"}
    assert named_cuts <= cut
    assert named_cuts == cut or Lost("entries", "an unknown number") in lost


def told(events: Sequence[VerifyEvent]) -> list[Lost]:
    return [event for event in events if isinstance(event, Lost)]


@pytest.mark.heavy
async def test_a_bad_sector_anywhere_is_survived_and_what_it_took_is_named(
    two_homes: tuple[Path, Path], tmp_path: Path
) -> None:
    _, bob = two_homes
    pages = HomeFiles(bob).database.stat().st_size // PAGE_BYTES
    before = holding(bob)
    outcomes: dict[str, list[int]] = {"untouched": [], "kept": [], "lost": [], "past it": []}
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
        lost, after = told(events), holding(copy)
        outcomes["lost" if lost else "kept" if end.findings else "untouched"].append(page)
        assert_losses_are_named(before, after, lost)
        assert after.state.operations == before.state.operations
        assert after.state.meta["device-keys"] == before.state.meta["device-keys"]
        assert list(verify_home(copy, repair=False))[-1].findings == 0
        assert not end.findings or after.state.meta["journal"] != before.state.meta["journal"]
        kept = [event.what for event in events if isinstance(event, Kept)]
        assert kept == [f"{HomeFiles(copy).database}.damaged"] * bool(end.findings)
        shutil.rmtree(copy)
    assert len(outcomes["lost"]) >= 3, outcomes
    assert outcomes["kept"], outcomes
    assert outcomes["past it"] == [], "keys and membership have a second copy"


def root_of(home: Path, name: str) -> int:
    """Return the number of a table's or an index's first page, from 0."""
    with closing(connect(HomeFiles(home).database, key_of(home), writable=True)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(query, (name,)).fetchone() or (0,)
    return int(page) - 1


@pytest.mark.parametrize(
    ("roots", "kind", "what"),
    [
        (["records"], "records", f"{RECORDS} in notes, and deleted ones if there were any"),
        (["records"], "records", "an unknown number in gone, perhaps deleted ones"),
        (["records", "fingerprints"], "records", "an unknown number"),
        (["entries"], "entry", "from 1 on"),
        (["entries", "journals"], "entries", "an unknown number"),
        (["peers"], "addresses", "where other devices are"),
        (
            ["quarantine", QUARANTINE_INDEX],
            "quarantine",
            "late entries of removed devices, if there were any",
        ),
        (["meta"], "recovery", "the words, if this device had them"),
    ],
)
async def test_a_table_that_cannot_be_begun_to_be_read_is_not_taken_for_an_empty_one(
    two_homes: tuple[Path, Path], roots: list[str], kind: str, what: str
) -> None:
    ada, _ = two_homes
    before = holding(ada)
    for page in [root_of(ada, name) for name in roots]:
        wipe(ada, page)
    events = list(verify_home(ada, repair=True))
    lost = told(events)
    assert any(each.kind == kind and each.what.endswith(what) for each in lost), lost
    assert_losses_are_named(before, holding(ada), lost)


async def test_without_a_first_page_all_is_named(two_homes: tuple[Path, Path]) -> None:
    ada, _ = two_homes
    wipe(ada, 0)
    lost = told(list(verify_home(ada, repair=True)))
    assert lost[-1] == Lost("store", "everything but keys and membership")
    after = holding(ada)
    assert (after.records, after.state.journals) == ({}, [])


async def test_what_is_not_kept_here_is_known_without_a_first_page(
    two_homes: tuple[Path, Path],
) -> None:
    """Or a small device would fetch all that it was told to forget."""
    _, bob = two_homes
    interest = Interest(frozenset({"notes"})).to_bytes()
    with closing(open_store(bob, key_of(bob))) as store:
        store.persist(Batch(meta={INTEREST: interest}))
    wipe(bob, 0)
    list(verify_home(bob, repair=True))
    assert state_of(bob).meta[INTEREST] == interest


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
    put_in_place(files)
    assert state_of(bob) == before, "nobody said yet that it is the store"
    with make_fresh(files, key):
        pass
    kept = install(files)
    assert state_of(bob).operations == []
    kept.replace(files.database)
    assert state_of(bob) == before


def damaged_of(reader: SqliteReader) -> set[str]:
    """Read every record by itself; return the names of those that are damaged."""
    damaged = set()
    for row in reader.rows(None, None, 99):
        try:
            reader.records([row.id])
        except StoreCorrupt:
            damaged.add(row.name)
    return damaged


async def test_a_damaged_page_does_not_blind_a_reader_for_ever(
    two_homes: tuple[Path, Path],
) -> None:
    _, bob = two_homes
    database, root = HomeFiles(bob).database, root_of(bob, "chunks")
    everything, leaves = {str(n) for n in range(RECORDS)}, []
    for page in range(1, database.stat().st_size // PAGE_BYTES):
        with (
            closing(open_store(bob, key_of(bob))),
            closing(open_reader(bob, key_of(bob))) as reader,
        ):
            sound = database.read_bytes()
            wipe(bob, page)
            with suppress(StoreCorrupt):  # the rows themselves cannot be read
                damaged = damaged_of(reader)
                assert reader.count() == RECORDS
                assert page != root or damaged == everything
                leaves += [damaged] if damaged not in (set(), everything) else []
            database.write_bytes(sound)
            assert damaged_of(reader) == set(), "it was the disk, which is well again"
    assert set().union(*leaves) == everything
    twice = [(one & other) for one, other in combinations(leaves, 2) if one & other]
    assert twice in ([], [{"0"}]), "a chunk lies on one leaf, and only one record has two"


async def test_a_sound_store_is_salvaged_whole(two_homes: tuple[Path, Path]) -> None:
    _, bob = two_homes
    before = state_of(bob)
    kept = Kept(f"{HomeFiles(bob).database}.damaged")
    assert list(salvage(HomeFiles(bob), key_of(bob), lambda size: b"j" * size)) == [kept]
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
    kept = Kept(f"{HomeFiles(bob).database}.damaged")
    assert list(salvage(HomeFiles(bob), key_of(bob), lambda size: b"j" * size)) == [kept]
    after = state_of(bob)
    assert (after.bases, after.journals) == (before.bases, before.journals)
    assert after.meta == {**before.meta, "journal": b"j" * 16}
    assert list(verify_home(bob, repair=False))[-1].findings == 0
