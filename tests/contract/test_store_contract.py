"""What every store promises: those on disk, in memory and in the simulator pass one suite."""

import pytest

from harness.batches import (
    author,
    device,
    entry,
    operation,
    put,
    quarantined,
    record_id,
    row,
    rows,
)
from p2pvault.errors import NoSuchRecord
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    STORE_STATEMENT_ROWS,
)
from p2pvault.store.port import Store
from p2pvault.types import (
    EMPTY_HASH,
    Address,
    Batch,
    Fingerprint,
    JournalHead,
    PeerRow,
    StoredEntry,
    StoreState,
)


def names(found: list) -> list[str]:
    return [item.name for item in found]


class TestRetraction:
    def test_cut_journals_and_dropped_records_go_and_what_follows_takes_their_place(
        self, store: Store
    ) -> None:
        entries = (entry(1, 1, by=1), entry(2, 2, by=1), entry(3, 1, by=2), entry(4, 1, by=3))
        kept, gone = row(1), row(2)
        store.persist(Batch(entries=entries, records=(put(kept, b"a"), put(gone, b"b"))))
        cuts = (
            JournalHead(author(1), 1, entries[0].hash),
            JournalHead(author(2), 0, EMPTY_HASH),
        )
        again = entry(5, 2, by=1)
        rebuilt = put(kept, b"rebuilt", replaces=True)
        store.persist(Batch(entries=(again,), records=(rebuilt,), cuts=cuts, erased=(gone.id,)))
        assert [e.hash for e in store.entries(0, 9_999)] == [
            entries[0].hash,
            entries[3].hash,
            again.hash,
        ]
        heads = {head.author: head.n for head in store.state().journals}
        assert heads == {author(1): 2, author(3): 1}
        (record,) = store.records([kept.id, gone.id])
        assert record.chunks == (b"rebuilt",)
        assert store.count() == 1

    def test_hashes_come_in_the_order_asked_for_and_empty_where_nothing_is_held(
        self, store: Store
    ) -> None:
        entries = (entry(1, 1, by=1), entry(2, 2, by=1), entry(3, 1, by=2))
        store.persist(Batch(entries=entries))
        assert store.hashes(author(1), (2, 3, 1)) == [entries[1].hash, b"", entries[0].hash]
        assert store.hashes(author(9), (1,)) == [b""]

    def test_a_new_store_is_not_doubted_and_may_be_vouched_for_at_any_time(
        self, store: Store
    ) -> None:
        assert store.doubt is None
        store.vouch()
        store.persist(Batch(meta={"a": b"1"}))
        store.vouch()
        assert store.doubt is None
        assert store.state().meta == {"a": b"1"}


