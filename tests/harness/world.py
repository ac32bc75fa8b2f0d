"""A few devices in one process: the real core, a virtual clock, memory stores, perfect streams.

Effects are performed in the order in which they stand. Every input and effect is noted, so that a
test can say what must have happened before what. Streams are FIFO and can be cut.
"""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.entropy import seeded
from harness.memory_store import MemoryStore
from p2pvault.core import io
from p2pvault.core.device import Device
from p2pvault.core.start import NewVault, device_of, found_vault, join_vault
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import StoreFull, VaultError
from p2pvault.protocol.handover import Handover, encode_handover
from p2pvault.protocol.membership import DeviceCard
from p2pvault.protocol.pairing import Received, VaultSummary
from p2pvault.types import Address, Batch, Instant, LinkId, RecordId, Role


@dataclass
class Wire:
    """One stream between two devices."""

    ends: dict["Party", LinkId]
    open: bool = True

    def other(self, party: "Party") -> "Party":
        (other,) = (end for end in self.ends if end is not party)
        return other


@dataclass(eq=False)
class Party:
    """One device, its store, and what it has answered."""

    name: str
    address: Address
    store: MemoryStore
    device: Device
    answers: dict[int, object] = field(default_factory=dict)
    published: list[io.Change] = field(default_factory=list)
    reports: list[io.Report] = field(default_factory=list)
    news: list[io.News] = field(default_factory=list)
    wake_at: float | None = None
    disk_full: bool = False
    online: bool = True
    trace: list[object] = field(default_factory=list)


