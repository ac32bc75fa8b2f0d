"""What a device holds, in the few numbers that replication and the proof need.

A `Content` never changes; a batch makes the next one. The pipeline keeps two: the durable one,
which peers and status are told about, and the one that will be durable when all batches under way
are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from p2pvault.core.quarantine import Quarantine, quarantine_of
from p2pvault.crypto.hashing import fingerprint_item
from p2pvault.protocol.reconcile import content_digest
from p2pvault.types import (
    AuthorId,
    DeviceId,
    Doubt,
    Fingerprint,
    JournalHead,
    RecordRow,
    StoreState,
)

JOURNAL_OWNER: Final = "journal-owner/"
"""Prefix of the store's named values that say whose a journal is; the author in hex follows."""

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

_MODULUS: Final = 2**256


@dataclass(frozen=True, slots=True)
class Content:
    """Journals, fingerprints and the length of the log.

    Attributes:
        journals: The head of every journal.
        devices: Whose each journal is.
        fingerprints: By collection.
        last_arrival: Position of the last entry in this store's own log.
        quarantine: What is refused; no part of what this device holds and says that it holds.
    """

    journals: Mapping[AuthorId, JournalHead]
    devices: Mapping[AuthorId, DeviceId]
    fingerprints: Mapping[str, Fingerprint]
    last_arrival: int
    quarantine: Quarantine = field(default_factory=Quarantine)

    def journals_of(self, device: DeviceId) -> tuple[JournalHead, ...]:
        """Return the heads of one device's journals, sorted by author."""
        authors = sorted(author for author, owner in self.devices.items() if owner == device)
        return tuple(self.journals[author] for author in authors if author in self.journals)

    def holds(self, head: JournalHead) -> bool:
        """Tell whether an entry is here; one with the same number and another hash is not."""
        ours = self.journals.get(head.author)
        return ours is not None and (head.n < ours.n or head == ours)

    @property
    def digest(self) -> bytes:
        """32 bytes that are equal on two devices with equal content."""
        return content_digest(self.fingerprints.values())

    @property
    def records(self) -> int:
        """Number of records that are not deleted."""
        return sum(fingerprint.count for fingerprint in self.fingerprints.values())


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
        quarantine=quarantine_of(state),
    )


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
            (current.total + sign * item) % _MODULUS,
            current.count + (0 if row.deleted else sign),
        )