class TestState:
    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.state() == StoreState({}, [], [], [], [], 0)
        assert store.count() == 0
        assert store.rows(None, None, 10) == []
        assert store.entries(0, 1000) == []

    def test_an_empty_batch_changes_nothing(self, store: Store) -> None:
        store.persist(Batch())
        assert store.state() == StoreState({}, [], [], [], [], 0)

    def test_meta_values_are_set_replaced_and_deleted(self, store: Store) -> None:
        store.persist(Batch(meta={"a": b"1", "b": b"", "c": b"\x00\xff"}))
        store.persist(Batch(meta={"a": b"2", "c": None, "never": None}))
        assert store.state().meta == {"a": b"2", "b": b""}

    def test_journal_heads_follow_from_the_entries(self, store: Store) -> None:
        entries = (entry(1, 1, by=1), entry(2, 1, by=2), entry(3, 2, by=1), entry(4, 3, by=1))
        store.persist(Batch(entries=entries[:3]))
        store.persist(Batch(entries=entries[3:]))
        state = store.state()
        heads = [
            JournalHead(author(1), 3, entries[3].hash),
            JournalHead(author(2), 1, entries[1].hash),
        ]
        assert list(state.journals) == sorted(heads, key=lambda head: head.author)
        assert state.last_arrival == 4

    def test_operations_keep_their_order_over_batches(self, store: Store) -> None:
        store.persist(Batch(operations=(operation(3), operation(1))))
        store.persist(Batch(operations=(operation(2),)))
        assert list(store.state().operations) == [operation(3), operation(1), operation(2)]

    def test_a_peers_row_is_replaced_as_a_whole(self, store: Store) -> None:
        first = PeerRow(device(1), (Address("192.168.1.2", 7), Address("fe80::1%eth0", 65_535)))
        second = PeerRow(device(1), (), (Address("10.0.0.1", 1),), 1_700_000_000_000)
        other = PeerRow(device(2))
        store.persist(Batch(peers=(first, other)))
        store.persist(Batch(peers=(second,)))
        assert list(store.state().peers) == sorted([second, other], key=lambda peer: peer.device)

    def test_a_peer_may_have_as_many_addresses_as_the_limit_says(self, store: Store) -> None:
        addresses = tuple(Address("::1", port) for port in range(ADDRESSES_PER_PEER_MAX))
        store.persist(Batch(peers=(PeerRow(device(1), addresses, addresses),)))
        assert store.state().peers[0].seen == addresses

    def test_fingerprints_hold_totals_of_256_bits_and_are_sorted(self, store: Store) -> None:
        top, zero = Fingerprint("b", 2**256 - 1, 3), Fingerprint("a", 0, 0)
        store.persist(Batch(fingerprints=(top, Fingerprint("a", 5, 9))))
        store.persist(Batch(fingerprints=(zero,)))
        assert store.collections() == [zero, top]
        assert list(store.state().fingerprints) == [zero, top]


