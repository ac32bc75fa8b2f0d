"""Damage to the content of a store that the store itself does not notice."""

from dataclasses import replace

from automerge import core

from harness.memory_store import MemoryStore
from p2pvault.core.content import Tally
from p2pvault.crdt.chunk import split
from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError
from p2pvault.types import AuthorId, ChangeHash, Fingerprint, RecordRow, StoredRecord

NOBODY = AuthorId(bytes(16))


def rows(store: MemoryStore) -> list[RecordRow]:
    """Return the whole index by record id."""
    return store.index(b"", None, 1 << 30)


def held(store: MemoryStore, path: str) -> StoredRecord:
    """Return the record of a path."""
    collection, name = path.split("/")
    (row,) = store.find(collection, name)
    (record,) = store.records([row.id])
    return record


def loaded(stored: StoredRecord) -> Record:
    """Return a record as its chunks make it; raises `CrdtError` where they do not."""
    return Record.load(NOBODY, stored.chunks, stored.row.heads)


def is_sound(stored: StoredRecord) -> bool:
    """Tell whether the chunks of a record make what its row says."""
    try:
        loaded(stored)
    except CrdtError:
        return False
    return True


def whole(store: MemoryStore) -> list[StoredRecord]:
    """Return the records that can be read."""
    return [each for each in store.records([row.id for row in rows(store)]) if is_sound(each)]


def spoiled(stored: StoredRecord, at: int) -> StoredRecord:
    """Return a record with a bit turned in one of its chunks."""
    chunks = list(stored.chunks)
    chunks[at] = chunks[at][:-1] + bytes([chunks[at][-1] ^ 1])
    return replace(stored, chunks=tuple(chunks))


def settle(store: MemoryStore, key: bytes) -> None:
    """Write the fingerprints of the index as it is, so that nothing in the store is at odds."""
    tally = Tally(key, {})
    for row in rows(store):
        tally.replace(None, row)
    counted = {each.collection: each for each in tally.touched()}
    for name in [each.collection for each in store.collections()]:
        store.miscount(counted.get(name, Fingerprint(name, 0, 0)))


def roll_back(store: MemoryStore, path: str) -> None:
    """Lose the last change of a record, with the index as it was before it."""
    stored = held(store, path)
    chunks = tuple(split(b"".join(stored.chunks))[:-1])
    assert chunks, "there is something before"
    heads = core.Document.load(b"".join(chunks)).get_heads()
    names = tuple(sorted(ChangeHash(head) for head in heads))
    record = Record.load(NOBODY, chunks, names)
    row = RecordRow(stored.row.id, record.collection, record.name, record.deleted, names)
    store.damage(StoredRecord(row, chunks))
