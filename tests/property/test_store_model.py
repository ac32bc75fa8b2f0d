"""Any sequence of batches and restarts: the store on disk answers as the store in memory does."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.batches import (
    author,
    device,
    digest,
    entry,
    operation,
    put,
    quarantined,
    record_id,
    row,
)
from harness.memory_store import MemoryStore
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.types import (
    Acknowledgement,
    Address,
    Batch,
    EntryHash,
    Fingerprint,
    JournalHead,
    PeerRow,
    RecordWrite,
)

pytestmark = pytest.mark.heavy

KEY = bytes(range(32))

collections = st.sampled_from(["", "a", "b", "\u00fc"])
names = st.sampled_from(["", "ada", "Ada", "\U0001f600", "\uffff", "a\x00"])
numbers = st.integers(0, 12)
writes = st.lists(
    st.builds(
        lambda number, collection, name, deleted, heads, chunk, replaces: put(
            row(number, collection=collection, name=name, deleted=deleted, heads=heads),
            chunk,
            replaces=replaces,
        ),
        numbers,
        collections,
        names,
        st.booleans(),
        st.integers(0, 3),
        st.binary(max_size=20),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda write: write.row.id,
)
fingerprints = st.lists(
    st.builds(Fingerprint, collections, st.integers(0, 2**256 - 1), st.integers(0, 2**40)),
    max_size=3,
    unique_by=lambda fingerprint: fingerprint.collection,
)
addresses = st.lists(
    st.builds(Address, st.sampled_from(["10.0.0.1", "fe80::1%en0"]), st.integers(0, 65_535)),
    max_size=3,
).map(tuple)
peers = st.lists(
    st.builds(PeerRow, numbers.map(device), addresses, addresses, st.integers(0, 2**42)),
    max_size=2,
    unique_by=lambda peer: peer.device,
)
meta = st.dictionaries(st.sampled_from("xyz"), st.none() | st.binary(max_size=8), max_size=3)


class TwoStores(RuleBasedStateMachine):
    """The same calls on both, compared after each."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.disk = open_store(self.home, KEY, create=True)
        self.reader = open_reader(self.home, KEY)
        self.memory = MemoryStore()
        self.arrivals = 0
        self.ns: dict[int, int] = {}
        self.operations = 0
        self.positions = 0

    def teardown(self) -> None:
        self.reader.close()
        self.disk.close()
        shutil.rmtree(self.home)

    def persist(self, batch: Batch) -> None:
        self.disk.persist(batch)
        self.memory.persist(batch)

    @rule(writes=writes, fingerprints=fingerprints, peers=peers, meta=meta)
    def persist_values(
        self,
        writes: list[RecordWrite],
        fingerprints: list[Fingerprint],
        peers: list[PeerRow],
        meta: dict[str, bytes | None],
    ) -> None:
        self.persist(
            Batch(
                records=tuple(writes),
                fingerprints=tuple(fingerprints),
                peers=tuple(peers),
                meta=meta,
            )
        )

    @rule(authors=st.lists(st.integers(0, 2), max_size=5), gap=st.integers(1, 3))
    def persist_entries(self, authors: list[int], gap: int) -> None:
        entries = []
        for by in authors:
            self.arrivals += gap
            self.ns[by] = self.ns.get(by, 0) + 1
            entries.append(entry(self.arrivals, self.ns[by], by=by, size=self.arrivals * 7 % 50))
        self.persist(Batch(entries=tuple(entries)))

    @rule(entering=st.lists(st.integers(0, 2), max_size=3), leaving=st.lists(numbers, max_size=3))
    def persist_quarantine(self, entering: list[int], leaving: list[int]) -> None:
        entries = []
        for by in entering:
            self.positions += 1
            records = tuple(range(self.positions % 4))
            entries.append(quarantined(self.positions, self.positions, by=by, records=records))
        self.persist(Batch(quarantined=tuple(entries), left_quarantine=tuple(leaving)))

    @rule(positions=st.lists(numbers, max_size=4))
    def ask_about_quarantine(self, positions: list[int]) -> None:
        for store in (self.disk, self.reader):
            assert store.quarantine() == self.memory.quarantine()
            assert store.quarantined(positions) == self.memory.quarantined(positions)

    @rule(count=st.integers(0, 3))
    def persist_operations(self, count: int) -> None:
        batch = tuple(operation(self.operations + index) for index in range(count))
        self.operations += count
        self.persist(Batch(operations=batch))

    @rule(upto=st.lists(st.tuples(st.integers(0, 2).map(author), st.integers(0, 9)), max_size=3))
    def drop_entries(self, upto: list) -> None:
        found = self.memory.surplus(upto, None).dropped
        assert self.disk.surplus(upto, None).dropped == found
        self.persist(Batch(dropped=found, release_pages=3))

    @rule(by=st.integers(0, 2), ahead=st.integers(-2, 2))
    def adopt(self, by: int, ahead: int) -> None:
        n = max(1, self.ns.get(by, 0) + ahead)
        self.ns[by] = max(n, self.ns.get(by, 0))
        adopted = JournalHead(author(by), n, EntryHash(digest(("adopted", n))))
        self.persist(Batch(adopted=(adopted,)))

    @rule(words=st.lists(st.tuples(numbers, st.integers(0, 3), numbers), max_size=3))
    def acknowledge(self, words: list) -> None:
        said = [Acknowledgement(device(by), author(journal), n) for by, journal, n in words]
        self.persist(Batch(acknowledged=tuple(said)))

    @precondition(lambda self: self.arrivals)
    @rule()
    def refuse_an_entry_that_is_held(self) -> None:
        for store in (self.disk, self.memory):
            try:
                store.persist(Batch(entries=(entry(self.arrivals, 10**6),), meta={"x": b"never"}))
            except AssertionError:
                continue
            raise AssertionError("an arrival was taken twice")

    @rule()
    def restart(self) -> None:
        self.reader.close()
        self.disk.close()
        self.disk = open_store(self.home, KEY)
        self.reader = open_reader(self.home, KEY)

    @rule(
        ids=st.lists(numbers.map(record_id), max_size=5),
        collection=collections,
        name=names,
        prefix=st.sampled_from(["", "0" * 31, "0" * 32, "0" * 31 + "B"]),
        limit=st.integers(1, 4),
    )
    def ask_about_records(self, ids: list, collection: str, name: str, prefix: str, limit: int):
        for store in (self.disk, self.reader):
            assert store.records(ids) == self.memory.records(ids)
            assert store.find(collection, name) == self.memory.find(collection, name)
            assert store.records_behind(ids[0] if ids else None, 40) == (
                self.memory.records_behind(ids[0] if ids else None, 40)
            )
            assert store.with_id_prefix(prefix, limit) == self.memory.with_id_prefix(prefix, limit)

    @rule(after=st.integers(-1, 40), bytes_max=st.integers(0, 500), by=st.integers(0, 3), n=numbers)
    def ask_about_entries(self, after: int, bytes_max: int, by: int, n: int) -> None:
        for store in (self.disk, self.reader):
            assert store.entries(after, bytes_max) == self.memory.entries(after, bytes_max)
            assert store.first_arrival(author(by), n) == self.memory.first_arrival(author(by), n)

    @rule(collection=st.none() | collections, limit=st.integers(1, 5), deleted=st.booleans())
    def page_through(self, collection: str | None, limit: int, *, deleted: bool) -> None:
        after = None
        while True:
            page = self.reader.rows(collection, after, limit, deleted=deleted)
            assert page == self.memory.rows(collection, after, limit, deleted=deleted)
            if not page:
                break
            after = page[-1].id

    @invariant()
    def they_hold_the_same(self) -> None:
        for store in (self.disk, self.reader):
            assert store.state() == self.memory.state()
            assert store.count() == self.memory.count()


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(max_examples=25, stateful_step_count=25)