class TestRecords:
    def test_chunks_append_in_order(self, store: Store) -> None:
        for chunk in (b"first", b"", b"third"):
            store.persist(Batch(records=(put(row(1), chunk),)))
        (record,) = store.records([record_id(1)])
        assert record.chunks == (b"first", b"", b"third")

    def test_a_snapshot_replaces_every_chunk_of_its_record_only(self, store: Store) -> None:
        store.persist(Batch(records=(put(row(1), b"a"), put(row(2), b"b"))))
        store.persist(Batch(records=(put(row(1), b"c"), put(row(2), b"d"))))
        store.persist(Batch(records=(put(row(1), b"snapshot", replaces=True), put(row(2), b"e"))))
        store.persist(Batch(records=(put(row(1), b"after"),)))
        chunks = [record.chunks for record in store.records([record_id(1), record_id(2)])]
        assert chunks == [(b"snapshot", b"after"), (b"b", b"d", b"e")]

    def test_records_come_in_the_order_asked_for_without_the_missing(self, store: Store) -> None:
        store.persist(rows(row(1), row(2), row(3)))
        found = store.records([record_id(number) for number in (3, 9, 1)])
        assert [record.row.id for record in found] == [record_id(3), record_id(1)]

    def test_a_row_is_replaced_with_all_its_columns(self, store: Store) -> None:
        store.persist(rows(row(1, heads=2)))
        moved = row(1, collection="notes", name="moved", deleted=True, heads=3)
        store.persist(rows(moved))
        assert store.records([record_id(1)])[0].row == moved
        assert store.find("contacts", "name 1") == []
        assert store.find("notes", "moved") == [moved]

    def test_find_puts_live_records_first(self, store: Store) -> None:
        same = [row(number, name="ada", deleted=number < 3) for number in (4, 1, 3, 2)]
        store.persist(rows(*same, row(5, name="Ada"), row(6, collection="notes", name="ada")))
        assert [item.id for item in store.find("contacts", "ada")] == [
            record_id(number) for number in (3, 4, 1, 2)
        ]

    def test_names_are_compared_exactly(self, store: Store) -> None:
        composed, decomposed = "\u00e9", "e\u0301"
        store.persist(rows(row(1, name=composed), row(2, name=decomposed), row(3, name="a\x00b")))
        assert [item.id for item in store.find("contacts", decomposed)] == [record_id(2)]
        assert store.find("contacts", "a") == []
        assert names(store.find("contacts", "a\x00b")) == ["a\x00b"]

    @pytest.mark.parametrize(
        ("prefix", "numbers"),
        [
            ("", [0x10, 0x11, 0x20]),
            ("0" * 30, [0x10, 0x11, 0x20]),
            ("0" * 30 + "1", [0x10, 0x11]),
            ("0" * 30 + "11", [0x11]),
            ("0" * 30 + "3", []),
            ("f", []),
        ],
    )
    def test_an_id_prefix_of_any_length_finds_its_records(
        self, store: Store, prefix: str, numbers: list[int]
    ) -> None:
        store.persist(rows(row(0x20), row(0x10), row(0x11, deleted=True)))
        found = store.with_id_prefix(prefix, 10)
        assert [item.id for item in found] == [record_id(number) for number in numbers]

    def test_an_id_prefix_may_be_in_capitals_and_has_a_limit(self, store: Store) -> None:
        store.persist(rows(row(0xAB << 120), row(0xAC << 120)))
        assert [item.id for item in store.with_id_prefix("AB", 5)] == [record_id(0xAB << 120)]
        assert len(store.with_id_prefix("a", 1)) == 1

    def test_count_leaves_out_what_is_deleted(self, store: Store) -> None:
        store.persist(rows(row(1), row(2), row(3, deleted=True)))
        store.persist(rows(row(1, deleted=True)))
        assert store.count() == 1

    def test_a_batch_of_many_writes_and_erases_each(self, store: Store) -> None:
        many = range(2 * STORE_STATEMENT_ROWS + 1)
        store.persist(Batch(records=tuple(put(row(n), b"%d" % n) for n in many)))
        again = [put(row(n, heads=2), b"again %d" % n, replaces=n % 2 == 0) for n in many]
        store.persist(Batch(records=tuple(again)))
        found = store.records([record_id(n) for n in many])
        assert [each.row for each in found] == [write.row for write in again]
        for n, each in enumerate(found):
            assert each.chunks == (
                (b"again %d" % n,) if n % 2 == 0 else (b"%d" % n, b"again %d" % n)
            )
        store.persist(Batch(erased=tuple(record_id(n) for n in many[1:])))
        assert [each.row.id for each in store.records_behind(None, 1 << 30)] == [record_id(0)]

    def test_shrinking_forgets_nothing(self, store: Store) -> None:
        store.persist(rows(row(1), row(2)))
        before = store.state(), store.records_behind(None, 1 << 20)
        store.shrink()
        assert (store.state(), store.records_behind(None, 1 << 20)) == before
        store.persist(rows(row(3)))
        assert store.count() == 3


