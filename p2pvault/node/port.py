"""What a running node offers to the control endpoint: values and one abstract interface.

The daemon's handlers translate JSON to these calls and back; they know nothing else of the node.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import trio

from p2pvault.core.asks import Edit
from p2pvault.core.io import Edited, QuarantineSettled
from p2pvault.crdt.values import Value
from p2pvault.errors import VaultError
from p2pvault.types import Address, DeviceId, Fingerprint, RecordId, Role, VaultId


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record as a person sees it."""

    id: RecordId
    path: str
    value: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class RecordListing:
    """One page of the index, and where the next one begins (None at the end)."""

    rows: Sequence[tuple[RecordId, str]]
    next: str | None


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """A record changed, here or on a peer, and the change is durable here."""

    id: RecordId
    path: str
    kind: Literal["new", "edit", "delete"]
    device: DeviceId
    device_name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MissedEvents:
    """The watcher was too slow; this many events were dropped."""

    count: int


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer as seen from here.

    Attributes:
        device: Its id.
        name: Its name in the membership.
        up: Whether a link is up.
        address: Where the link leads, while it is up.
        in_sync: Whether the last comparison proved equal content; None when there was none.
        proved_s: Seconds since that proof.
        behind: Entries that it has and we lack, as far as known.
        ahead: Entries that we have and it lacks, as far as known.
        last_seen_ms: Wall clock of the last sign of life; None for never.
        fetching: Whether records are being fetched from it, in place of entries it does not keep.
        without: How many collections the comparison leaves out, since one of both does not keep
            them.
    """

    device: DeviceId
    name: str
    up: bool
    address: Address | None
    in_sync: bool | None
    proved_s: float | None
    behind: int | None
    ahead: int | None
    last_seen_ms: int | None
    fetching: bool = False
    without: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the person should know; ready to be shown."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection as this device keeps it.

    Attributes:
        name: Its name.
        records: Number of records that are not deleted; None where it is not kept.
        whole: Whether it is kept and nothing of it is known to be missing.
        seen: Whether a record of it was ever here, deleted or erased as it may be by now.
    """

    name: str
    records: int | None
    whole: bool
    seen: bool


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The answer to `p2pvault status`.

    Attributes:
        not_kept: The collections that are not kept on this device.
        incomplete: Those that are, and of which something may be missing.
    """

    vault: VaultId
    vault_name: str
    records: int
    device: DeviceId
    device_name: str
    role: Role | None
    peers: Sequence[PeerStatus]
    listening: Sequence[Address]
    discovery_mode: str
    discovery_problem: str | None
    problems: Sequence[Problem] = field(default=())
    not_kept: Sequence[str] = field(default=())
    incomplete: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class MemberView:
    """One member of the vault; `up` is None for this device, which has no link with itself."""

    device: DeviceId
    name: str
    kind: str
    role: Role
    this: bool
    up: bool | None
    added_by: str | None


@dataclass(frozen=True, slots=True)
class Members:
    """All members, and who is outside: removed, suspended, or fallen with who let it in."""

    members: Sequence[MemberView]
    removed: Sequence[tuple[DeviceId, str]]
    suspended: Sequence[tuple[DeviceId, str]]
    fallen: Sequence[tuple[DeviceId, str]]


@dataclass(frozen=True, slots=True)
class RecoveryDecision:
    """What is to become of the other devices; see `core.asks.RecoveryRequested`."""

    lost: tuple[str, ...]
    all_others: bool
    restored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceAddresses:
    """The address book's page of one device."""

    device: DeviceId
    name: str
    given: Sequence[Address]
    seen: Sequence[Address]


@dataclass(frozen=True, slots=True)
class QuarantinedDevice:
    """What is in quarantine of one device.

    Attributes:
        device: Its id.
        name: Its name in the membership.
        entries: How many entries.
        records: How many records they touch.
        paths: Paths of the first QUARANTINE_PATHS_MAX of them, or `id:` and the id.
        size: Their bytes.
        first_ms: Wall clock of this device when the first of them arrived.
        last_ms: The same of the last.
    """

    device: DeviceId
    name: str
    entries: int
    records: int
    paths: tuple[str, ...]
    size: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class CodeShown:
    """Pairing began: the code to type, the same as a URI for a QR code, and its life.

    Attributes:
        hidden: Why a device where the code is typed does not find this one; None where it does.
    """

    code: str
    uri: str
    expires_s: float
    hidden: str | None = None


@dataclass(frozen=True, slots=True)
class WrongGuess:
    """Somebody tried a wrong code."""

    message: str


@dataclass(frozen=True, slots=True)
class JoinerKnocks:
    """A device that knows the code says its name."""

    name: str


@dataclass(frozen=True, slots=True)
class WordsAsked:
    """The two words have to be typed now.

    Attributes:
        digits: To compare by eye with those on the other device; None when asked again.
        problem: Why what was typed could not be two words; None when asked for the first time.
    """

    digits: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class DevicePaired:
    """The new device has the vault."""

    device: DeviceId
    name: str


@dataclass(frozen=True, slots=True)
class PairingEnded:
    """Pairing ended without a new member."""

    error: VaultError


PairingEvent = CodeShown | WrongGuess | JoinerKnocks | WordsAsked | DevicePaired | PairingEnded


class PairingSession(Protocol):
    """An open pairing window on the device that holds the vault."""

    events: trio.MemoryReceiveChannel[PairingEvent]

    def type_words(self, words: str) -> None:
        """Pass on what the person typed; the outcome arrives as an event."""


