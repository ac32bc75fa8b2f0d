"""Identifiers and value objects that every layer shares.

They hold no behaviour beyond what a value needs, and they may not import anything of the
project. Identifiers are `bytes` under a `NewType`: the type checker keeps them apart, the wire
and the store see plain bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

VaultId = NewType("VaultId", bytes)
"""32 bytes: the hash of the vault's genesis operation."""

DeviceId = NewType("DeviceId", bytes)
"""32 bytes: the hash of a device's public keys. Never used again after a removal."""

JournalId = NewType("JournalId", bytes)
"""16 random bytes: one store instance of one device. A restored or copied store takes a new one."""

AuthorId = NewType("AuthorId", bytes)
"""16 bytes: BLAKE2b-128 of device id and journal id; also the CRDT actor of that journal."""

RecordId = NewType("RecordId", bytes)
"""16 bytes: a UUIDv7, so that ids sort by the time of creation."""

ChangeHash = NewType("ChangeHash", bytes)
"""32 bytes: SHA-256 of a change chunk, as the CRDT engine defines it."""

EntryHash = NewType("EntryHash", bytes)
"""32 bytes: BLAKE2b-256 of an entry's body; what the next entry's `previous` names."""

OperationHash = NewType("OperationHash", bytes)
"""32 bytes: BLAKE2b-256 of a membership operation's body."""

EpochId = NewType("EpochId", bytes)
"""32 bytes: a hash of the epoch's secret, which says nothing about it and commits to it."""

LinkId = NewType("LinkId", int)
"""A number that names one stream of this process; never sent anywhere."""

Heads = tuple[ChangeHash, ...]
"""The hashes of the changes that nothing follows yet, sorted."""

EMPTY_HASH = EntryHash(bytes(32))
"""What the first entry of a journal names as its predecessor."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of both clocks.

    Attributes:
        monotonic: Seconds that only grow; the only time that decides anything.
        wall_ms: Milliseconds since 1970; shown to people and used for discovery slots only.
        asleep_s: Seconds that the machine was suspended since it booted, which `monotonic` leaves
            out.
    """

    monotonic: float
    wall_ms: int
    asleep_s: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds that grow while the machine is suspended, too: for ages that are shown.

        The two parts are not read at once, so it may be off by some milliseconds.
        """
        return self.monotonic + self.asleep_s

    def since(self, elapsed: float) -> float:
        """Return how many seconds ago `elapsed` was what it says."""
        return max(0.0, self.elapsed - elapsed)


class Role(StrEnum):
    """What a member may do: an admin changes the membership, a member reads and writes records."""

    ADMIN = "admin"
    MEMBER = "member"


class Doubt(StrEnum):
    """Why a store may be an older state than the one that was written last, or a copy of it."""

    UNWITNESSED = "unwitnessed"
    """The file that vouches for it is missing, or cannot be read."""

    ANOTHER_TIME = "another_time"
    """It is from before or after the time that the file vouches for."""

    COPIED = "copied"
    """It, or that file, is another file than the one that was written."""

    MACHINE = "machine"
    """It was written on another machine."""

    REPLACED = "replaced"
    """It changed while no daemon had it open."""

    PEER = "peer"
    """Another device holds entries of this device's journal that this device does not hold."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a device accepts links: a literal IP address (with an IPv6 scope if any) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class JournalHead:
    """How much of one journal is held: everything up to entry `n`, whose hash is `hash`."""

    author: AuthorId
    n: int
    hash: EntryHash


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One journal entry as the store keeps it.

    Attributes:
        arrival: Position in this store's own order of arrival, from 1; a causal order.
        author: The journal that wrote it.
        n: Its number in that journal, from 1.
        hash: The hash of its body.
        data: Body and signature as they travel, or a header (see docs/protocol/journal.md).
    """

    arrival: int
    author: AuthorId
    n: int
    hash: EntryHash
    data: bytes


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """What is known of an entry in quarantine without reading it.

    Attributes:
        position: Its place in this store's quarantine, in the order of arrival there.
        author: The journal that it belongs to.
        n: Its number in that journal, from 1.
        hash: The hash of its body.
        device: Whose journal it is.
        since_ms: This device's wall clock when it arrived.
        size: Its bytes.
        work: How much its changes are; see `crdt.prefilter.weigh`.
        records: The records that it changes, each once.
    """

    position: int
    author: AuthorId
    n: int
    hash: EntryHash
    device: DeviceId
    since_ms: int
    size: int
    work: int
    records: tuple[RecordId, ...]


@dataclass(frozen=True, slots=True)
class QuarantinedEntry:
    """An entry in quarantine: its row, and body and signature as they travelled."""

    row: QuarantinedRow
    data: bytes


@dataclass(frozen=True, slots=True)
class RecordRow:
    """The index row of one record."""

    id: RecordId
    collection: str
    name: str
    deleted: bool
    heads: Heads


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """An index row with the chunks that make up the record: a snapshot, changes, or both."""

    row: RecordRow
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """One record's part of a batch.

    Attributes:
        row: The index row as it is from now on.
        chunk: Change chunks to append, or the snapshot that replaces everything before.
        replaces: Whether `chunk` is such a snapshot.
    """

    row: RecordRow
    chunk: bytes
    replaces: bool


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a collection holds, in 32 bytes that two devices can compare.

    Attributes:
        collection: Its name.
        total: Sum modulo 2**256 of the keyed hash of every (record id, heads).
        count: Number of records that are not deleted.
    """

    collection: str
    total: int
    count: int


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """One membership operation: its hash and the signed bytes that travel."""

    hash: OperationHash
    data: bytes


