"""What a device holds, in the few numbers that replication and the proof need.

A `Content` never changes; a batch makes the next one. The pipeline keeps two: the durable one,
which peers and status are told about, and the one that will be durable when all batches under way
are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from p2pvault.core.arrears import Arrear, arrears_of
from p2pvault.core.interest import Interest, interest_of
from p2pvault.core.quarantine import Quarantine, quarantine_of
from p2pvault.crypto.hashing import fingerprint_item
from p2pvault.protocol.bootstrap import Cut, CutHead, Fetching, decode_progress
from p2pvault.protocol.membership import MembershipLog
from p2pvault.protocol.reconcile import UNSETTLED, content_digest
from p2pvault.types import (
    AuthorId,
    Batch,
    DeviceId,
    Doubt,
    Fingerprint,
    JournalHead,
    RecordId,
    RecordRow,
    StoreState,
)

JOURNAL_OWNER: Final = "journal-owner/"
"""Prefix of the store's named values that say whose a journal is; the author in hex follows."""

FETCHING: Final = "fetching"
"""The store's named value that says how far the snapshots of a cut have been fetched."""

JOURNAL: Final = "journal"
"""The store's named value that holds the id of the journal that this device writes."""

JOURNAL_BYTES: Final = 16
"""Random, so that no two states of a store ever draw the same one."""

FORKED: Final = "forked"
"""The named value that says why the last new journal was drawn (a `Doubt`), until it is proved that
all is well again."""

CLOSED: Final = "closed/"
"""Prefix of the named values for journals of this device that a new one replaced: the number of the
last entry held then, in 8 bytes; the author in hex follows."""

MODULUS: Final = 2**256


@dataclass(frozen=True)
class Content:
    """Journals, fingerprints and the length of the log.

    Attributes:
        journals: The head of every journal.
        devices: Whose each journal is.
        fingerprints: By collection.
        last_arrival: Position of the last entry in this store's own log.
        bases: The number of the last entry that is not kept, of every journal that has one.
        fetching: The snapshots that are being fetched; until all are here, records hold more than
            the journals say.
        quarantine: What is refused; no part of what this device holds and says that it holds.
        corrections: How often fingerprints were corrected since this device began to run.
        interest: Which collections are kept here.
        arrears: Edits that are to be repeated once their record is whole again.
        log: The membership log that went with the last plain batch since this device began to run.
    """

    journals: Mapping[AuthorId, JournalHead]
    devices: Mapping[AuthorId, DeviceId]
    fingerprints: Mapping[str, Fingerprint]
    last_arrival: int
    bases: Mapping[AuthorId, int] = field(default_factory=dict)
    fetching: Fetching | None = None
    quarantine: Quarantine = field(default_factory=Quarantine)
    corrections: int = 0
    interest: Interest = field(default_factory=Interest)
    arrears: Mapping[RecordId, Arrear] = field(default_factory=dict)
    log: MembershipLog | None = field(default=None, compare=False)

    def journals_of(self, device: DeviceId) -> tuple[JournalHead, ...]:
        """Return the heads of one device's journals, sorted by author."""
        authors = sorted(author for author, owner in self.devices.items() if owner == device)
        return tuple(self.journals[author] for author in authors if author in self.journals)

    def holds(self, head: JournalHead) -> bool:
        """Tell whether an entry is here; one with the same number and another hash is not."""
        ours = self.journals.get(head.author)
        return ours is not None and (head.n < ours.n or head == ours)

    def reaches(self, head: JournalHead) -> bool:
        """Tell whether a journal is held at least as far as this."""
        ours = self.journals.get(head.author)
        return ours is not None and head.n <= ours.n

    @property
    def digest(self) -> bytes:
        """32 bytes that are equal on two devices with equal content, unless they are UNSETTLED."""
        return self.digest_without(())

    def digest_without(self, collections: Iterable[str]) -> bytes:
        """Return the digest of what is kept here, but for some collections."""
        if self.fetching is not None:
            return UNSETTLED
        left_out = self.interest.forgotten.union(collections)
        whole = left_out == self.interest.forgotten
        return self._whole_digest if whole else self._digest_without(left_out)

    @cached_property
    def _whole_digest(self) -> bytes:
        """What each message about this content asks for, on each link."""
        return self._digest_without(self.interest.forgotten)

    def _digest_without(self, left_out: frozenset[str]) -> bytes:
        kept = (each for each in self.fingerprints.values() if each.collection not in left_out)
        return content_digest(kept)

    @property
    def fetched(self) -> Mapping[AuthorId, int]:
        """How far records may be ahead of the journals while snapshots are fetched."""
        return {head.author: head.n for head in self.fetching.heads} if self.fetching else {}

    @property
    def cut(self) -> Cut:
        """All journals as they stand, with their devices."""
        return tuple(
            CutHead(author, self.devices[author], head.n, head.hash)
            for author, head in sorted(self.journals.items())
        )

    @property
    def records(self) -> int:
        """Number of records that are not deleted, in the collections that are kept."""
        return sum(self.counts.values())

    @property
    def counts(self) -> Mapping[str, int]:
        """That number for each collection that is kept and ever held a record."""
        kept = self.fingerprints.keys() - self.interest.forgotten
        return {name: self.fingerprints[name].count for name in sorted(kept)}


