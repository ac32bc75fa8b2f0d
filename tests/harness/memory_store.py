"""A store in memory that keeps the promises of `p2pvault.store.port`, but for durability.

It passes the same contract suite as the store on disk, so tests of what stands above may use it.
Its content outlives `close`, so handing the same object out again is a restart.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from p2pvault.errors import NoSuchRecord
from p2pvault.limits import CROWDED_RECORDS_MAX, DROP_BYTES_MAX, DROP_ENTRIES_MAX
from p2pvault.types import (
    Acknowledgement,
    AuthorId,
    Batch,
    DeviceId,
    Doubt,
    Fingerprint,
    JournalHead,
    PeerRow,
    QuarantinedEntry,
    QuarantinedRow,
    RecordId,
    RecordRow,
    StoredEntry,
    StoredOperation,
    StoredRecord,
    StoreState,
    Surplus,
)


class MemoryStore:
    """Lists and dictionaries where the real store has tables."""

    def __init__(self) -> None:
        self.doubt: Doubt | None = None
        self._meta: dict[str, bytes] = {}
        self._journals: dict[AuthorId, JournalHead] = {}
        self._entries: list[StoredEntry] = []
        self._records: dict[RecordId, StoredRecord] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        self._operations: list[StoredOperation] = []
        self._peers: dict[DeviceId, PeerRow] = {}
        self._bases: dict[AuthorId, JournalHead] = {}
        self._acknowledged: dict[tuple[DeviceId, AuthorId], int] = {}
        self._quarantined: dict[int, QuarantinedEntry] = {}

    def persist(self, batch: Batch) -> None:
        self._check(batch)
        for cut in batch.cuts:
            self._journals.pop(cut.author, None)
            self._journals |= {cut.author: cut} if cut.n else {}
            self._entries = [e for e in self._entries if e.author != cut.author or e.n <= cut.n]
        for record in batch.erased:
            self._records.pop(record, None)
        for entry in batch.entries:
            self._entries.append(entry)
            self._journals[entry.author] = JournalHead(entry.author, entry.n, entry.hash)
        for write in batch.records:
            before = self._records.get(write.row.id)
            kept = () if before is None or write.replaces else before.chunks
            self._records[write.row.id] = StoredRecord(write.row, (*kept, write.chunk))
        headers = {(each.arrival, each.hash): each for each in batch.headers}
        self._entries = [headers.get((each.arrival, each.hash), each) for each in self._entries]
        self._fingerprints.update({item.collection: item for item in batch.fingerprints})
        self._operations.extend(batch.operations)
        self._meta.update({name: value for name, value in batch.meta.items() if value is not None})
        for name in [name for name, value in batch.meta.items() if value is None]:
            self._meta.pop(name, None)
        self._peers.update({peer.device: peer for peer in batch.peers})
        self._acknowledged.update({(a.device, a.author): a.n for a in batch.acknowledged})
        for head in batch.adopted:
            _raise_to(self._journals, head)
            _raise_to(self._bases, head)
        for head in batch.dropped:
            _raise_to(self._bases, head)
            self._entries = [e for e in self._entries if e.author != head.author or e.n > head.n]
        self._quarantined = self._quarantine_after(batch)

    def vouch(self) -> None:
        self.doubt = None

    def _check(self, batch: Batch) -> None:
        arrival = self._last_arrival()
        journals = {author: head.n for author, head in self._journals.items()}
        journals |= {cut.author: cut.n for cut in batch.cuts}
        for entry in batch.entries:
            assert entry.arrival > arrival, "an arrival out of order"
            assert entry.n == journals.get(entry.author, 0) + 1, "an entry out of order"
            arrival, journals[entry.author] = entry.arrival, entry.n
        assert _distinct(write.row.id for write in batch.records), "a record twice in one batch"
        held = {(item.author, item.n, item.hash) for item in self._entries}
        wanted = {(head.author, head.n, head.hash) for head in batch.dropped}
        assert wanted <= held, "an entry dropped that is not held"
        operations = [*self._operations, *batch.operations]
        assert _distinct(operation.hash for operation in operations), "an operation twice"
        kept = [at for at in self._quarantined if at not in batch.left_quarantine]
        rows = [entry.row for entry in self._quarantine_after(batch).values()]
        assert len(rows) == len(kept) + len(batch.quarantined), "a quarantined position twice"
        assert _distinct(row.author + row.n.to_bytes(8, "big") for row in rows), "a number twice"

    def _quarantine_after(self, batch: Batch) -> dict[int, QuarantinedEntry]:
        kept = {
            at: entry for at, entry in self._quarantined.items() if at not in batch.left_quarantine
        }
        return kept | {entry.row.position: entry for entry in batch.quarantined}

    def state(self) -> StoreState:
        return StoreState(
            meta=dict(self._meta),
            journals=[self._journals[author] for author in sorted(self._journals)],
            fingerprints=self.collections(),
            operations=list(self._operations),
            peers=[self._peers[device] for device in sorted(self._peers)],
            last_arrival=self._last_arrival(),
            bases=tuple(self._bases[author] for author in sorted(self._bases)),
            acknowledged=tuple(
                Acknowledgement(device, author, n)
                for (device, author), n in sorted(self._acknowledged.items())
            ),
            quarantine=self.quarantine(),
        )

    def records(self, ids: Sequence[RecordId]) -> list[StoredRecord]:
        return [self._records[identifier] for identifier in ids if identifier in self._records]

    def find(self, collection: str, name: str) -> list[RecordRow]:
        found = (row for row in self._rows() if (row.collection, row.name) == (collection, name))
        return sorted(found, key=lambda row: (row.deleted, row.id))

    def with_id_prefix(self, prefix_hex: str, limit: int) -> list[RecordRow]:
        found = (row for row in self._rows() if row.id.hex().startswith(prefix_hex.lower()))
        return sorted(found, key=lambda row: row.id)[:limit]

    def rows(
        self,
        collection: str | None,
        after: RecordId | None,
        limit: int,
        *,
        deleted: bool = False,
    ) -> list[RecordRow]:
        if after is not None and after not in self._records:
            raise NoSuchRecord(f"no record {after.hex()} to go on from")
        start = ("", "", b"") if after is None else _place(self._records[after].row)
        found = (
            row
            for row in self._rows()
            if row.deleted == deleted
            and collection in (None, row.collection)
            and _place(row) > start
        )
        return sorted(found, key=_place)[:limit]

    def index(self, lower: bytes, upper: bytes | None, limit: int) -> list[RecordRow]:
        found = [r for r in self._rows() if lower <= r.id and (upper is None or r.id < upper)]
        return sorted(found, key=lambda row: row.id)[:limit]

    def index_count(self, lower: bytes, upper: bytes | None) -> int:
        return len(self.index(lower, upper, len(self._records) + 1))

    def faults(self) -> list[str]:
        return []

    @contextmanager
    def standstill(self) -> Iterator[None]:
        yield

    def collections(self) -> list[Fingerprint]:
        return [self._fingerprints[name] for name in sorted(self._fingerprints)]

    def entries(self, after_arrival: int, bytes_max: int) -> list[StoredEntry]:
        found: list[StoredEntry] = []
        for entry in self._entries:
            if entry.arrival <= after_arrival:
                continue
            if found and sum(len(item.data) for item in [*found, entry]) > bytes_max:
                break
            found.append(entry)
        return found

    def first_arrival(self, author: AuthorId, n: int) -> int | None:
        found = (item.arrival for item in self._entries if item.author == author and item.n >= n)
        return next(found, None)

    def records_behind(self, after: RecordId | None, bytes_max: int) -> list[StoredRecord]:
        found: list[StoredRecord] = []
        for identifier in sorted(each for each in self._records if each > (after or b"")):
            found.append(self._records[identifier])
            if len(found) > 1 and sum(len(c) for r in found for c in r.chunks) > bytes_max:
                return found[:-1]
        return found

    def surplus(self, upto: Sequence[tuple[AuthorId, int]], chunks_min: int | None) -> Surplus:
        dropped: dict[AuthorId, JournalHead] = {}
        size = count = 0
        for author, n in upto:
            for item in [e for e in self._entries if e.author == author and e.n <= n]:
                size, count = size + len(item.data), count + 1
                if not dropped or (size <= DROP_BYTES_MAX and count <= DROP_ENTRIES_MAX):
                    dropped[author] = JournalHead(author, item.n, item.hash)
        crowded = [
            (identifier, sum(map(len, record.chunks)))
            for identifier, record in self._records.items()
            if chunks_min is not None and len(record.chunks) >= chunks_min
        ]
        return Surplus(tuple(dropped.values()), tuple(crowded[:CROWDED_RECORDS_MAX]), 0, 0)

    def quarantine(self) -> list[QuarantinedRow]:
        return [self._quarantined[at].row for at in sorted(self._quarantined)]

    def quarantined(self, positions: Sequence[int]) -> list[QuarantinedEntry]:
        return [self._quarantined[at] for at in positions if at in self._quarantined]

    def hashes(self, author: AuthorId, numbers: Sequence[int]) -> list[bytes]:
        held = {entry.n: entry.hash for entry in self._entries if entry.author == author}
        base = self._bases.get(author)
        if base is not None:
            held.setdefault(base.n, base.hash)
        return [held.get(n, b"") for n in numbers]

    def count(self) -> int:
        return sum(not row.deleted for row in self._rows())

    def shrink(self) -> None:
        pass

    def close(self) -> None:
        pass

    # Damage that the store does not notice, for tests of those who do.

    def damage(self, record: StoredRecord) -> None:
        """Put a record in the place of the one with its id."""
        self._records[record.row.id] = record

    def forget(self, record: RecordId) -> None:
        """Lose a record."""
        del self._records[record]

    def miscount(self, fingerprint: Fingerprint) -> None:
        """Put a fingerprint in the place of the one of its collection."""
        self._fingerprints[fingerprint.collection] = fingerprint

    def _rows(self) -> Iterator[RecordRow]:
        return (record.row for record in self._records.values())

    def _last_arrival(self) -> int:
        return self._entries[-1].arrival if self._entries else 0


def _place(row: RecordRow) -> tuple[str, str, bytes]:
    return row.collection, row.name, row.id


def _raise_to(heads: dict[AuthorId, JournalHead], head: JournalHead) -> None:
    if head.author not in heads or heads[head.author].n < head.n:
        heads[head.author] = head


def _distinct(items: Iterable[bytes]) -> bool:
    listed = list(items)
    return len(set(listed)) == len(listed)