@dataclass(frozen=True, slots=True)
class PeerRow:
    """What this device remembers about reaching a peer; never part of the vault's content.

    Attributes:
        device: The peer.
        given: Addresses that the person gave by hand.
        seen: Addresses that a link was up on, newest first.
        last_seen_ms: Wall clock of the last sign of life on a link, or 0.
    """

    device: DeviceId
    given: tuple[Address, ...] = ()
    seen: tuple[Address, ...] = ()
    last_seen_ms: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """How much of one journal a peer holds, by its own last word."""

    device: DeviceId
    author: AuthorId
    n: int


@dataclass(frozen=True, slots=True)
class Batch:
    """All that one transaction makes durable, or nothing of it.

    Attributes:
        entries: Journal entries, in the order of arrival.
        records: One write per touched record.
        fingerprints: The new fingerprint of every touched collection.
        operations: Membership operations, in causal order.
        meta: Named values to set; None deletes.
        peers: Rows to replace.
        acknowledged: What peers said to hold, instead of what they said before.
        adopted: Journals that are held up to here by what records contain, without their
            entries; one that is held further already stays there.
        dropped: Held entries that are not kept any longer, with all before them in their journal.
        release_pages: How much unused room at most is given back to the file system.
        quarantined: Entries to keep apart from the journals.
        left_quarantine: Positions of those that leave it; unknown ones are passed over.
        cuts: How much of a journal stays, `n` 0 for nothing; the rest of it goes, before anything
            else of the batch is written.
        erased: Records that go, with all that is stored of them.
        headers: Held entries of which only the header is kept from now on, as `data`. One that is
            not held any more is passed over.
    """

    entries: tuple[StoredEntry, ...] = ()
    records: tuple[RecordWrite, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    operations: tuple[StoredOperation, ...] = ()
    meta: Mapping[str, bytes | None] = field(default_factory=dict)
    peers: tuple[PeerRow, ...] = ()
    acknowledged: tuple[Acknowledgement, ...] = ()
    adopted: tuple[JournalHead, ...] = ()
    dropped: tuple[JournalHead, ...] = ()
    release_pages: int = 0
    quarantined: tuple[QuarantinedEntry, ...] = ()
    left_quarantine: tuple[int, ...] = ()
    cuts: tuple[JournalHead, ...] = ()
    erased: tuple[RecordId, ...] = ()
    headers: tuple[StoredEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreState:
    """What a store holds when it is opened, small enough to keep in memory.

    Attributes:
        meta: Every named value.
        journals: The last entry held of every journal.
        fingerprints: One per collection.
        operations: The membership log in its order of arrival.
        peers: The address book.
        last_arrival: Highest arrival number, 0 when empty.
        bases: For each journal that begins behind its first entry, the last entry that is not kept.
        acknowledged: What peers said to hold.
        quarantine: The row of every quarantined entry, by position.
    """

    meta: Mapping[str, bytes]
    journals: Sequence[JournalHead]
    fingerprints: Sequence[Fingerprint]
    operations: Sequence[StoredOperation]
    peers: Sequence[PeerRow]
    last_arrival: int
    bases: Sequence[JournalHead] = ()
    acknowledged: Sequence[Acknowledgement] = ()
    quarantine: Sequence[QuarantinedRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Surplus:
    """What a store could do without.

    Attributes:
        dropped: Entries that may go, each with all before it; few enough for one batch.
        crowded: Records with many chunks, and the bytes of these.
        free_pages: Pages of the file that hold nothing.
        pages: All pages of the file.
    """

    dropped: tuple[JournalHead, ...]
    crowded: tuple[tuple[RecordId, int], ...]
    free_pages: int
    pages: int
