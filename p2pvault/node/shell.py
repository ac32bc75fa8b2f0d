"""Performs the effects of a device, in their order, and feeds the outcomes back.

`feed` never blocks and is never called from inside itself: whatever takes time runs in a task
that feeds its outcome later. One task persists, so that batches become durable in order; loads,
dials and streams have tasks of their own.
"""

import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
import trio

from p2pvault.core import io
from p2pvault.core.device import Device
from p2pvault.core.inquiries import Inquiry, LoadCounts, LoadRanges, LoadWhole
from p2pvault.core.link import Phase
from p2pvault.core.loads import (
    ForgottenUnknown,
    LoadForgotten,
    LoadSnapshots,
    LoadSurplus,
    SnapshotsLoaded,
    SurplusLoaded,
    SurplusUnknown,
)
from p2pvault.errors import StoreError, Unreachable, VaultError
from p2pvault.net.addresses import is_gone
from p2pvault.net.gate import HalfOpenGate
from p2pvault.net.patience import patient
from p2pvault.net.stream import dial, own_host_of, peer_of
from p2pvault.node.clock import Clock
from p2pvault.node.inquiring import inquire
from p2pvault.node.interest import load_forgotten
from p2pvault.node.memory import Memory
from p2pvault.node.reading import load_branch, load_entries, load_hashes, load_records
from p2pvault.node.snapshots import load_snapshots
from p2pvault.node.streams import Stream
from p2pvault.store.port import Reader, Store
from p2pvault.store.worker import StoreWorker
from p2pvault.types import Address, Batch, Instant, LinkId

