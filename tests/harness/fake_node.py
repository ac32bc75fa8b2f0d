"""A node in a dictionary, and where it comes from: what the daemon's handlers are tried against.

It follows `p2pvault.node.port` and nothing more; what a vault really does is tested with real ones.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from p2pvault.core.asks import Edit
from p2pvault.core.io import Edited, QuarantineSettled
from p2pvault.core.takeover import Takeover
from p2pvault.crdt.values import Value
from p2pvault.errors import (
    BadRecoveryWords,
    NoRecoveryWords,
    NoSuchDevice,
    NoSuchRecord,
    OnlyHere,
    VaultError,
)
from p2pvault.net.services import DiscoverySettings
from p2pvault.node.port import (
    ChangeEvent,
    CollectionView,
    DeviceAddresses,
    DevicePaired,
    Finding,
    JoinEvent,
    Members,
    MemberView,
    MissedEvents,
    NodeStatus,
    PairingEvent,
    PeerStatus,
    Problem,
    Progress,
    QuarantinedDevice,
    RecordListing,
    RecordView,
    RecoveryDecision,
    Repaired,
    TakeoverEvent,
    VaultTakenOver,
    Verified,
    VerifyNews,
)
from p2pvault.types import Address, DeviceId, RecordId, Role, VaultId
from p2pvaultd.config import Settings

VAULT = VaultId(b"v" * 32)
HERE = DeviceId(b"h" * 32)
PHONE = DeviceId(b"p" * 32)
ADDRESS = Address("192.168.1.5", 47474)


def record_id(path: str) -> RecordId:
    return RecordId(path.encode().ljust(16, b".")[:16])


class FakePairing:
    """A ceremony whose events a test sends."""

    def __init__(self) -> None:
        self.sender, self.events = trio.open_memory_channel[PairingEvent](16)
        self.typed: list[str] = []
        self.open = True

    def type_words(self, words: str) -> None:
        self.typed.append(words)


class FakeJoin:
    """The other side of it."""

    def __init__(self) -> None:
        self.sender, self.events = trio.open_memory_channel[JoinEvent](16)
        self.answers: list[bool] = []
        self.open = True

    def accept(self, *, accepted: bool) -> None:
        self.answers.append(accepted)


@dataclass
class FakeNode:
    """Records in a dictionary, one peer, and channels that a test can feed."""

    device_name: str = "laptop"
    vault_name: str = "home"
    records: dict[str, dict[str, Value]] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    given: list[Address] = field(default_factory=list)
    pairings: list[FakePairing] = field(default_factory=list)
    synced: trio.Event = field(default_factory=trio.Event)
    discovery: DiscoverySettings | None = None
    checks: int = 0
    watched: list[str | None] = field(default_factory=list)
    quarantined: list[QuarantinedDevice] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    words: str = "zoo " * 23 + "vote"
    decisions: list[RecoveryDecision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changes, self._changes = trio.open_memory_channel[ChangeEvent | MissedEvents](16)

    async def status(self) -> NodeStatus:
        peer = PeerStatus(PHONE, "phone", True, ADDRESS, True, 1.5, 0, 2, 1_700_000_000_000)
        away = PeerStatus(DeviceId(b"t" * 32), "tablet", False, None, None, None, None, None, None)
        return NodeStatus(
            vault=VAULT,
            vault_name=self.vault_name,
            records=len(self.records),
            device=HERE,
            device_name=self.device_name,
            role=Role.ADMIN,
            peers=[peer, away],
            listening=[ADDRESS],
            discovery_mode="quiet",
            discovery_problem="no multicast",
            problems=[Problem("disk_full", "The disk is full.", "Make room.")],
        )

    async def get(self, selector: str) -> RecordView:
        if selector not in self.records:
            raise NoSuchRecord(f"there is no {selector}")
        return RecordView(record_id(selector), selector, self.records[selector])

    async def edit(self, edits: Sequence[Edit]) -> Sequence[Edited]:
        self.edits.extend(edits)
        return [self._edit_one(edit) for edit in edits]

    def _edit_one(self, edit: Edit) -> Edited:
        path, created = edit.selector, edit.selector not in self.records
        if edit.remove:
            del self.records[path]
            return Edited(record_id(path), path, False, ())
        record = self.records.setdefault(path, {})
        changed = [steps for steps, value in edit.puts if record.get(steps[0]) != value]
        record.update({steps[0]: value for steps, value in edit.puts})
        return Edited(record_id(path), path, created, tuple(map(".".join, changed)))

    async def rows(self, collection: str | None, after: str | None, limit: int) -> RecordListing:
        paths = sorted(self.records)
        paths = [path for path in paths if collection in {None, path.split("/")[0]}]
        paths = [path for path in paths if path > (after or "")]
        page = [(record_id(path), path) for path in paths[:limit]]
        return RecordListing(page, page[-1][1] if len(paths) > limit else None)

    @asynccontextmanager
    async def watch(
        self, selector: str | None
    ) -> AsyncIterator[trio.MemoryReceiveChannel[ChangeEvent | MissedEvents]]:
        self.watched.append(selector)
        yield self._changes
        self.watched.remove(selector)

    async def members(self) -> Members:
        return Members(
            [
                MemberView(HERE, self.device_name, "linux", Role.ADMIN, True, None, None),
                MemberView(PHONE, "phone", "android", Role.MEMBER, False, True, "laptop"),
            ],
            [(DeviceId(b"o" * 32), "old phone")],
            [(DeviceId(b"s" * 32), "strange phone")],
            [(DeviceId(b"f" * 32), "its friend")],
        )

    async def rename_device(self, device: str, name: str) -> DevicePaired:
        if device != "phone":
            raise NoSuchDevice(f"there is no device {device}")
        return DevicePaired(PHONE, name)

    async def revoke_device(self, device: str) -> DevicePaired:
        return DevicePaired(PHONE, device)

    async def reinstate_device(self, device: str) -> DevicePaired:
        return DevicePaired(PHONE, device)

    async def recovery_words(self) -> str:
        if not self.words:
            raise NoRecoveryWords("they were forgotten")
        return self.words

    async def forget_recovery(self) -> None:
        self.words = ""

    async def recover(self, words: str, decision: RecoveryDecision) -> DevicePaired:
        if words != self.words:
            raise BadRecoveryWords("these words do not belong together")
        self.decisions.append(decision)
        return DevicePaired(HERE, self.device_name)

    async def addresses(self, device: str | None) -> Sequence[DeviceAddresses]:
        return [DeviceAddresses(PHONE, device or "phone", list(self.given), [ADDRESS])]

    async def add_address(self, device: str, address: Address) -> DeviceAddresses:
        self.given.append(address)
        return (await self.addresses(device))[0]

    async def remove_address(self, device: str, address: Address) -> DeviceAddresses:
        self.given.remove(address)
        return (await self.addresses(device))[0]

    async def collections(self) -> Sequence[CollectionView]:
        seen = {path.split("/")[0] for path in self.records}
        return [self._collection(name, seen) for name in sorted(seen | self.forgotten)]

    async def keep_collection(self, collection: str) -> CollectionView:
        self.forgotten.discard(collection)
        return await self._one(collection)

    async def forget_collection(self, collection: str, *, anyway: bool) -> CollectionView:
        if not anyway:
            raise OnlyHere(f"nobody else has {collection}")
        self.forgotten.add(collection)
        return await self._one(collection)

    async def _one(self, name: str) -> CollectionView:
        return next(each for each in await self.collections() if each.name == name)

    def _collection(self, name: str, seen: set[str]) -> CollectionView:
        kept = name not in self.forgotten
        return CollectionView(name, 1 if kept else None, kept, name in seen)

    async def quarantine(self) -> Sequence[QuarantinedDevice]:
        return list(self.quarantined)

    async def settle_quarantine(self, device: str | None, *, repeat: bool) -> QuarantineSettled:
        found = [each for each in self.quarantined if device in {None, each.name}]
        if not found:
            raise NoSuchDevice(f"nothing of {device} is in quarantine")
        for each in found:
            self.quarantined.remove(each)
        paths = [path for each in found for path in each.paths] if repeat else []
        edited = tuple(Edited(record_id(path), path, False, ("a",)) for path in paths)
        return QuarantineSettled(sum(each.entries for each in found), 0, edited)

    @asynccontextmanager
    async def pair(self, *, admin: bool, recovery: str | None = None) -> AsyncIterator[FakePairing]:
        del admin, recovery
        pairing = FakePairing()
        self.pairings.append(pairing)
        try:
            yield pairing
        finally:
            pairing.open = False

    @asynccontextmanager
    async def verify(self, *, repair: bool) -> AsyncIterator[trio.MemoryReceiveChannel[VerifyNews]]:
        send, events = trio.open_memory_channel[VerifyNews](8)
        finding = Finding("record", "notes/one", "its chunks are damaged")
        repaired = [Repaired(finding)] if repair else []
        last = Verified(len(self.records), 3, 1, len(repaired))
        for event in (Progress("records", 1, 1), finding, *repaired, last):
            send.send_nowait(event)
        send.close()
        yield events

    async def wait_ready(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_synced(self, device: str | None) -> None:
        del device
        await self.synced.wait()

    async def check(self) -> None:
        self.checks += 1

    async def rediscover(self, discovery: DiscoverySettings) -> None:
        self.discovery = discovery


class FakeSource:
    """Where fake nodes come from; a test can put a fault into it."""

    def __init__(self, node: FakeNode | None = None) -> None:
        self.node = node
        self.fault: VaultError | None = None
        self.joins: list[FakeJoin] = []
        self.takeovers: list[tuple[Path, Takeover]] = []
        self.closed_in_order = False
        self.hangs_at_the_end = False
        self.creating = trio.Event()
        self.creating.set()

    async def has_vault(self) -> bool:
        return self.node is not None

    async def create(self, device_name: str, vault_name: str) -> None:
        await self.creating.wait()
        self.node = FakeNode(device_name, vault_name)

    @asynccontextmanager
    async def join(
        self, settings: Settings, code: str, device_name: str
    ) -> AsyncIterator[FakeJoin]:
        del code, device_name
        join = FakeJoin()
        self.joins.append(join)
        try:
            yield join
        finally:
            join.open = False

    @asynccontextmanager
    async def take_over(
        self, backup: Path, wanted: Takeover
    ) -> AsyncIterator[AsyncGenerator[TakeoverEvent, None]]:
        self.takeovers.append((backup, wanted))
        async with aclosing(self._taking(wanted)) as events:
            yield events

    async def _taking(self, wanted: Takeover) -> AsyncGenerator[TakeoverEvent, None]:
        yield Progress("copied records", 1, 1)
        await self.creating.wait()
        if self.fault is not None:
            raise self.fault
        self.node = FakeNode(wanted.name)
        yield VaultTakenOver(VAULT, "home", HERE, wanted.name, ("old laptop", *wanted.lost))

    @asynccontextmanager
    async def open(self, settings: Settings) -> AsyncIterator[FakeNode]:
        if self.fault is not None:
            raise self.fault
        assert self.node is not None
        self.node.discovery = settings.discovery
        yield self.node
        if self.hangs_at_the_end:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        self.closed_in_order = True
