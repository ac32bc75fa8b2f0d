"""A store with damaged pages becomes a sound one, with everything that could still be read.

Records that do not load are left out, and a journal ends before its first entry that is missing or
damaged; the fingerprints are counted anew. So what is missing is known to be missing, and comes
back from other devices: entries as always, records by repair. The device writes in a new journal
from then on, since of its old one a part may be lost that others have seen.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from p2pvault.core.content import FETCHING, JOURNAL_OWNER, Tally
from p2pvault.core.quarantine import REFUSED
from p2pvault.core.selector import path_of
from p2pvault.core.start import salvaged, stored_members
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import StoreCorrupt
from p2pvault.limits import SALVAGE_ROWS
from p2pvault.node.audit import Journals
from p2pvault.node.inquiring import is_sound
from p2pvault.node.port import Lost
from p2pvault.store.fresh import make_fresh, put_in_place
from p2pvault.store.home import HomeFiles
from p2pvault.store.keepsake import read_keepsake
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.rescue import Rescue
from p2pvault.types import AuthorId, Batch, DeviceId, RecordWrite, StoredEntry, StoreState

T = TypeVar("T")

Persist = Callable[[Batch], None]


_MADE_ANEW = (FETCHING, JOURNAL_OWNER, REFUSED)
"""Whose a journal is follows from the entries that are kept. How far one was refused must not stay
when the journal ends earlier now: what lies between would never be taken. Nor how far records were
fetched: some of those may be lost."""


@dataclass(slots=True)
class _Kept:
    """What was kept so far, and what was not."""

    owners: dict[AuthorId, DeviceId] = field(default_factory=dict)
    cut: dict[AuthorId, int] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)


def salvage(files: HomeFiles, key: bytes, entropy: Entropy) -> list[Lost]:
    """Replace the store of a home by one with all that can be read of it.

    Keys and membership come from their second copy where the store's own cannot be read. The
    damaged store stays beside the new one as `vault.db.damaged`.

    Args:
        files: Of the home; no daemon may have it open.
        key: 32 bytes, `schedule.store_key`.
        entropy: Where randomness comes from.

    Returns:
        What is lost here.

    Raises:
        StoreCorrupt: The device's keys or membership cannot be read from either copy.
        StoreInUse, StoreFull, StoreUnwritable: The new store cannot be made.
    """
    with ExclusiveLock(files.lock):
        with _opened(files, key) as rescue, make_fresh(files, key) as persist:
            kept = _transfer(_identity(rescue, files, key), rescue, persist, entropy)
        put_in_place(files)
        return kept.lost


@contextmanager
def _opened(files: HomeFiles, key: bytes) -> Iterator[Rescue | None]:
    """Open the damaged store; None where not even its first page can be read."""
    try:
        rescue = Rescue(files.database, key)
    except StoreCorrupt:
        yield None
        return
    with closing(rescue):
        yield rescue


def _identity(rescue: Rescue | None, files: HomeFiles, key: bytes) -> StoreState:
    """Return keys and membership, from the store or from their second copy.

    Raises:
        StoreCorrupt: Neither can be read.
    """
    if rescue is not None:
        try:
            operations, bases = rescue.operations(), rescue.bases()
            state = StoreState(rescue.meta(), (), (), operations, (), 0, bases)
            stored_members(state)
        except StoreCorrupt:
            pass  # the second copy is there for this
        else:
            return state
    kept = read_keepsake(files, key)
    state = StoreState(kept.meta, (), (), kept.operations, (), 0)
    stored_members(state)
    return state


def _transfer(
    identity: StoreState, rescue: Rescue | None, persist: Persist, entropy: Entropy
) -> _Kept:
    kept, members = _Kept(), stored_members(identity)
    meta = {n: v for n, v in identity.meta.items() if not n.startswith(_MADE_ANEW)}
    bases = tuple(base for base in identity.bases if _owner(base.author) in identity.meta)
    operations = tuple(identity.operations)
    persist(Batch(operations=operations, meta=salvaged(meta, entropy), adopted=bases))
    kept.owners = {b.author: DeviceId(identity.meta[_owner(b.author)]) for b in bases}
    if rescue is None:
        kept.lost.append(Lost("store", "every record and every entry"))
        return kept
    persist(Batch(peers=tuple(rescue.peers())))
    if rescue.has_quarantine():
        kept.lost.append(Lost("quarantine", "late entries of removed devices"))
    journals = Journals(members.vault, members.membership, bases)
    for entries in _batches(_good(rescue.entries(), journals, kept)):
        persist(Batch(entries=tuple(entries)))
    tally = Tally(fingerprint_key(members.vault), {})
    for writes in _batches(_sound(rescue, kept)):
        persist(Batch(records=tuple(writes)))
        for write in writes:
            tally.replace(None, write.row)
    owners = {_owner(author): device for author, device in kept.owners.items()}
    persist(Batch(fingerprints=tally.touched(), meta=owners))
    kept.lost += [Lost("entry", f"{author.hex()} from {n} on") for author, n in kept.cut.items()]
    return kept


def _owner(author: AuthorId) -> str:
    return JOURNAL_OWNER + author.hex()


def _good(entries: Iterator[StoredEntry], journals: Journals, kept: _Kept) -> Iterator[StoredEntry]:
    for entry in entries:
        if journals.fault(entry):
            kept.cut[entry.author] = min(entry.n, kept.cut.get(entry.author, entry.n))
            continue
        journals.accept(entry)
        if entry.author not in kept.owners:
            kept.owners[entry.author] = journals.device_of(entry)
        yield entry


def _sound(rescue: Rescue, kept: _Kept) -> Iterator[RecordWrite]:
    for row, stored in rescue.records():
        if stored is None or not is_sound(stored):
            kept.lost.append(Lost("record", f"{path_of(row)} (id:{row.id.hex()})"))
        else:
            yield RecordWrite(stored.row, b"".join(stored.chunks), replaces=True)


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(islice(items, SALVAGE_ROWS)):
        yield batch