class TestPages:
    @pytest.fixture
    def listed(self, store: Store) -> Store:
        store.persist(
            rows(
                row(1, collection="b", name="x"),
                row(2, collection="a", name="z"),
                row(3, collection="a", name="y"),
                row(4, collection="a", name="y"),
                row(5, collection="c", name=""),
                row(6, collection="a", name="y", deleted=True),
                row(7, collection="a", name="\U0001f600"),
                row(8, collection="a", name="\uffee"),
            )
        )
        return store

    def test_pages_of_any_size_make_up_the_whole_in_order(self, listed: Store) -> None:
        whole = listed.rows(None, None, 100)
        assert [item.id[-1] for item in whole] == [3, 4, 2, 8, 7, 1, 5]
        for limit in range(1, 9):
            paged, after = [], None
            while page := listed.rows(None, after, limit):
                paged += page
                after = page[-1].id
            assert paged == whole

    def test_a_collections_pages_end_with_it(self, listed: Store) -> None:
        assert [item.id[-1] for item in listed.rows("b", None, 10)] == [1]
        assert [item.id[-1] for item in listed.rows("a", record_id(4), 2)] == [2, 8]
        assert listed.rows("a", record_id(7), 10) == []
        assert listed.rows("nothing", None, 10) == []

    def test_a_page_goes_on_from_where_a_moved_record_stands_now(self, listed: Store) -> None:
        listed.persist(rows(row(3, collection="b", name="w")))
        assert [item.id[-1] for item in listed.rows("b", record_id(3), 10)] == [1]
        assert listed.rows("a", record_id(3), 10) == []
        assert [item.id[-1] for item in listed.rows("c", record_id(3), 10)] == [5]

    def test_the_index_by_id_goes_over_every_record(self, listed: Store) -> None:
        live, deleted = listed.rows(None, None, 100), listed.rows(None, None, 100, deleted=True)
        everything = sorted([*live, *deleted], key=lambda row: row.id)
        assert listed.index(b"", None, 100) == everything
        assert listed.index(b"", None, 2) == everything[:2]
        assert listed.index(everything[1].id, everything[3].id, 100) == everything[1:3]
        assert listed.index(everything[1].id + b"\x00", None, 1) == [everything[2]]
        assert listed.index_count(everything[1].id, everything[3].id) == 2
        assert listed.index_count(b"", None) == len(everything)
        with listed.standstill():
            assert listed.index(b"", None, 100) == everything

    def test_a_standstill_may_hold_another_one_and_whole_answers(self, listed: Store) -> None:
        with listed.standstill(), listed.standstill():
            state, (record, *_) = listed.state(), listed.records_behind(None, 10_000)
            assert listed.records([record.row.id]) == [record]
        assert listed.state() == state

    def test_a_page_goes_on_behind_a_record_that_was_deleted_meanwhile(self, listed: Store) -> None:
        listed.persist(rows(row(4, collection="a", name="y", deleted=True)))
        assert [item.id[-1] for item in listed.rows("a", record_id(4), 10)] == [2, 8, 7]

    def test_deleted_records_are_listed_when_asked_for(self, listed: Store) -> None:
        assert [item.id[-1] for item in listed.rows(None, None, 10, deleted=True)] == [6]
        assert listed.rows("b", None, 10, deleted=True) == []

    def test_going_on_from_an_unknown_record_is_an_error(self, listed: Store) -> None:
        with pytest.raises(NoSuchRecord):
            listed.rows(None, record_id(99), 10)


class TestEntries:
    def test_entries_come_in_order_of_arrival(self, store: Store) -> None:
        entries = (entry(1, 1, by=2), entry(2, 1, by=1), entry(7, 2, by=2))
        store.persist(Batch(entries=entries))
        assert store.entries(0, 10_000) == list(entries)
        assert store.entries(1, 10_000) == list(entries[1:])
        assert store.entries(2, 10_000) == list(entries[2:])
        assert store.entries(7, 10_000) == []

    def test_entries_stop_at_the_bytes_but_never_before_the_first(self, store: Store) -> None:
        entries = [entry(number, number, size=84) for number in range(1, 5)]
        store.persist(Batch(entries=tuple(entries)))
        assert store.entries(0, 0) == entries[:1]
        assert store.entries(0, 199) == entries[:1]
        assert store.entries(0, 200) == entries[:2]
        assert store.entries(2, 10**9) == entries[2:]

    def test_the_first_arrival_from_a_number_on_is_found(self, store: Store) -> None:
        store.persist(Batch(entries=(entry(3, 1, by=1), entry(4, 1, by=2), entry(9, 2, by=1))))
        assert [store.first_arrival(author(1), n) for n in (0, 1, 2, 3)] == [3, 3, 9, None]
        assert store.first_arrival(author(3), 1) is None


def head(item: StoredEntry) -> JournalHead:
    return JournalHead(item.author, item.n, item.hash)