@dataclass(frozen=True, slots=True)
class WordsShown:
    """The joiner shows two words and two digits."""

    words: str
    digits: str


@dataclass(frozen=True, slots=True)
class SearchHindered:
    """Why the device that shows the code cannot be looked for, and a hint; None once it can."""

    problem: str | None
    hint: str


@dataclass(frozen=True, slots=True)
class VaultOffered:
    """The joiner asks its person whether this is the vault to join."""

    name: str
    devices: int
    made_ms: int


@dataclass(frozen=True, slots=True)
class VaultJoined:
    """The vault is on this device."""

    vault: VaultId
    name: str


JoinEvent = SearchHindered | WordsShown | VaultOffered | VaultJoined | PairingEnded


class JoinSession(Protocol):
    """An attempt to join a vault from a device that has none."""

    events: trio.MemoryReceiveChannel[JoinEvent]

    def accept(self, *, accepted: bool) -> None:
        """Pass on the person's answer to `VaultOffered`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is in one part: `pages`, `membership`, `records`, `entries`, ..."""

    part: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class VaultTakenOver:
    """The vault of a backup is on this device.

    Attributes:
        removed: The names of the devices that were removed from it.
    """

    vault: VaultId
    vault_name: str
    device: DeviceId
    device_name: str
    removed: tuple[str, ...]


TakeoverEvent = Progress | VaultTakenOver


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: `page`, `unreadable`, `membership`, `record`, `entry`, `journal`, `fingerprint` or
            `peer`.
        what: Which one: a path and id, an author and number, a collection, a device.
        detail: What is wrong with it.
        record: The record, where it is one.
        wrong: Stored and counted, where it is a fingerprint.
    """

    kind: str
    what: str
    detail: str
    record: RecordId | None = None
    wrong: tuple[Fingerprint, Fingerprint] | None = None


@dataclass(frozen=True, slots=True)
class Repaired:
    """Something that was wrong and is not any more."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that could not be read any more; it comes back from devices that have it.

    Attributes:
        kind: `record` or `entry` where it is known which; `records` or `entries` where only how
            many is known, or not even that; else what other part of the store.
        what: Which one, from which one on, or how many.
    """

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The damaged store stays, under this name; it is the person's to remove."""

    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The end of it: how many findings there were, and how many of them are repaired."""

    records: int
    entries: int
    findings: int
    repaired: int


@dataclass(frozen=True, slots=True)
class VerifyEnded:
    """The run ended before its end, since the disk or the store refused."""

    error: VaultError


VerifyEvent = Progress | Finding | Repaired | Lost | Kept | Verified
VerifyNews = VerifyEvent | VerifyEnded


class Node(Protocol):
    """A running device. Every call may raise a `VaultError`."""

    async def status(self) -> NodeStatus:
        """Describe this device and its peers."""

    async def get(self, selector: str) -> RecordView:
        """Read one record by path or `id:` prefix."""

    async def edit(self, edits: Sequence[Edit]) -> Sequence[Edited]:
        """Commit edits as one; returns when they are durable."""

    async def rows(self, collection: str | None, after: str | None, limit: int) -> RecordListing:
        """List live records by path; `after` is a previous page's `next`."""

    def watch(
        self, selector: str | None
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[ChangeEvent | MissedEvents]]:
        """Follow changes of everything, one collection, or one record."""

    async def members(self) -> Members:
        """List the vault's devices."""

    async def rename_device(self, device: str, name: str) -> DevicePaired:
        """Give a device another name."""

    async def revoke_device(self, device: str) -> DevicePaired:
        """Remove a device from the vault."""

    async def reinstate_device(self, device: str) -> DevicePaired:
        """Let a suspended device in again."""

    async def recovery_words(self) -> str:
        """Return the 24 words of the recovery key, where this device still keeps it."""

    async def forget_recovery(self) -> None:
        """Keep the recovery key no longer on this device."""

    async def recover(self, words: str, decision: RecoveryDecision) -> DevicePaired:
        """Take the vault over with the words of the recovery key; returns this device."""

    async def addresses(self, device: str | None) -> Sequence[DeviceAddresses]:
        """Read the address book."""

    async def add_address(self, device: str, address: Address) -> DeviceAddresses:
        """Note an address by hand and dial it."""

    async def remove_address(self, device: str, address: Address) -> DeviceAddresses:
        """Forget an address that was given by hand."""

    async def collections(self) -> Sequence[CollectionView]:
        """List the collections that this device knows of, by name."""

    async def keep_collection(self, collection: str) -> CollectionView:
        """Keep a collection on this device; return how it stands then."""

    async def forget_collection(self, collection: str, *, anyway: bool) -> CollectionView:
        """Keep a collection no longer on this device; `anyway`: though it may be lost."""

    async def quarantine(self) -> Sequence[QuarantinedDevice]:
        """List what is in quarantine, by device."""

    async def settle_quarantine(self, device: str | None, *, repeat: bool) -> QuarantineSettled:
        """Drop what is in quarantine of a device, or all; repeat its effect before, if asked."""

    def pair(
        self, *, admin: bool, recovery: str | None = None
    ) -> AbstractAsyncContextManager[PairingSession]:
        """Open a pairing window; leaving the context closes it.

        `recovery` are the words that admit the new device where this one may not.
        """

    def verify(
        self, *, repair: bool
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[VerifyNews]]:
        """Check everything that the store holds; leaving the context ends it."""

    async def wait_ready(self) -> None:
        """Return once the node serves reads and writes."""

    async def wait_synced(self, device: str | None) -> None:
        """Return once a device, or every linked one, is proved equal."""
