"""Reading records as they were: what the store holds, without what came behind a cut.

A record that was changed behind the cut is loaded, and given without those changes. The entries
behind the cut say which these are; the store keeps them, since whoever asks does not hold them.
"""

from collections.abc import Iterator, Mapping

from p2pvault.core.loads import LoadSnapshots, SnapshotsLoaded
from p2pvault.crdt.chunk import open_change
from p2pvault.crdt.record import Record
from p2pvault.limits import FEED_BYTES_MAX
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.store.port import Reader
from p2pvault.types import AuthorId, ChangeHash, RecordId, StoredEntry, StoredRecord, VaultId

_ANYONE = AuthorId(bytes(16))
"""An actor for records that nothing is written into."""


def load_snapshots(reader: Reader, vault: VaultId, load: LoadSnapshots) -> SnapshotsLoaded:
    """Answer the core's question for records as of a cut.

    Raises:
        CrdtError: A record that was changed behind the cut is damaged.
    """
    # In this order: a change that shows in a record shows in the log, too.
    records = reader.records_behind(load.after, load.bytes_max)
    later = _changes_behind(reader, vault, load)
    snapshots = [_as_of(record, later.get(record.row.id, set())) for record in records]
    after = records[-1].row.id if records else None
    return SnapshotsLoaded(load.link, after, [each for each in snapshots if each is not None])


def _as_of(record: StoredRecord, later: set[ChangeHash]) -> RecordSnapshot | None:
    """Return a record without some changes; None when nothing is left, or nothing was there."""
    row, data = record.row, b"".join(record.chunks)
    heads = row.heads
    if later:
        loaded = Record.load(_ANYONE, record.chunks, row.heads)
        heads, data = loaded.history_without(later)
    return RecordSnapshot(row.id, heads, data) if data else None


def _changes_behind(
    reader: Reader, vault: VaultId, load: LoadSnapshots
) -> Mapping[RecordId, set[ChangeHash]]:
    later: dict[RecordId, set[ChangeHash]] = {}
    upto = dict(load.upto)
    for stored in _log(reader, _start(reader, load)):
        if stored.n > upto.get(stored.author, 0):
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