_log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """The one writer, and a reader that does not wait behind it.

    Attributes:
        writer: Makes batches durable.
        reader: Answers from what is durable.
        opener: Opens another reader, for work that takes long.
    """

    writer: StoreWorker[Store]
    reader: StoreWorker[Reader]
    opener: Callable[[], Reader]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Effects that others than the shell perform."""

    publish: Callable[[io.Publish], None]
    discover: Callable[[io.Discover], None]
    settle: Callable[[io.Answer | io.Refuse], None]
    news: Callable[[io.PairingNews], None]
    status: Callable[[], None]


class Shell:
    """Runs one device. `run` must be running for anything to happen."""

    def __init__(self, device: Device, stores: Stores, clock: Clock) -> None:
        self.device = device
        self.problem: StoreError | None = None
        self._stores = stores
        self._clock = clock
        self._hooks: Hooks
        self._nursery: trio.Nursery
        self._streams: dict[LinkId, Stream] = {}
        self._link_ids = itertools.count(1)
        self._memory = Memory(self._shrink)
        self._gate = HalfOpenGate()
        self._idle = trio.Event()
        self._persisted = trio.Event()
        self._batches, self._to_persist = trio.open_memory_channel[io.Persist](1)
        self._alarm_at = float("inf")
        self._alarm_moved = trio.Event()

    async def run(
        self, hooks: Hooks, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Perform effects until cancelled; those that are not the shell's go to `hooks`."""
        self._hooks = hooks
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._persist_all)
            nursery.start_soon(self._memory.run)
            nursery.start_soon(self._wake_in_time)
            task_status.started()
            await trio.sleep_forever()

    def feed(self, given: io.Input) -> None:
        """Give the device an input and perform what it asks for."""
        for effect in self.device.handle(self._clock.now(), given):
            self._perform(effect)
        if isinstance(given, io.BytesReceived | io.LinkDown):
            self._count_half_open(given.link)

    def now(self) -> Instant:
        """Return one reading of the clocks."""
        return self._clock.now()

    async def read(self, call: Callable[[Reader], T]) -> T:
        """Ask the store something, beside the writer; raises what the store raises."""
        return await self._stores.reader.run(call)

    # Effects -----------------------------------------------------------------------------

    def _perform(self, effect: io.Effect) -> None:  # noqa: C901, PLR0912
        # One line an effect: the whole table of what a device can ask for, in one place.
        match effect:
            case io.Write(link, data):
                self._write(link, data)
            case io.Persist():
                self._batches.send_nowait(effect)
            case io.LoadRecords():
                self._nursery.start_soon(self._load_records, effect)
            case io.LoadEntries():
                read = partial(load_entries, load=effect)
                self._nursery.start_soon(self._load, read, effect.link)
            case io.LoadHashes():
                self._nursery.start_soon(self._load, partial(load_hashes, load=effect), effect.link)
            case io.LoadBranch():
                self._nursery.start_soon(self._load, partial(load_branch, load=effect), None)
            case LoadCounts() | LoadRanges() | LoadWhole():
                self._nursery.start_soon(self._inquire, effect)
            case LoadSnapshots():
                vault = self.device.members.vault
                wholes = partial(load_snapshots, vault=vault, load=effect)
                self._nursery.start_soon(self._load, wholes, effect.link)
            case LoadSurplus():
                self._nursery.start_soon(self._load_surplus, effect)
            case LoadForgotten():
                self._nursery.start_soon(self._load_forgotten, effect)
            case io.Publish():
                self._hooks.publish(effect)
            case io.Answer() | io.Refuse():
                self._hooks.settle(effect)
            case io.WakeAt(at):
                self._set_alarm(at)
            case io.Hangup(link):
                self._hang_up(link)
            case io.Dial(attempt, _, address):
                self._nursery.start_soon(self._dial, attempt, address)
            case io.Advertise() | io.Withdraw() | io.Expect() | io.AdvertisePairing():
                self._hooks.discover(effect)
            case io.PairingNews():
                self._hooks.news(effect)
            case io.Report(level, event, fields):
                log_report(level, event, fields)
            case io.StatusChanged():
                self._hooks.status()

    # The store ---------------------------------------------------------------------------

    async def _persist_all(self) -> None:
        while True:
            await self._persist_next()

    async def _persist_next(self) -> None:
        # A function of its own, which forgets the batch: the next one may be hours away.
        effect = await self._to_persist.receive()
        self.feed(await self._persist(effect))
        self._persisted.set()
        self._persisted = trio.Event()
        self._memory.used(sum(len(record.chunk) for record in effect.batch.records))

    async def _persist(self, effect: io.Persist) -> io.Persisted | io.PersistFailed:
        batch = effect.batch
        if batch == Batch():
            return io.Persisted(effect.id)
        try:
            await self._stores.writer.run(lambda store: store.persist(batch))
        except StoreError as error:
            self.problem = error
            return io.PersistFailed(effect.id, error)
        self.problem = None
        return io.Persisted(effect.id)

    async def _load_records(self, load: io.LoadRecords) -> None:
        if not (load.ids or load.paths or load.prefixes or load.quarantined):
            self.feed(io.RecordsLoaded(load.load, ()))
            return
        await self._load(partial(load_records, load=load), None)

    async def _load(self, read: Callable[[Reader], io.Input], link: LinkId | None) -> None:
        try:
            answer = await self._stores.reader.run(read)
        except VaultError as error:
            self.feed(io.LoadFailed(error, link))
        else:
            self.feed(answer)
            self._memory.used(_bytes_of(answer))

    async def _inquire(self, inquiry: Inquiry) -> None:
        try:
            finding = await self._stores.reader.run(lambda reader: inquire(reader, inquiry))
        except VaultError as error:
            self.feed(io.LoadFailed(error, inquiry.link))
        else:
            self.feed(finding)

    async def _shrink(self) -> None:
        """Empty the caches; a store that cannot do even that is noticed by whoever needs it."""
        with suppress(StoreError):
            await self._stores.writer.run(lambda store: store.shrink())
            await self._stores.reader.run(lambda reader: reader.shrink())

    async def _load_surplus(self, load: LoadSurplus) -> None:
        try:
            found = await self._stores.reader.run(
                lambda reader: reader.surplus(load.upto, load.chunks_min)
            )
        except VaultError as error:
            self.feed(SurplusUnknown(error))
        else:
            self.feed(SurplusLoaded(found))

    async def _load_forgotten(self, load: LoadForgotten) -> None:
        try:
            found = await self._stores.reader.run(lambda reader: load_forgotten(reader, load))
        except VaultError as error:
            self.feed(ForgottenUnknown(error))
        else:
            self.feed(found)

    async def wait_persisted(self) -> None:
        """Return once nothing waits for the store."""
        while not self.device.pipeline.is_idle:
            await self._persisted.wait()

    # Streams -----------------------------------------------------------------------------

    def may_begin(self, host: str) -> bool:
        """Tell whether a stream from there may start a handshake now."""
        return self._gate.may_begin(host, trio.current_time())

    async def accept(self, stream: trio.SocketStream) -> None:
        """Carry a stream that a link listener accepted and that may start a handshake."""
        try:
            remote = peer_of(stream)
        except Unreachable:
            await trio.aclose_forcefully(stream)
            return
        link = self._next_link()
        self._gate.admit(link, remote.host)
        if (oldest := self._gate.crowded_out()) is not None:
            self._streams[oldest].cut()
        await self._carry(link, stream, io.LinkUp(link, None, remote))

    async def serve_pairing(
        self, listeners: list[trio.SocketListener], *, task_status: trio.TaskStatus[object]
    ) -> None:
        """Accept streams for the pairing window until cancelled.

        The streams outlive that: whoever stops a pairing is gone at once, and the device at the
        door still has to be told.
        """
        serve = partial(trio.serve_listeners, handler_nursery=self._nursery)
        streams = patient(listeners, cannot_accept)
        await serve(self._accept_pairing, streams, task_status=task_status)

    async def _accept_pairing(self, stream: trio.SocketStream) -> None:
        """Carry a stream of the pairing listener; the window bounds their number."""
        link = self._next_link()
        await self._carry(link, stream, io.PairingStreamUp(link))

    async def _dial(self, attempt: int, address: Address) -> None:
        try:
            stream = await dial(address)
        except Unreachable:
            self.feed(io.DialFailed(attempt))
            return
        link = self._next_link()
        await self._carry(link, stream, io.LinkUp(link, attempt, address))

    async def _carry(self, link: LinkId, stream: trio.SocketStream, begins: io.Input) -> None:
        carried = self._streams[link] = Stream(link, stream, self.feed, own_host_of(stream))
        self.feed(begins)
        try:
            await carried.run()
        finally:
            del self._streams[link]
            if not self._streams:
                self._idle.set()
                self._idle = trio.Event()

    async def wait_streams_gone(self) -> None:
        """Return once no stream is left."""
        while self._streams:
            await self._idle.wait()

    def cut_strays(self) -> None:
        """End the streams that hang on an address which this machine does not have any more.

        Nothing comes or goes on them, and the kernel says so only after many minutes.
        """
        for stream in list(self._streams.values()):
            if stream.host is not None and is_gone(stream.host):
                stream.cut()

    def _next_link(self) -> LinkId:
        return LinkId(next(self._link_ids))

    def _write(self, link: LinkId, data: bytes) -> None:
        if link in self._streams:
            self._streams[link].write(data)

    def _hang_up(self, link: LinkId) -> None:
        if link in self._streams:
            self._streams[link].hang_up()

    def _count_half_open(self, link: LinkId) -> None:
        """Give back the place of a stream once it leads to a member, or is over.

        Who knows the gate key and is no member, such as a removed device under new keys, is as
        much of a stranger as who does not.
        """
        if link not in self._gate:
            return
        it = self.device.links[link]
        if it is None or it.phase in (Phase.UP, Phase.CLOSED):
            self._gate.release(link)

    # Time --------------------------------------------------------------------------------

    def _set_alarm(self, at: float | None) -> None:
        self._alarm_at = float("inf") if at is None else at
        self._alarm_moved.set()

    async def _wake_in_time(self) -> None:
        while True:
            self._alarm_moved = trio.Event()
            with trio.move_on_at(self._alarm_at) as waited:
                await self._alarm_moved.wait()
            if waited.cancelled_caught:
                self._alarm_at = float("inf")
                self.feed(io.Woken())


def log_report(level: str, event: str, fields: Mapping[str, object]) -> None:
    """Write one of the core's lines to the log."""
    getattr(_log, level)(event, **fields)


def _bytes_of(answer: io.Input) -> int:
    """Return how much was read in bulk for a link; nothing for other answers."""
    match answer:
        case io.EntriesLoaded(entries=entries):
            return sum(len(entry.data) for entry in entries)
        case SnapshotsLoaded(snapshots=snapshots):
            return sum(len(snapshot.data) for snapshot in snapshots)
        case _:
            return 0


def cannot_accept(reason: str) -> None:
    """Say in the log that streams have to wait, and for the lack of what."""
    _log.error("cannot_accept", reason=reason)