class World:
    """Runs parties until nothing is left to do."""

    def __init__(self, seed: int = 0) -> None:
        self.now = Instant(1_000.0, 1_790_000_000_000)
        self.parties: list[Party] = []
        self.bytes_moved = 0
        self._seed = seed
        self._requests = itertools.count(1)
        self._links = itertools.count(1)
        self._wires: dict[tuple[int, LinkId], Wire] = {}
        self._todo: deque[tuple[Party, io.Input]] = deque()

    # Making devices ----------------------------------------------------------------------

    def found(self, name: str) -> Party:
        """Make a vault with its first device."""
        entropy = self._entropy(name)
        return self._party(name, found_vault(self.now, entropy, "home", name, "computer"))

    def join(self, name: str, sponsor: Party, role: Role = Role.MEMBER) -> Party:
        """Admit a device without the ceremony of pairing."""
        entropy = self._entropy(name)
        keys = DeviceKeys.generate(entropy)
        members = sponsor.device.members
        learned = members.admit(self.now, entropy, DeviceCard(keys.public, name, "computer"), role)
        sponsor.store.persist(learned.batch)
        package = encode_handover(
            Handover(
                tuple(each.data for each in members.log.operations),
                tuple(sorted(members.secrets.items())),
                (sponsor.address,),
            )
        )
        about = members.membership
        offered = VaultSummary(about.vault, about.name, len(about.members), about.made_ms)
        received = Received(package, offered, members.keys.public)
        return self._party(name, join_vault(keys, entropy, received))

    def _party(self, name: str, vault: NewVault) -> Party:
        store = MemoryStore()
        store.persist(vault.batch)
        address = Address(f"10.0.0.{len(self.parties) + 1}", 4_000)
        party = Party(name, address, store, device_of(store.state(), self._entropy(name + "/run")))
        self.parties.append(party)
        self.give(party, io.NetworkChanged((address,)))
        return party

    def restart(self, party: Party) -> None:
        """Lose all that is in memory, as a crash does, and start again from the store."""
        for (owner, link), wire in list(self._wires.items()):
            if owner == id(party) and wire.open:
                self._close(party, link)
        party.device = device_of(party.store.state(), self._entropy(party.name + "/again"))
        party.wake_at = None
        self.give(party, io.NetworkChanged((party.address,)))

    def _entropy(self, name: str) -> Callable[[int], bytes]:
        return seeded((self._seed, name))

    # Driving -----------------------------------------------------------------------------

    def give(self, party: Party, given: io.Input) -> None:
        """Queue an input."""
        self._todo.append((party, given))

    def run(self, inputs_max: int = 200_000) -> None:
        """Feed inputs until none is left."""
        for _ in range(inputs_max):
            if not self._todo:
                return
            party, given = self._todo.popleft()
            party.trace.append(given)
            for effect in party.device.handle(self.now, given):
                party.trace.append(effect)
                self._perform(party, effect)
        raise AssertionError("the devices do not come to rest")

    def pass_time(self, seconds: float) -> None:
        """Let time pass, waking devices when they asked for it."""
        end = self.now.monotonic + seconds
        while True:
            self.run()
            due = [p for p in self.parties if p.wake_at is not None and p.wake_at <= end]
            if not due:
                break
            party = min(due, key=lambda p: p.wake_at or 0.0)
            assert party.wake_at is not None
            self._advance(max(self.now.monotonic, party.wake_at))
            party.wake_at = None
            self.give(party, io.Woken())
        self._advance(end)

    def edit(self, party: Party, *edits: io.Edit) -> int:
        """Ask for edits; the answer is in `answers` after `run`."""
        request = next(self._requests)
        self.give(party, io.EditRequested(request, edits))
        return request

    def put(self, party: Party, path: str, **fields: object) -> tuple[io.Edited, ...]:
        """Edit one record and run until it is done; raises what was refused."""
        puts = tuple(((name,), value) for name, value in fields.items())
        request = self.edit(party, io.Edit(path, puts))
        self.run()
        answer = party.answers[request]
        if isinstance(answer, VaultError):
            raise answer
        return answer

    def value(self, party: Party, path: str) -> dict[str, object] | None:
        """Read a record from a party's store, as its person would."""
        collection, name = path.split("/", 1)
        rows = [row for row in party.store.find(collection, name) if not row.deleted]
        if not rows:
            return None
        (row,) = rows
        return self.values(party)[row.id]

    def values(self, party: Party) -> dict[RecordId, dict[str, object]]:
        """Read everything from a party's store."""
        from p2pvault.crdt.record import Record

        actor = party.device.pipeline._writer.journal.author
        rows = party.store.rows(None, None, 100_000)
        stored = party.store.records([row.id for row in rows])
        return {s.row.id: Record.load(actor, s.chunks, s.row.heads).value() for s in stored}

    def offline(self, party: Party) -> None:
        """Cut every stream of a party and refuse new ones."""
        party.online = False
        for (owner, link), wire in list(self._wires.items()):
            if owner == id(party) and wire.open:
                self._close(party, link)
        self.run()

    def online(self, party: Party) -> None:
        """Let a party reach others again; it learns that its network changed."""
        party.online = True
        self.give(party, io.NetworkChanged((party.address,)))

    def _advance(self, monotonic: float) -> None:
        passed_ms = int((monotonic - self.now.monotonic) * 1000)
        self.now = Instant(monotonic, self.now.wall_ms + passed_ms)

    # Performing --------------------------------------------------------------------------

    def _perform(self, party: Party, effect: io.Effect) -> None:
        match effect:
            case io.Persist(batch, content):
                self.give(party, self._persist(party, batch, content))
            case io.LoadRecords():
                self.give(party, self._load_records(party, effect))
            case io.LoadEntries():
                self.give(party, self._load_entries(party, effect))
            case io.Dial(attempt, _, address):
                self._dial(party, attempt, address)
            case io.Write(link, data):
                self._write(party, link, data)
            case io.Hangup(link):
                self._close(party, link)
            case io.WakeAt(at):
                party.wake_at = at
            case io.Publish(changes):
                party.published.extend(changes)
            case io.Answer(request, result):
                party.answers[request] = result
            case io.Refuse(request, error):
                party.answers[request] = error
            case io.Report():
                party.reports.append(effect)
            case io.PairingNews(_, news):
                party.news.append(news)
            case _:
                pass

    def _persist(self, party: Party, number: int, batch: Batch) -> io.Input:
        if party.disk_full:
            return io.PersistFailed(number, StoreFull("the disk is full"))
        party.store.persist(batch)
        return io.Persisted(number)

    def _load_records(self, party: Party, load: io.LoadRecords) -> io.Input:
        store = party.store
        ids = list(load.ids)
        ids += [row.id for path in load.paths for row in store.find(*path)]
        ids += [row.id for digits in load.prefixes for row in store.with_id_prefix(digits, 16)]
        return io.RecordsLoaded(load.load, store.records(list(dict.fromkeys(ids))))

    def _load_entries(self, party: Party, load: io.LoadEntries) -> io.Input:
        after = load.after
        if after is None:
            found = [party.store.first_arrival(author, n) for author, n in load.first]
            after = min(arrival for arrival in found if arrival is not None) - 1
        return io.EntriesLoaded(load.link, party.store.entries(after, load.bytes_max))

    def _dial(self, party: Party, attempt: int, address: Address) -> None:
        targets = [p for p in self.parties if p.address == address and p.online]
        if not targets or not party.online or targets[0] is party:
            self.give(party, io.DialFailed(attempt))
            return
        wire = Wire({party: LinkId(next(self._links)), targets[0]: LinkId(next(self._links))})
        for end, link in wire.ends.items():
            self._wires[id(end), link] = wire
        self.give(targets[0], io.LinkUp(wire.ends[targets[0]], None, party.address))
        self.give(party, io.LinkUp(wire.ends[party], attempt, address))

    def _write(self, party: Party, link: LinkId, data: bytes) -> None:
        wire = self._wires[id(party), link]
        if wire.open:
            self.bytes_moved += len(data)
            other = wire.other(party)
            self.give(other, io.BytesReceived(wire.ends[other], data))
        self.give(party, io.Writable(link))

    def _close(self, party: Party, link: LinkId) -> None:
        wire = self._wires[id(party), link]
        if wire.open:
            wire.open = False
            for end, its in wire.ends.items():
                self.give(end, io.LinkDown(its))
