"""Everything that goes into a device and everything that comes out: two closed unions.

Effects are performed in the order in which they stand. A `Persist` is durable before any effect
that depends on it is even emitted: those follow its `Persisted`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from p2pvault.core.asks import (
    AddressGiven,
    EditRequested,
    ForgetRequested,
    KeepRequested,
    PairingCancelled,
    PairingRequested,
    RecoveryForgotten,
    RecoveryRequested,
    ReinstateRequested,
    RenameRequested,
    RevokeRequested,
    SettleQuarantine,
    WordsTyped,
)
from p2pvault.core.inquiries import Finding, Inquiry, RepairRequested
from p2pvault.core.loads import Load, Loaded
from p2pvault.core.news import News
from p2pvault.errors import VaultError
from p2pvault.types import (
    Address,
    AuthorId,
    Batch,
    DeviceId,
    LinkId,
    QuarantinedEntry,
    RecordId,
    StoredEntry,
    StoredRecord,
)


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of an edit; `fields` is empty when nothing changed."""

    id: RecordId
    path: str
    created: bool
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A durable change of one record, for local watchers."""

    id: RecordId
    path: str
    kind: Literal["new", "edit", "delete"]
    device: DeviceId
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuarantineSettled:
    """What became of a request about the quarantine.

    Attributes:
        settled: Entries that left it.
        left: Entries that stay, since something is missing that their changes follow.
        edited: The records that were changed by repeating the others.
    """

    settled: int
    left: int
    edited: tuple[Edited, ...]


Result = tuple[Edited, ...] | tuple[DeviceId, str] | QuarantineSettled
"""The outcome of a local request; the pair is the device that it was about, and its name."""


# Inputs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persisted:
    """The batch is durable."""

    batch: int


@dataclass(frozen=True, slots=True)
class PersistFailed:
    """Nothing of the batch was written."""

    batch: int
    error: VaultError


@dataclass(frozen=True, slots=True)
class RecordsLoaded:
    """The answer to LoadRecords: the records found, by id and by path, and quarantined entries."""

    load: int
    records: Sequence[StoredRecord]
    quarantined: Sequence[QuarantinedEntry] = ()


@dataclass(frozen=True, slots=True)
class EntriesLoaded:
    """The answer to LoadEntries; empty where what was asked for was dropped meanwhile."""

    link: LinkId
    entries: Sequence[StoredEntry]


@dataclass(frozen=True, slots=True)
class HashesLoaded:
    """The answer to LoadHashes: one for each number, empty for an entry that is not held.

    Attributes:
        asked: The question.
        hashes: In the order of its numbers.
        entry: The one entry that proves something, as it travels; empty where it is not kept.
    """

    asked: "LoadHashes"
    hashes: tuple[bytes, ...]
    entry: bytes = b""


@dataclass(frozen=True, slots=True)
class BranchLoaded:
    """The answer to LoadBranch; `entries` is None where they are more than the bound."""

    load: int
    entries: Sequence[StoredEntry] | None


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The store could not answer a load, of records or (`link`) for a link."""

    error: VaultError
    link: LinkId | None = None


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A stream exists: one that came of a Dial (`attempt`), or one that was accepted (None)."""

    link: LinkId
    attempt: int | None
    remote: Address


@dataclass(frozen=True, slots=True)
class DialFailed:
    """No stream came of a Dial."""

    attempt: int


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """The peer sent bytes on a stream."""

    link: LinkId
    data: bytes


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A stream ended, in whatever way; nothing more comes from it."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class Writable:
    """All that was written on a stream has been taken by the operating system."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class PeerSeen:
    """Discovery resolved one of the expected names."""

    instance: str
    addresses: tuple[Address, ...]
    port: int
    tag: bytes


@dataclass(frozen=True, slots=True)
class AdvertiseFailed:
    """Somebody else on the network holds the advertised name."""

    instance: str


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """Addresses of this machine, or the ports that it listens on, are these from now on."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Woken:
    """The time asked for by WakeAt has come."""


@dataclass(frozen=True, slots=True)
class PairingStreamUp:
    """A stream arrived on the pairing listener."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class WatchersChanged:
    """Whether anybody follows changes; if not, nothing is computed for them."""

    watched: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """The daemon ends: close every link properly."""


