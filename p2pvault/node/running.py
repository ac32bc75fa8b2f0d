"""The running node: what the control endpoint calls, on top of shell, store and discovery."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from os import urandom
from pathlib import Path
from typing import cast

import structlog
import trio

from p2pvault.core import asks, io
from p2pvault.core.asks import Edit
from p2pvault.core.io import Edited, QuarantineSettled
from p2pvault.core.start import device_of, renewed
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import NoSuchDevice, Refused
from p2pvault.limits import EDIT_RECORDS_MAX, STOP_LINKS_S
from p2pvault.net.interfaces import NetworkChange, watch_network
from p2pvault.net.mdns import open_discovery
from p2pvault.net.patience import patient
from p2pvault.net.services import DiscoverySettings
from p2pvault.node.beaconing import Beaconing
from p2pvault.node.clock import Clock
from p2pvault.node.hosting import HostedPairing, Hosting
from p2pvault.node.network import Network, listen
from p2pvault.node.port import (
    ChangeEvent,
    CollectionView,
    DeviceAddresses,
    DevicePaired,
    Members,
    MissedEvents,
    NodeStatus,
    Problem,
    QuarantinedDevice,
    RecordListing,
    RecordView,
    RecoveryDecision,
    VerifyNews,
)
from p2pvault.node.quarantine import read_quarantine
from p2pvault.node.reading import list_records, read_record, recovery_words
from p2pvault.node.requests import Requests
from p2pvault.node.shell import Hooks, Shell, Stores, cannot_accept
from p2pvault.node.status import (
    addresses_of,
    collection_view,
    collections_view,
    in_sync,
    members_view,
    peer_status,
    problems,
)
from p2pvault.node.verifying import Verification
from p2pvault.node.watchers import Watchers
from p2pvault.protocol.recovery_words import read_words
from p2pvault.store.home import HomeFiles
from p2pvault.store.port import Reader, Store
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.store.worker import open_worker
from p2pvault.types import Address, DeviceId, StoreState

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node runs.

    Attributes:
        home: The directory with the store and the keys.
        host: Address to listen on; empty for all.
        port: Port to listen on; 0 for one of the kernel's choice.
        discovery: How other devices are found.
    """

    home: Path
    host: str
    port: int
    discovery: DiscoverySettings


