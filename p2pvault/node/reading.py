"""Reading the vault: straight from the store, never through the core.

What the store holds is durable, and only what is durable is visible, so a reader needs nothing
else. Everything here runs in the reader's thread.
"""

from collections.abc import Iterable, Set

from p2pvault.core.interest import check_kept
from p2pvault.core.io import (
    BranchLoaded,
    EntriesLoaded,
    HashesLoaded,
    LoadBranch,
    LoadEntries,
    LoadHashes,
    LoadRecords,
    RecordsLoaded,
)
from p2pvault.core.recovering import RECOVERY_SEED
from p2pvault.core.selector import IdPrefix, Path, Selector, parse_selector, path_of, pick
from p2pvault.crdt.record import Record
from p2pvault.errors import BadValue, NoRecoveryWords
from p2pvault.limits import FORK_BYTES_MAX, ID_PREFIX_ROWS_MAX
from p2pvault.node.interest import as_header
from p2pvault.node.port import RecordListing, RecordView
from p2pvault.protocol.journal import outside_of
from p2pvault.protocol.recovery_words import write_words
from p2pvault.store.port import Reader
from p2pvault.types import AuthorId, RecordId, RecordRow, StoreState

_ID_BYTES = 16


def read_record(reader: Reader, actor: AuthorId, selector: str, forgotten: Set[str]) -> RecordView:
    """Return one live record.

    Raises:
        BadPath: The selector is neither a path nor an id.
        NotKept: It is in a collection that is not kept here.
        NoSuchRecord: No live record matches it.
        AmbiguousPath: Several do.
        CrdtError: The stored record is damaged.
    """
    parsed = parse_selector(selector)
    check_kept(parsed.collection if isinstance(parsed, Path) else None, forgotten)
    (stored,) = reader.records([pick(parsed, _live(_matching(reader, parsed)))])
    check_kept(stored.row.collection, forgotten)
    record = Record.load(actor, stored.chunks, stored.row.heads)
    return RecordView(stored.row.id, path_of(stored.row), record.value())


def recovery_words(state: StoreState) -> str:
    """Return the words of the recovery key, where the store still keeps it.

    Raises:
        NoRecoveryWords: It does not.
    """
    seed = state.meta.get(RECOVERY_SEED)
    if seed is None:
        raise NoRecoveryWords("this device does not keep the words of the recovery key")
    return write_words(seed)


def list_records(
    reader: Reader, collection: str | None, after: str | None, limit: int, forgotten: Set[str]
) -> RecordListing:
    """Return one page of the live records, by path.

    Args:
        reader: The store.
        collection: Only this one, or all.
        after: `RecordListing.next` of the page before.
        limit: Most rows.
        forgotten: The collections that are not kept here; what is not erased yet is left out.

    Raises:
        NotKept: The collection is one of these.
        BadValue: `after` is no such mark.
        NoSuchRecord: The record that `after` marks is unknown.
    """
    check_kept(collection, forgotten)
    found = reader.rows(collection, _mark(after), limit + 1)
    rows = found[:limit]
    following = rows[-1].id.hex() if len(found) > limit else None
    rows = [row for row in rows if row.collection not in forgotten]
    return RecordListing([(row.id, path_of(row)) for row in rows], following)


def load_records(reader: Reader, load: LoadRecords) -> RecordsLoaded:
    """Answer the core's question for records, and for entries in quarantine.

    Deleted ones are left out where a person looks for them: a path may have had thousands. The
    core itself knows those that come back with a batch under way.
    """
    ids = dict.fromkeys(load.ids)
    for path in load.paths:
        ids |= dict.fromkeys(_live(reader.find(*path)))
    for digits in load.prefixes:
        ids |= dict.fromkeys(_live(reader.with_id_prefix(digits, ID_PREFIX_ROWS_MAX)))
    quarantined = reader.quarantined(load.quarantined)
    return RecordsLoaded(load.load, reader.records(list(ids)), quarantined)


def load_entries(reader: Reader, load: LoadEntries) -> EntriesLoaded:
    """Answer the core's question for journal entries; a peer may want some as headers."""
    after = load.after if load.after is not None else _before_first(reader, load.first)
    entries = () if after is None else reader.entries(after, load.bytes_max)
    if load.without:
        entries = [as_header(reader, entry, load.without) for entry in entries]
    return EntriesLoaded(load.link, entries)


def load_hashes(reader: Reader, load: LoadHashes) -> HashesLoaded:
    """Answer the core's question for hashes of entries, and for the one entry that is to prove."""
    entry = _entry(reader, load.author, load.numbers[0]) if load.purpose == "prove" else b""
    return HashesLoaded(load, tuple(reader.hashes(load.author, load.numbers)), entry)


def _entry(reader: Reader, author: AuthorId, n: int) -> bytes:
    """Return one entry as it travels; nothing where it, or all but its header, is not kept."""
    arrival = reader.first_arrival(author, n)
    page = [] if arrival is None else reader.entries(arrival - 1, 1)
    found = (entry.data for entry in page if (entry.author, entry.n) == (author, n))
    return next((data for data in found if not outside_of(data)), b"")


def load_branch(reader: Reader, load: LoadBranch) -> BranchLoaded:
    """Answer the core's question for all that came after a fork."""
    after = _before_first(reader, ((load.author, load.n),))
    entries = [] if after is None else reader.entries(after, FORK_BYTES_MAX)
    is_all = not entries or not reader.entries(entries[-1].arrival, 1)
    return BranchLoaded(load.load, entries if is_all else None)


def _before_first(reader: Reader, first: Iterable[tuple[AuthorId, int]]) -> int | None:
    """Return the arrival number before all of these; None where a retraction took them away."""
    found = [reader.first_arrival(author, n) for author, n in first]
    return min((arrival - 1 for arrival in found if arrival is not None), default=None)


def _matching(reader: Reader, selector: Selector) -> list[RecordRow]:
    match selector:
        case Path(collection, name):
            return reader.find(collection, name)
        case IdPrefix(digits):
            return reader.with_id_prefix(digits, ID_PREFIX_ROWS_MAX)


def _live(rows: Iterable[RecordRow]) -> list[RecordId]:
    return [row.id for row in rows if not row.deleted]


def _mark(after: str | None) -> RecordId | None:
    if after is None:
        return None
    try:
        mark = bytes.fromhex(after)
    except ValueError:
        mark = b""
    if len(mark) != _ID_BYTES:
        raise BadValue("this is not where a page of records ended")
    return RecordId(mark)
