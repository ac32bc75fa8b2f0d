"""Reading records as they were: what the store holds, without what came behind a cut.

A record that was changed behind the cut is loaded, and given without those changes. The entries
behind the cut say which these are; the store keeps them, since whoever asks does not hold them.
"""

from collections.abc import Iterable, Iterator, Mapping

from p2pvault.core.loads import LoadSnapshots, SnapshotsLoaded
from p2pvault.crdt.chunk import open_change
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import weigh_stored
from p2pvault.errors import StoreCorrupt
from p2pvault.limits import ENTRY_WORK_MAX, FEED_BYTES_MAX, INDEX_PAGE_ROWS, SUPPLY_READ_BYTES
from p2pvault.node.inquiring import is_sound, read_one
from p2pvault.protocol.journal import decode_entry, outside_of
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.store.port import Reader
from p2pvault.types import (
    AuthorId,
    ChangeHash,
    RecordId,
    RecordRow,
    StoredEntry,
    StoredRecord,
    VaultId,
)

_ANYONE = AuthorId(bytes(16))
"""An actor for records that nothing is written into."""

Found = tuple[RecordRow, StoredRecord | None]
"""A record in the order of ids; None where its pages are damaged."""


def load_snapshots(reader: Reader, vault: VaultId, load: LoadSnapshots) -> SnapshotsLoaded:
    """Answer the core's question for records as of a cut.

    A damaged one is left out: whoever gets it would refuse it, and could get no other from us.
    None is given where it is not known how they were: changes that nobody's journals name would
    be in what the asker writes on top of them.
    """
    # In this order: a change that shows in a record shows in the log, too.
    found = _portion(_records_behind(reader, load.after), load.bytes_max)
    later = _changes_behind(reader, vault, load)
    if later is None:
        return SnapshotsLoaded(load.link, load.after, (), unknown=True)
    snapshots: list[RecordSnapshot] = []
    damaged: list[RecordId] = []
    wanted = [each for each in found if each[0].collection not in load.without]
    for row, stored in wanted:
        if stored is None or not is_sound(stored):
            damaged.append(row.id)
        elif (snapshot := _as_of(stored, later.get(row.id, set()))) is not None:
            snapshots.append(snapshot)
    after = found[-1][0].id if found else None
    return SnapshotsLoaded(load.link, after, snapshots, tuple(damaged))


def _portion(records: Iterable[Found], bytes_max: int) -> list[Found]:
    """Return as many records as may be loaded in one go, one at least."""
    found: list[Found] = []
    size = work = 0
    for row, stored in records:
        if stored is not None:
            size += sum(map(len, stored.chunks))
            work += weigh_stored(stored.chunks)
        if found and (size > bytes_max or work > ENTRY_WORK_MAX):
            break
        found.append((row, stored))
    return found


def _records_behind(reader: Reader, after: RecordId | None) -> Iterator[Found]:
    """Walk over records; one by one where a page is damaged, so that only its record is."""
    while True:
        try:
            records = reader.records_behind(after, SUPPLY_READ_BYTES)
        except StoreCorrupt:
            yield from _one_by_one(reader, after)
            return
        if not records:
            return
        yield from ((record.row, record) for record in records)
        after = records[-1].row.id


def _one_by_one(reader: Reader, after: RecordId | None) -> Iterator[Found]:
    lower = b"" if after is None else after + b"\x00"
    for row in reader.index(lower, None, INDEX_PAGE_ROWS):
        for stored in read_one(reader, row.id):
            yield row, stored


def _as_of(record: StoredRecord, later: set[ChangeHash]) -> RecordSnapshot | None:
    """Return a sound record without some changes; None when nothing is left."""
    row, data = record.row, b"".join(record.chunks)
    heads = row.heads
    if later:
        loaded = Record.load(_ANYONE, record.chunks, row.heads)
        heads, data = loaded.history_without(later)
    return RecordSnapshot(row.id, heads, data) if data else None


def _changes_behind(
    reader: Reader, vault: VaultId, load: LoadSnapshots
) -> Mapping[RecordId, set[ChangeHash]] | None:
    """Return the changes that came later, by record; None where some of them are not known."""
    later: dict[RecordId, set[ChangeHash]] = {}
    upto = dict(load.upto)
    for stored in _log(reader, _start(reader, load)):
        if stored.n > upto.get(stored.author, 0):
            if not load.without.issuperset(outside_of(stored.data)):
                return None
            for record, change in decode_entry(stored.data, vault).body.changes:
                later.setdefault(record, set()).add(open_change(change)[1])
    return later


def _start(reader: Reader, load: LoadSnapshots) -> int:
    """Return the arrival number before which no entry lies behind the cut."""
    found = (reader.first_arrival(author, n + 1) for author, n in load.upto)
    known = (arrival - 1 for arrival in found if arrival is not None)
    return min([load.last_arrival, *known])


def _log(reader: Reader, after: int) -> Iterator[StoredEntry]:
    while page := reader.entries(after, FEED_BYTES_MAX):
        yield from page
        after = page[-1].arrival