class RunningNode:
    """Implements `port.Node`; made by `open_node`."""

    def __init__(
        self, shell: Shell, stores: Stores, network: Network, discovery: DiscoverySettings
    ) -> None:
        self.shell = shell
        self._stores = stores
        self._network = network
        self._discovery = discovery
        self._requests = Requests()
        self._beaconing = Beaconing(shell.feed)
        self._hosting = Hosting(shell, self._requests, network, discovery.mode, self._beaconing)
        self._watchers = Watchers(lambda watched: shell.feed(io.WatchersChanged(watched)))
        self._status_moved = trio.Event()
        self._discovering = trio.CancelScope()

    # Reading and writing -----------------------------------------------------------------

    async def get(self, selector: str) -> RecordView:
        """Read one record by path or `id:` prefix."""
        actor, forgotten = self.shell.device.pipeline.author, self._forgotten()
        return await self.shell.read(lambda reader: read_record(reader, actor, selector, forgotten))

    async def rows(self, collection: str | None, after: str | None, limit: int) -> RecordListing:
        """List live records by path; `after` is a previous page's `next`."""
        forgotten = self._forgotten()
        return await self.shell.read(
            lambda reader: list_records(reader, collection, after, limit, forgotten)
        )

    def _forgotten(self) -> frozenset[str]:
        return self.shell.device.pipeline.durable.interest.forgotten

    async def edit(self, edits: Sequence[Edit]) -> Sequence[Edited]:
        """Commit edits as one; returns when they are durable."""
        if not 1 <= len(edits) <= EDIT_RECORDS_MAX:
            raise Refused(f"one commit has 1 to {EDIT_RECORDS_MAX} edits, not {len(edits)}")
        request = self._requests.begin()
        self.shell.feed(asks.EditRequested(request, tuple(edits)))
        return cast("Sequence[Edited]", await self._requests.wait(request))

    @asynccontextmanager
    async def watch(
        self, selector: str | None
    ) -> AsyncIterator[trio.MemoryReceiveChannel[ChangeEvent | MissedEvents]]:
        """Follow changes of everything, one collection, or one record."""
        with self._watchers.watch(selector) as changes:
            yield changes

    # Devices -----------------------------------------------------------------------------

    async def members(self) -> Members:
        """List the vault's devices."""
        return members_view(self.shell.device)

    async def rename_device(self, device: str, name: str) -> DevicePaired:
        """Give a device another name."""
        request = self._requests.begin()
        self.shell.feed(asks.RenameRequested(request, device, name))
        return await self._about_device(request)

    async def revoke_device(self, device: str) -> DevicePaired:
        """Remove a device from the vault."""
        request = self._requests.begin()
        self.shell.feed(asks.RevokeRequested(request, device))
        return await self._about_device(request)

    async def reinstate_device(self, device: str) -> DevicePaired:
        """Let a suspended device in again."""
        request = self._requests.begin()
        self.shell.feed(asks.ReinstateRequested(request, device))
        return await self._about_device(request)

    async def recovery_words(self) -> str:
        """Return the 24 words of the recovery key, where this device still keeps it.

        Raises:
            NoRecoveryWords: It never did, or was told to forget it.
        """
        return recovery_words(await self.shell.read(lambda reader: reader.state()))

    async def forget_recovery(self) -> None:
        """Keep the recovery key no longer on this device."""
        request = self._requests.begin()
        self.shell.feed(asks.RecoveryForgotten(request))
        await self._about_device(request)

    async def recover(self, words: str, decision: RecoveryDecision) -> DevicePaired:
        """Take the vault over with the words of the recovery key; returns this device."""
        seed, request = read_words(words), self._requests.begin()
        lost, restored = decision.lost, decision.restored
        self.shell.feed(asks.RecoveryRequested(request, seed, lost, decision.all_others, restored))
        return await self._about_device(request)

    async def addresses(self, device: str | None) -> Sequence[DeviceAddresses]:
        """Read the address book."""
        members = self.shell.device.members
        wanted = members.others if device is None else (members.find(device).device,)
        return [addresses_of(self.shell.device, each) for each in wanted]

    async def add_address(self, device: str, address: Address) -> DeviceAddresses:
        """Note an address by hand and dial it."""
        return await self._change_address(device, address, forget=False)

    async def remove_address(self, device: str, address: Address) -> DeviceAddresses:
        """Forget an address that was given by hand."""
        return await self._change_address(device, address, forget=True)

    async def _change_address(
        self, device: str, address: Address, *, forget: bool
    ) -> DeviceAddresses:
        request = self._requests.begin()
        self.shell.feed(asks.AddressGiven(request, device, address, forget=forget))
        changed = await self._about_device(request)
        return addresses_of(self.shell.device, changed.device)

    async def _about_device(self, request: int) -> DevicePaired:
        device, name = cast("tuple[DeviceId, str]", await self._requests.wait(request))
        return DevicePaired(device, name)

    # Collections -------------------------------------------------------------------------

    async def collections(self) -> Sequence[CollectionView]:
        """List the collections that this device knows of, by name."""
        return collections_view(self.shell.device)

    async def keep_collection(self, collection: str) -> CollectionView:
        """Keep a collection on this device; return how it stands then."""
        request = self._requests.begin()
        self.shell.feed(asks.KeepRequested(request, collection))
        await self._requests.wait(request)
        return collection_view(self.shell.device.pipeline.durable, collection)

    async def forget_collection(self, collection: str, *, anyway: bool) -> CollectionView:
        """Keep a collection no longer on this device; `anyway`: though it may be lost."""
        request = self._requests.begin()
        self.shell.feed(asks.ForgetRequested(request, collection, anyway))
        await self._requests.wait(request)
        return collection_view(self.shell.device.pipeline.durable, collection)

    # Quarantine --------------------------------------------------------------------------

    async def quarantine(self) -> Sequence[QuarantinedDevice]:
        """List what is in quarantine, by device."""
        members, actor = self.shell.device.members, self.shell.device.pipeline.author
        return await self.shell.read(
            lambda reader: read_quarantine(reader, actor, members.vault, members.name_of)
        )

    async def settle_quarantine(self, device: str | None, *, repeat: bool) -> QuarantineSettled:
        """Drop what is in quarantine of a device, or all; repeat its effect before, if asked."""
        request = self._requests.begin()
        self.shell.feed(asks.SettleQuarantine(request, device, repeat))
        return cast("QuarantineSettled", await self._requests.wait(request))

    def pair(
        self, *, admin: bool, recovery: str | None = None
    ) -> AbstractAsyncContextManager[HostedPairing]:
        """Open a pairing window; leaving the context closes it."""
        seed = None if recovery is None else read_words(recovery)
        return self._hosting.open(admin=admin, seed=seed)

    def verify(
        self, *, repair: bool
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[VerifyNews]]:
        """Check everything that the store holds; leaving the context ends it."""
        run = Verification(self.shell, self._requests, lambda: self._status_moved)
        return run.run(self._stores.opener, repair=repair)

    # State -------------------------------------------------------------------------------

    async def status(self) -> NodeStatus:
        """Describe this device and its peers."""
        device, members = self.shell.device, self.shell.device.members
        now = self.shell.now()
        card = members.membership.members.get(members.device)
        return NodeStatus(
            vault=members.vault,
            vault_name=members.membership.name,
            records=device.pipeline.durable.records,
            device=members.device,
            device_name=members.name_of(members.device),
            role=None if card is None else card.role,
            peers=[peer_status(device, peer, now) for peer in members.others],
            listening=self._network.reachable_at(self._network.port),
            discovery_mode=self._discovery.mode.value,
            discovery_problem=self._beaconing.problem,
            problems=[*problems(device), *self._store_problem()],
            not_kept=sorted(device.pipeline.durable.interest.forgotten),
            incomplete=sorted(device.pipeline.durable.interest.partial),
        )

    def _store_problem(self) -> list[Problem]:
        error = self.shell.problem
        return [] if error is None else [Problem(error.code, str(error), error.hint)]

    async def wait_ready(self) -> None:
        """Return once the node serves reads and writes, which an open node does."""
        await trio.lowlevel.checkpoint()

    async def wait_synced(self, device: str | None) -> None:
        """Return once a device, or every linked one, is proved equal.

        Raises:
            NoSuchDevice, AmbiguousDevice: `device` names not exactly one member.
            Refused: It is this device.
            NoSuchDevice, RevokedDevice, SuspendedDevice: It, or this device, left meanwhile.
        """
        wanted = None if device is None else self._another(device)
        while not self._is_synced(wanted):
            self._check_awaited(wanted)
            await self._status_moved.wait()

    def _another(self, selector: str) -> DeviceId:
        members = self.shell.device.members
        found = members.find(selector).device
        if found == members.device:
            raise Refused(
                "this is the device itself, which is always the same as itself",
                hint="Name another one, or none to wait for all that are linked.",
            )
        return found

    def _check_awaited(self, wanted: DeviceId | None) -> None:
        """Check that what is waited for may still come."""
        members = self.shell.device.members
        members.check_inside()
        if wanted is not None and not members.membership.is_member(wanted):
            raise NoSuchDevice(f"“{members.name_of(wanted)}” is not in the vault any more")

    def _is_synced(self, wanted: DeviceId | None) -> bool:
        device = self.shell.device
        peers = device.members.others if wanted is None else (wanted,)
        linked = [in_sync(device.book[peer]) for peer in peers if device.book[peer].link]
        return bool(linked) and all(linked)

    async def check(self) -> None:
        """Return once the store has answered a question; the watchdog asks."""
        await self.shell.read(lambda reader: reader.count())

    # What the shell passes on --------------------------------------------------------------

    def hooks(self) -> Hooks:
        """Return what performs the effects that the shell does not."""
        return Hooks(
            publish=self._publish,
            discover=self._beaconing.take,
            settle=self._settle,
            news=self._hosting.news,
            status=self._status_changed,
        )

    def _publish(self, effect: io.Publish) -> None:
        self._watchers.publish(effect.changes, self.shell.device.members.name_of)

    def _settle(self, effect: io.Answer | io.Refuse) -> None:
        if not self._requests.settle(effect):
            self._hosting.settle(effect)

    def _status_changed(self) -> None:
        self._status_moved.set()
        self._status_moved = trio.Event()

    # The network -------------------------------------------------------------------------

    async def rediscover(self, discovery: DiscoverySettings) -> None:
        """Go on with other discovery settings."""
        self._discovery = discovery
        self._network = replace(self._network, named=discovery.interfaces)
        self._hosting.network, self._hosting.mode = self._network, discovery.mode
        self._discovering.cancel()
        self.announce_network()

    async def run_discovery(self) -> None:
        """Take part in mDNS; begins anew whenever the settings change."""
        while True:
            with trio.CancelScope() as self._discovering:
                async with open_discovery(self._network.discovery(self._discovery)) as discovery:
                    await self._beaconing.run(discovery)

    async def follow_network(
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Notice changes of the network from the start on, and tell core and discovery."""
        send, changes = trio.open_memory_channel[NetworkChange](1)
        async with trio.open_nursery() as nursery:
            await nursery.start(watch_network, send)
            task_status.started()
            async for change in changes:
                _log.info("network_changed", reason=change.value)
                self.shell.cut_strays()
                self._beaconing.refresh()
                self.announce_network()

    def announce_network(self) -> None:
        """Tell the core where this node can be reached now."""
        self.shell.feed(io.NetworkChanged(self._network.reachable_at(self._network.port)))

    async def stop(self) -> None:
        """Close every link properly, and keep what there is to be kept of it, in bounded time."""
        with trio.move_on_after(STOP_LINKS_S, shield=True):
            self.shell.feed(io.Stop())
            await self.shell.wait_streams_gone()
            await self.shell.wait_persisted()


@asynccontextmanager
async def open_node(
    settings: NodeSettings, clock: Clock | None = None
) -> AsyncIterator[RunningNode]:
    """Run a node inside the block.

    Entering returns when the node reads and writes; it does not wait for the network. Leaving
    closes links and store in order.

    Raises:
        VaultError: The store cannot be opened, or the port cannot be listened on.
    """
    async with _open_stores(settings.home) as stores:
        device = device_of(await stores.writer.run(settled), urandom)
        network, listeners = await listen(
            settings.host, settings.port, settings.discovery.interfaces
        )
        shell = Shell(device, stores, clock or Clock())
        node = RunningNode(shell, stores, network, settings.discovery)
        async with trio.open_nursery() as nursery:
            await nursery.start(shell.run, node.hooks())
            streams = patient(listeners, cannot_accept, shell.may_begin)
            await nursery.start(trio.serve_listeners, shell.accept, streams)
            await nursery.start(node.follow_network)
            nursery.start_soon(node.run_discovery)
            node.announce_network()
            try:
                yield node
            finally:
                await node.stop()
                nursery.cancel_scope.cancel()


def settled(store: Store) -> StoreState:
    """Return what a store holds, after drawing a new journal where it may have been rolled back.

    Raises:
        StoreError: The store cannot be written to, or holds no device.
    """
    if store.doubt is not None:
        _log.warning("journal_renewed", reason=store.doubt.value)
        store.persist(renewed(store.state(), urandom, store.doubt))
        store.vouch()
    return store.state()


@asynccontextmanager
async def _open_stores(home: Path) -> AsyncIterator[Stores]:
    key = store_key(load_master_key(HomeFiles(home)))

    def open_writer() -> Store:
        return open_store(home, key)

    def open_second() -> Reader:
        return open_reader(home, key)

    async with (
        open_worker(open_writer, name="store") as writer,
        open_worker(open_second, name="reader") as reader,
    ):
        yield Stores(writer, reader, open_second)