def content_of(state: StoreState) -> Content:
    """Return what an opened store holds."""
    return Content(
        journals={head.author: head for head in state.journals},
        devices={
            AuthorId(bytes.fromhex(name.removeprefix(JOURNAL_OWNER))): DeviceId(device)
            for name, device in state.meta.items()
            if name.startswith(JOURNAL_OWNER)
        },
        fingerprints={print_.collection: print_ for print_ in state.fingerprints},
        last_arrival=state.last_arrival,
        bases={base.author: base.n for base in state.bases},
        fetching=_fetching(state.meta.get(FETCHING)),
        quarantine=quarantine_of(state),
        interest=interest_of(state.meta),
        arrears=arrears_of(state.meta),
    )


def after(content: Content, batch: Batch) -> Content:
    """Return what a device holds after a batch without entries and records."""
    if not (batch.adopted or batch.dropped or FETCHING in batch.meta):
        return content
    owners = {
        AuthorId(bytes.fromhex(name.removeprefix(JOURNAL_OWNER))): DeviceId(owner)
        for name, owner in batch.meta.items()
        if name.startswith(JOURNAL_OWNER) and owner is not None
    }
    reached = {head.author: head for head in batch.adopted if not content.reaches(head)}
    return replace(
        content,
        journals={**content.journals, **reached},
        devices={**content.devices, **owners},
        bases=_raised(content.bases, (*batch.adopted, *batch.dropped)),
        fetching=(_fetching(batch.meta[FETCHING]) if FETCHING in batch.meta else content.fetching),
    )


def _raised(bases: Mapping[AuthorId, int], to: Iterable[JournalHead]) -> Mapping[AuthorId, int]:
    raised = dict(bases)
    for head in to:
        raised[head.author] = max(head.n, raised.get(head.author, 0))
    return raised


def _fetching(kept: bytes | None) -> Fetching | None:
    return None if kept is None else decode_progress(kept)


def closing(doubt: Doubt, author: AuthorId, head: JournalHead | None) -> dict[str, bytes | None]:
    """Return the named values that go with a new journal: why, and where the old one ended here."""
    n = 0 if head is None else head.n
    return {FORKED: doubt.value.encode(), CLOSED + author.hex(): n.to_bytes(8, "big")}


class Tally:
    """The fingerprints of a batch in the making."""

    def __init__(self, key: bytes, before: Mapping[str, Fingerprint]) -> None:
        self._key = key
        self._before = before
        self._touched: dict[str, Fingerprint] = {}

    def replace(self, old: RecordRow | None, new: RecordRow) -> None:
        """Count a record's new state instead of its old one (None for a new record)."""
        if old is not None:
            self._add(old, -1)
        self._add(new, 1)

    def drop(self, old: RecordRow) -> None:
        """Count a record no more."""
        self._add(old, -1)

    def touched(self) -> tuple[Fingerprint, ...]:
        """Return the new fingerprints of the collections that moved."""
        return tuple(self._touched.values())

    def merged(self) -> Mapping[str, Fingerprint]:
        """Return all fingerprints as they are after the batch."""
        return {**self._before, **self._touched}

    def _add(self, row: RecordRow, sign: int) -> None:
        empty = Fingerprint(row.collection, 0, 0)
        current = self._touched.get(row.collection) or self._before.get(row.collection, empty)
        item = fingerprint_item(self._key, row.id, row.heads)
        self._touched[row.collection] = Fingerprint(
            row.collection,
            (current.total + sign * item) % MODULUS,
            current.count + (0 if row.deleted else sign),
        )
