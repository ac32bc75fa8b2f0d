"""Which entries and records concern collections that somebody does not keep.

An entry says which records it changes, and the index which collections these are in. Everything
here runs in the reader's thread.
"""

from collections.abc import Set
from dataclasses import replace

from p2pvault.core.loads import ForgottenLoaded, LoadForgotten
from p2pvault.limits import ERASE_BYTES_MAX, ERASE_RECORDS_MAX
from p2pvault.protocol.journal import header_of, records_in
from p2pvault.store.port import Reader
from p2pvault.types import StoredEntry


def as_header(reader: Reader, entry: StoredEntry, forgotten: Set[str]) -> StoredEntry:
    """Return the header of an entry that concerns forgotten collections only, else the entry."""
    names = _collections(reader, entry)
    if not names or not names <= forgotten:
        return entry
    return replace(entry, data=header_of(entry.data, names))


def _collections(reader: Reader, entry: StoredEntry) -> Set[str]:
    """Return the collections of an entry's records; nothing where one of them is not here."""
    found: set[str] = set()
    for record in records_in(entry.data):
        rows = reader.with_id_prefix(record.hex(), 1)
        if not rows:
            return set()
        found.add(rows[0].collection)
    return found


def load_forgotten(reader: Reader, load: LoadForgotten) -> ForgottenLoaded:
    """Answer the core's question for what is still stored of a forgotten collection."""
    page = reader.entries(load.after, ERASE_BYTES_MAX) if load.after < load.upto else []
    entries = [entry for entry in page if entry.arrival <= load.upto]
    if entries:
        made = [as_header(reader, entry, load.forgotten) for entry in entries]
        headers = [new for new, old in zip(made, entries, strict=True) if new is not old]
        return ForgottenLoaded(load, entries[-1].arrival, headers)
    rows = reader.rows(load.collection, None, ERASE_RECORDS_MAX)
    rows = rows or reader.rows(load.collection, None, ERASE_RECORDS_MAX, deleted=True)
    return ForgottenLoaded(load, max(load.after, load.upto), rows=rows, is_last=not rows)
