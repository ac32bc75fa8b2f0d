"""A store with damaged pages becomes a sound one, with everything that could still be read.

Records that do not load are left out, and a journal ends before its first entry that is missing or
damaged; the fingerprints are counted anew. So what is missing is known to be missing, and comes
back from other devices: entries as always, records by repair. The device writes in a new journal
from then on, since of its old one a part may be lost that others have seen. What peers said to
hold is not carried over: they say it again.
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
from p2pvault.node.port import Kept, Lost
from p2pvault.node.shortfall import Carried, lost_entries, lost_records
from p2pvault.store.fresh import install, make_fresh
from p2pvault.store.home import HomeFiles
from p2pvault.store.keepsake import read_keepsake
from p2pvault.store.lock import ExclusiveLock
from p2pvault.store.rescue import Rescue
from p2pvault.types import (
    AuthorId,
    Batch,
    DeviceId,
    RecordWrite,
    StoredEntry,
    StoreState,
)

T = TypeVar("T")

Persist = Callable[[Batch], None]


_MADE_ANEW = (FETCHING, JOURNAL_OWNER, REFUSED)
"""Whose a journal is follows from the entries that are kept. How far one was refused must not stay
when the journal ends earlier now: what lies between would never be taken. Nor how far records were
fetched: some of those may be lost."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """Keys and membership, and what of the named values is lost."""

    state: StoreState
    lost: tuple[Lost, ...] = ()


@dataclass(slots=True)
class _Account:
    """What was carried over so far, and what was not."""

    tally: Tally
    seen: Tally
    owners: dict[AuthorId, DeviceId] = field(default_factory=dict)
    journals: Carried = field(default_factory=Carried)
    lost: list[Lost] = field(default_factory=list)


def salvage(files: HomeFiles, key: bytes, entropy: Entropy) -> Iterator[Lost | Kept]:
    """Replace the store of a home by one with all that can be read of it.

    Keys and membership come from their second copy where the store's own cannot be read. What is
    lost is told before the new store takes the place of the damaged one, which stays beside it.
    Where it does not get as far as that, all is as it was.

    Args:
        files: Of the home; no daemon may have it open.
        key: 32 bytes, `schedule.store_key`.
        entropy: Where randomness comes from.

    Returns:
        What is lost here, and last where the damaged store is kept.

    Raises:
        StoreCorrupt: The device's keys or membership cannot be read from either copy.
        StoreInUse, StoreFull, StoreUnwritable: The new store cannot be made.
    """
    with ExclusiveLock(files.lock):
        with _opened(files, key) as rescue:
            identity = _identity(rescue, files, key)
            with make_fresh(files, key) as persist:
                lost = _transfer(identity.state, rescue, persist, entropy)
        yield from (*identity.lost, *lost)
        yield Kept(str(install(files)))


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


def _identity(rescue: Rescue | None, files: HomeFiles, key: bytes) -> _Identity:
    """Return keys and membership, from the store or from their second copy.

    Raises:
        StoreCorrupt: Neither can be read.
    """
    meta = None if rescue is None else rescue.meta()
    bases = () if rescue is None else tuple(rescue.bases() or ())
    if rescue is not None and meta is not None:
        try:
            state = StoreState(meta, (), (), rescue.operations(), (), 0, bases)
            stored_members(state)
        except StoreCorrupt:
            pass  # the second copy is there for this
        else:
            return _Identity(state)
    kept = read_keepsake(files, key)
    state = StoreState({**(meta or {}), **kept.meta}, (), (), kept.operations, (), 0, bases)
    stored_members(state)
    # The words are no part of the second copy: they can be forgotten, and it may lag behind.
    seed = Lost("recovery", "the words, if this device had them")
    return _Identity(state, (seed,) if meta is None else ())


def _transfer(
    identity: StoreState, rescue: Rescue | None, persist: Persist, entropy: Entropy
) -> list[Lost]:
    members = stored_members(identity)
    meta = {n: v for n, v in identity.meta.items() if not n.startswith(_MADE_ANEW)}
    bases = tuple(base for base in identity.bases if _owner(base.author) in identity.meta)
    operations = tuple(identity.operations)
    persist(Batch(operations=operations, meta=salvaged(meta, entropy), adopted=bases))
    if rescue is None:
        return [Lost("store", "everything but keys and membership")]
    key = fingerprint_key(members.vault)
    account = _Account(Tally(key, {}), Tally(key, {}))
    account.owners = {b.author: DeviceId(identity.meta[_owner(b.author)]) for b in bases}
    account.journals.ends = {base.author: base.n for base in bases}
    _transfer_aside(rescue, persist, account)
    journals = Journals(members.vault, members.membership, bases)
    for entries in _batches(_good(rescue.entries(), journals, account)):
        persist(Batch(entries=tuple(entries)))
    for writes in _batches(_sound(rescue, account)):
        persist(Batch(records=tuple(writes)))
    owners = {_owner(author): device for author, device in account.owners.items()}
    persist(Batch(fingerprints=account.tally.touched(), meta=owners))
    return [*account.lost, *_unseen(rescue, account)]


def _transfer_aside(rescue: Rescue, persist: Persist, account: _Account) -> None:
    """Take over what is neither entry nor record."""
    peers = rescue.peers()
    if peers is None:
        account.lost.append(Lost("addresses", "where other devices are"))
    persist(Batch(peers=tuple(peers or ())))
    quarantined = rescue.quarantined()
    if quarantined != 0:
        number = "" if quarantined is None else f"{quarantined} "
        doubt = ", if there were any" if quarantined is None else ""
        what = f"{number}late entries of removed devices{doubt}"
        account.lost.append(Lost("quarantine", what))


def _unseen(rescue: Rescue, account: _Account) -> Iterator[Lost]:
    """Return what was lost without a trace of it where it lay."""
    if rescue.has_skipped("records"):
        yield from lost_records(rescue.fingerprints(), account.seen.merged())
    skipped = rescue.has_skipped("entries")
    yield from lost_entries(rescue.journals(), rescue.bases(), account.journals, skipped=skipped)


def _owner(author: AuthorId) -> str:
    return JOURNAL_OWNER + author.hex()


def _good(
    entries: Iterator[StoredEntry], journals: Journals, account: _Account
) -> Iterator[StoredEntry]:
    carried = account.journals
    for entry in entries:
        if entry.n <= carried.ends.get(entry.author, 0):
            continue  # before the base, and not needed
        if journals.fault(entry):
            carried.cut.add(entry.author)
            continue
        journals.accept(entry)
        carried.ends[entry.author] = entry.n
        if entry.author not in account.owners:
            account.owners[entry.author] = journals.device_of(entry)
        yield entry


def _sound(rescue: Rescue, account: _Account) -> Iterator[RecordWrite]:
    for row, stored in rescue.records():
        account.seen.replace(None, row)
        if stored is None or not is_sound(stored):
            account.lost.append(Lost("record", f"{path_of(row)} (id:{row.id.hex()})"))
        else:
            account.tally.replace(None, row)
            yield RecordWrite(stored.row, b"".join(stored.chunks), replaces=True)


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(islice(items, SALVAGE_ROWS)):
        yield batch