class TestQuarantine:
    def test_rows_come_by_position_and_entries_as_they_are_asked_for(self, store: Store) -> None:
        first, second = quarantined(1, 7, records=(1, 2, 3)), quarantined(2, 7, by=2)
        third = quarantined(9, 8, by=1, records=(), since_ms=1_700_000_000_000)
        store.persist(Batch(quarantined=(second, third)))
        store.persist(Batch(quarantined=(first,)))
        expected = [first.row, second.row, third.row]
        assert store.quarantine() == expected
        assert list(store.state().quarantine) == expected
        assert store.quarantined([9, 5, 1]) == [third, first]
        assert store.quarantined([]) == []

    def test_it_is_no_part_of_journals_and_log(self, store: Store) -> None:
        store.persist(Batch(quarantined=(quarantined(1, 1),)))
        state = store.state()
        assert (list(state.journals), state.last_arrival) == ([], 0)
        assert store.entries(0, 1_000) == []
        assert store.first_arrival(author(1), 1) is None

    def test_entries_leave_it_for_their_journal_in_one_batch(self, store: Store) -> None:
        store.persist(Batch(quarantined=(quarantined(1, 1), quarantined(2, 2))))
        store.persist(Batch(entries=(entry(1, 1),), left_quarantine=(1, 77)))
        assert [row.n for row in store.quarantine()] == [2]
        assert [item.n for item in store.entries(0, 1_000)] == [1]

    def test_a_position_and_a_number_can_change_hands(self, store: Store) -> None:
        store.persist(Batch(quarantined=(quarantined(1, 1), quarantined(2, 2))))
        again, other = quarantined(2, 5, by=3), quarantined(3, 2)
        store.persist(Batch(quarantined=(again, other), left_quarantine=(2,)))
        assert store.quarantined([1, 2, 3]) == [quarantined(1, 1), again, other]


class TestRefusals:
    @pytest.mark.parametrize(
        "bad",
        [
            pytest.param(Batch(entries=(entry(3, 1),)), id="a number again"),
            pytest.param(Batch(entries=(entry(3, 4),)), id="a number skipped"),
            pytest.param(Batch(entries=(entry(2, 3),)), id="an arrival again"),
            pytest.param(Batch(entries=(entry(3, 1, by=2), entry(4, 3, by=2))), id="a gap inside"),
            pytest.param(Batch(entries=(entry(4, 3), entry(3, 1, by=2))), id="arrivals swapped"),
            pytest.param(Batch(entries=(entry(3, 2, by=2),)), id="a journal from its middle"),
            pytest.param(Batch(operations=(operation(1),)), id="an operation again"),
            pytest.param(Batch(operations=(operation(2), operation(2))), id="an operation twice"),
            pytest.param(rows(row(5), row(5)), id="a record twice"),
            pytest.param(Batch(dropped=(head(entry(9, 3)),)), id="dropped and not held"),
            pytest.param(Batch(dropped=(head(entry(9, 2)),)), id="dropped under another hash"),
            pytest.param(Batch(quarantined=(quarantined(1, 9),)), id="a position again"),
            pytest.param(Batch(quarantined=(quarantined(5, 1),)), id="a quarantined number again"),
        ],
    )
    def test_a_batch_that_contradicts_the_store_leaves_no_trace(
        self, store: Store, bad: Batch
    ) -> None:
        store.persist(
            Batch(
                entries=(entry(1, 1), entry(2, 2)),
                operations=(operation(1),),
                meta={"k": b"v"},
                quarantined=(quarantined(1, 1), quarantined(2, 2)),
            )
        )
        before = store.state(), store.rows(None, None, 10), store.entries(0, 10_000)
        more = Batch(
            entries=bad.entries,
            operations=bad.operations,
            records=(*bad.records, put(row(9))),
            fingerprints=(Fingerprint("contacts", 1, 1),),
            dropped=bad.dropped,
            meta={"k": None, "other": b"1"},
            peers=(PeerRow(device(1)),),
            quarantined=bad.quarantined,
            left_quarantine=(2,),
        )
        with pytest.raises(AssertionError):
            store.persist(more)
        assert (store.state(), store.rows(None, None, 10), store.entries(0, 10_000)) == before
        store.persist(Batch(entries=(entry(3, 3),)))
        assert store.state().last_arrival == 3
