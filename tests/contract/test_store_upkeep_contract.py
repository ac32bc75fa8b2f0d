"""What every store promises of upkeep: what it drops, what it keeps, and what it finds to drop."""

import pytest

from harness.batches import (
    author,
    device,
    digest,
    entry,
    put,
    record_id,
    row,
    rows,
)
from p2pvault.limits import (
    DROP_BYTES_MAX,
    DROP_ENTRIES_MAX,
)
from p2pvault.store.port import Store
from p2pvault.types import (
    Acknowledgement,
    Batch,
    EntryHash,
    JournalHead,
    StoredEntry,
)


def head(item: StoredEntry) -> JournalHead:
    return JournalHead(item.author, item.n, item.hash)


class TestUpkeep:
    def test_dropped_entries_are_gone_and_their_journal_begins_behind_them(
        self, store: Store
    ) -> None:
        entries = [entry(1, 1), entry(2, 1, by=2), entry(3, 2), entry(4, 3)]
        store.persist(Batch(entries=tuple(entries)))
        store.persist(Batch(dropped=(head(entries[2]),)))
        assert store.entries(0, 10_000) == [entries[1], entries[3]]
        assert store.first_arrival(author(1), 1) == 4
        state = store.state()
        assert list(state.bases) == [head(entries[2])]
        assert [journal.n for journal in state.journals if journal.author == author(1)] == [3]
        store.persist(Batch(dropped=(head(entries[3]), head(entries[1]))))
        assert store.entries(0, 10_000) == []
        assert store.state().journals == state.journals
        assert {base.n for base in store.state().bases} == {1, 3}

    def test_a_journal_goes_on_behind_what_was_dropped(self, store: Store) -> None:
        store.persist(Batch(entries=(entry(1, 1),)))
        store.persist(Batch(dropped=(head(entry(1, 1)),)))
        store.persist(Batch(entries=(entry(2, 2),)))
        assert [item.n for item in store.entries(0, 10_000)] == [2]
        with pytest.raises(AssertionError):
            store.persist(Batch(entries=(entry(3, 1),)))

    def test_an_adopted_journal_stands_where_it_was_adopted(self, store: Store) -> None:
        adopted = JournalHead(author(1), 7, EntryHash(digest("seven")))
        store.persist(Batch(entries=(entry(1, 1), entry(2, 1, by=2), entry(3, 2, by=2))))
        lower = JournalHead(author(2), 1, entry(2, 1, by=2).hash)
        store.persist(Batch(adopted=(adopted, lower)))
        state = store.state()
        assert list(state.journals) == sorted(
            [adopted, head(entry(3, 2, by=2))], key=lambda each: each.author
        )
        assert sorted(base.n for base in state.bases) == [1, 7]
        store.persist(Batch(entries=(entry(4, 8),)))
        assert store.first_arrival(author(1), 8) == 4

    def test_a_base_never_goes_back(self, store: Store) -> None:
        entries = entry(1, 1), entry(2, 2)
        store.persist(Batch(entries=entries))
        adopted = JournalHead(author(1), 7, EntryHash(digest("seven")))
        store.persist(Batch(adopted=(adopted,)))
        store.persist(Batch(dropped=(head(entries[1]),)))
        store.persist(Batch(adopted=(head(entries[1]),)))
        assert (list(store.state().bases), list(store.state().journals)) == ([adopted], [adopted])
        assert store.entries(0, 10_000) == []

    def test_acknowledgements_are_the_last_word_of_each_peer_on_each_journal(
        self, store: Store
    ) -> None:
        words = [
            Acknowledgement(device(by), author(journal), n)
            for by, journal, n in [(1, 1, 5), (1, 2, 1), (2, 1, 9)]
        ]
        store.persist(Batch(acknowledged=tuple(words)))
        lower = Acknowledgement(device(1), author(1), 3)
        store.persist(Batch(acknowledged=(lower,)))
        found = sorted([lower, *words[1:]], key=lambda word: (word.device, word.author))
        assert list(store.state().acknowledged) == found

    def test_what_can_be_dropped_is_found_journal_by_journal(self, store: Store) -> None:
        entries = [entry(1, 1), entry(2, 1, by=2), entry(3, 2), entry(4, 3)]
        store.persist(Batch(entries=tuple(entries)))
        upto = ((author(1), 2), (author(2), 9), (author(3), 1))
        assert store.surplus(upto, None).dropped == (head(entries[2]), head(entries[1]))
        assert store.surplus((), None).dropped == ()

    def test_what_can_be_dropped_is_bounded_in_number_and_bytes(self, store: Store) -> None:
        many = tuple(entry(n, n) for n in range(1, DROP_ENTRIES_MAX + 2))
        store.persist(Batch(entries=many))
        upto = ((author(1), len(many)),)
        assert [each.n for each in store.surplus(upto, None).dropped] == [DROP_ENTRIES_MAX]
        size = DROP_BYTES_MAX // 2
        large = tuple(entry(1_000 + n, n, by=2, size=size) for n in range(1, 4))
        store.persist(Batch(entries=large))
        assert [each.n for each in store.surplus(((author(2), 3),), None).dropped] == [1]

    def test_records_in_many_chunks_are_found_with_their_bytes(self, store: Store) -> None:
        store.persist(rows(row(1), row(2), row(3)))
        for number in (1, 3, 3):
            store.persist(Batch(records=(put(row(number), b"four"),)))
        assert store.surplus((), 2).crowded == ((record_id(1), 9), (record_id(3), 13))
        assert store.surplus((), 3).crowded == ((record_id(3), 13),)
        assert store.surplus((), None).crowded == ()

    def test_records_come_by_id_in_pages_of_bytes(self, store: Store) -> None:
        batch = rows(row(3), row(1, deleted=True), row(2), row(5))
        store.persist(batch)
        store.persist(Batch(records=(put(row(2), b"more"),)))
        whole = store.records_behind(None, 10_000)
        assert [item.row.id for item in whole] == [record_id(n) for n in (1, 2, 3, 5)]
        assert whole[1].chunks == (b"chunk", b"more")
        assert store.records_behind(None, 0) == whole[:1]
        assert store.records_behind(record_id(1), 14) == whole[1:3]
        assert store.records_behind(record_id(3), 10_000) == whole[3:]
        assert store.records_behind(record_id(5), 10_000) == []
