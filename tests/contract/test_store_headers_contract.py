"""Entries that become headers, in every store."""

from dataclasses import replace

from harness.batches import author, entry
from p2pvault.store.port import Store
from p2pvault.types import Batch, EntryHash, JournalHead


def test_a_header_takes_the_place_of_its_entry_and_of_no_other(store: Store) -> None:
    first, second, third = (entry(number, number) for number in (1, 2, 3))
    store.persist(Batch(entries=(first, second, third)))
    header = replace(second, data=b"header")
    elsewhere = replace(third, hash=EntryHash(bytes(32)), data=b"another branch")
    store.persist(Batch(headers=(header, elsewhere)))
    assert store.entries(0, 10_000) == [first, header, third]
    assert list(store.state().journals) == [JournalHead(author(1), 3, third.hash)]


def test_a_header_of_an_entry_that_was_dropped_is_passed_over(store: Store) -> None:
    first, second = entry(1, 1), entry(2, 2)
    store.persist(Batch(entries=(first, second)))
    store.persist(Batch(dropped=(JournalHead(author(1), 1, first.hash),)))
    store.persist(Batch(headers=(replace(first, data=b"header"),)))
    assert store.entries(0, 10_000) == [second]