Input = (
    EditRequested
    | Persisted
    | PersistFailed
    | RecordsLoaded
    | EntriesLoaded
    | Finding
    | Loaded
    | HashesLoaded
    | BranchLoaded
    | LoadFailed
    | LinkUp
    | DialFailed
    | BytesReceived
    | LinkDown
    | Writable
    | PeerSeen
    | AdvertiseFailed
    | NetworkChanged
    | Woken
    | PairingRequested
    | PairingStreamUp
    | WordsTyped
    | PairingCancelled
    | RenameRequested
    | RevokeRequested
    | ReinstateRequested
    | RecoveryRequested
    | RecoveryForgotten
    | AddressGiven
    | SettleQuarantine
    | KeepRequested
    | ForgetRequested
    | RepairRequested
    | WatchersChanged
    | Stop
)


# Effects -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persist:
    """Make a batch durable, then say Persisted; never two at a time."""

    id: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class LoadRecords:
    """Read records by id and by path, and entries in quarantine, then say RecordsLoaded."""

    load: int
    ids: tuple[RecordId, ...]
    paths: tuple[tuple[str, str], ...]
    prefixes: tuple[str, ...]
    quarantined: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadEntries:
    """Read journal entries for a link, then say EntriesLoaded.

    Attributes:
        link: The link they are for.
        after: Read entries that arrived after this one; None to start at `first`.
        first: The earliest of these entries is where reading starts.
        bytes_max: Read about this much, at least one entry.
        without: Entries that concern only these collections are wanted as headers.
    """

    link: LinkId
    after: int | None
    first: tuple[tuple[AuthorId, int], ...]
    bytes_max: int
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LoadHashes:
    """Read the hashes of entries of one journal, then say HashesLoaded.

    Attributes:
        link: The link that it is about.
        author: The journal.
        numbers: Which entries.
        purpose: To check a peer's word, to answer its question, to compare with its answer, or
            to prove one entry, which is read too.
    """

    link: LinkId
    author: AuthorId
    numbers: tuple[int, ...]
    purpose: Literal["check", "answer", "compare", "prove"]


@dataclass(frozen=True, slots=True)
class LoadBranch:
    """Read every entry that arrived from entry `n` of a journal on, then say BranchLoaded."""

    load: int
    author: AuthorId
    n: int


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a stream to an address, then say LinkUp or DialFailed with this attempt."""

    attempt: int
    device: DeviceId
    address: Address


@dataclass(frozen=True, slots=True)
class Write:
    """Send bytes on a stream; say Writable once all are taken."""

    link: LinkId
    data: bytes


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close a stream after what was written; its LinkDown still comes."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class Advertise:
    """Announce this name on the network instead of the one before.

    Attributes:
        instance: The name of the service instance.
        host_label: The name of the host, for this instance only.
        addresses: Where this device accepts links; one port.
        tag: Verifies that the announcement is genuine and for these addresses.
    """

    instance: str
    host_label: str
    addresses: tuple[Address, ...]
    tag: bytes


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Announce this device no longer: it has no address, or has left the vault."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Resolve these names when they are seen, and no others."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class AdvertisePairing:
    """Announce a pairing window under this name, or (None) no longer."""

    instance: str | None


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Say Woken at this monotonic time; replaces every earlier wish. None: not at all."""

    at: float | None


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell local watchers about durable changes."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a local request."""

    request: int
    result: Result


@dataclass(frozen=True, slots=True)
class Refuse:
    """A local request failed, and why."""

    request: int
    error: VaultError


@dataclass(frozen=True, slots=True)
class PairingNews:
    """Something happened in the pairing window that a request opened."""

    request: int
    news: News


@dataclass(frozen=True, slots=True)
class Report:
    """A line for the log. Fields never hold values, names, codes or keys."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    fields: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Something that `status` shows is different now."""


Discover = Advertise | Withdraw | Expect | AdvertisePairing
"""What concerns discovery."""

Effect = (
    Persist
    | LoadRecords
    | LoadEntries
    | Inquiry
    | Load
    | LoadHashes
    | LoadBranch
    | Dial
    | Write
    | Hangup
    | Advertise
    | Withdraw
    | Expect
    | AdvertisePairing
    | WakeAt
    | Publish
    | Answer
    | Refuse
    | PairingNews
    | Report
    | StatusChanged
)
