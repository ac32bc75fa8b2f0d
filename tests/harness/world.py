"""A few devices in one process: the real core, a virtual clock, memory stores, FIFO streams.

Effects are performed in the order in which they stand. What is under way waits in lanes: one for
each direction of a stream, one for each device's writer, one for each of its readers. A lane is
FIFO; lanes are taken in the order in which things began, or, in a shuffled world, in any order,
with bytes cut into pieces. A crash drops what a device had under way and no byte that it wrote.
"""

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any

from harness.entropy import seeded
from harness.loads import answer
from harness.log_lines import check_line
from harness.memory_store import MemoryStore
from harness.party import Party, Wire
from p2pvault.core import asks, io
from p2pvault.core.at_once import PlainJob, staged_at_once
from p2pvault.core.inquiries import Inquiry, LoadCounts, LoadRanges, LoadWhole
from p2pvault.core.loads import Load, LoadForgotten, LoadSnapshots, LoadSurplus
from p2pvault.core.start import NewVault, device_of, found_vault, join_vault, renewed
from p2pvault.crdt.record import Record
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import CrdtError, StoreCorrupt, StoreFull, VaultError
from p2pvault.node.inquiring import inquire
from p2pvault.node.reading import load_branch, load_entries, load_hashes, load_records
from p2pvault.protocol.handover import Handover, encode_handover
from p2pvault.protocol.membership import DeviceCard
from p2pvault.protocol.pairing import Received, VaultSummary
from p2pvault.types import Address, Batch, Doubt, Instant, LinkId, RecordId, Role

ROWS_MAX = 100_000


Step = Callable[[], None]


class World:
    """Runs parties until nothing is left to do.

    Args:
        seed: Of every device's randomness, and of the shuffling.
        shuffled: Whether lanes advance in any order, and bytes arrive in pieces.
    """

    def __init__(self, seed: object = 0, *, shuffled: bool = False) -> None:
        self.now = Instant(1_000.0, 1_790_000_000_000)
        self.parties: list[Party] = []
        self.bytes_moved = 0
        self._seed = seed
        self._random = Random(repr(seed)) if shuffled else None
        self._requests = itertools.count(1)
        self._links = itertools.count(1)
        self._wires: dict[tuple[Party, LinkId], Wire] = {}
        self._order: deque[Hashable] = deque()
        self._lanes: dict[Hashable, deque[tuple[Party, int, Step]]] = {}
        self._cut: set[frozenset[Party]] = set()

    # Making devices ----------------------------------------------------------------------

    def found(self, name: str) -> Party:
        """Make a vault with its first device."""
        entropy = self._entropy(name)
        return self._party(name, found_vault(self.now, entropy, "home", name, "computer"))

    def join(self, name: str, sponsor: Party, role: Role = Role.MEMBER) -> Party:
        """Admit a device without the ceremony of pairing; the sponsor starts anew with it."""
        entropy = self._entropy(name)
        keys = DeviceKeys.generate(entropy)
        members = sponsor.device.members
        learned = members.admit(self.now, entropy, DeviceCard(keys.public, name, "computer"), role)
        admission, key = PlainJob(0, learned.batch, joined=True), fingerprint_key(members.vault)
        staged = staged_at_once(sponsor.device.pipeline.durable, admission, key)
        sponsor.store.persist(staged.batch)
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
        self.restart(sponsor)
        return self._party(name, join_vault(keys, entropy, received))

    def _party(self, name: str, vault: NewVault) -> Party:
        store = MemoryStore()
        store.persist(vault.batch)
        return self.seat(name, store)

    def seat(self, name: str, store: MemoryStore) -> Party:
        """Start a device that was made, from its store."""
        address = Address(f"10.0.0.{len(self.parties) + 1}", 4_000)
        party = Party(name, address, store, device_of(store.state(), self._entropy(name, 0)))
        self.parties.append(party)
        self.give(party, io.WatchersChanged(watched=True))
        self.give(party, io.NetworkChanged((address,)))
        return party

    def restart(self, party: Party) -> None:
        """Lose all that is in memory, as a crash does, and start again from the store."""
        for link, wire in self._wires_of(party):
            self._close(party, link, wire)
        party.life += 1
        party.device = device_of(party.store.state(), self._entropy(party.name, party.life))
        party.wake_at = None
        party.crash_at = None
        self.give(party, io.WatchersChanged(watched=True))
        self.give(party, io.NetworkChanged((party.address,)))

    def copy(self, party: Party) -> MemoryStore:
        """Return a copy of a party's store, as a backup makes one."""
        return deepcopy(party.store)

    def restore(self, party: Party, copy: MemoryStore, noticed: Doubt | None = None) -> None:
        """Put a copy in the place of a party's store and start it; `noticed`: it knows at once."""
        party.store = deepcopy(copy)
        if noticed is not None:
            entropy = self._entropy(party.name, "renewed", party.life)
            party.store.persist(renewed(party.store.state(), entropy, noticed))
        self.restart(party)

    def clone(self, party: Party, name: str, noticed: Doubt | None = None) -> Party:
        """Run a second device from a copy of a party's store, beside the first."""
        address = Address(f"10.0.0.{len(self.parties) + 1}", 4_000)
        twin = Party(name, address, self.copy(party), party.device)
        self.parties.append(twin)
        self.restore(twin, twin.store, noticed)
        return twin

    def _entropy(self, *names: object) -> Callable[[int], bytes]:
        return seeded((self._seed, *names))

    # Driving -----------------------------------------------------------------------------

    def give(self, party: Party, given: io.Input) -> None:
        """Queue an input."""
        self._later(party, ("inputs", party.name), lambda: self._handle(party, given))

    def run(self, steps_max: int = 200_000) -> None:
        """Go on until nothing is under way."""
        for _ in range(steps_max):
            if not self.step():
                return
        raise AssertionError("the devices do not come to rest")

    def step(self) -> bool:
        """Let one thing happen; return whether there was any."""
        lane = self._next_lane()
        if lane is None:
            return False
        party, life, step = self._lanes[lane].popleft()
        if party.life == life and not party.switched_off:
            step()
        return True

    def until(self, reached: Callable[[], bool], steps_max: int = 20_000) -> None:
        """Go on step by step, letting time pass where nothing else happens, and no further."""
        for _ in range(steps_max):
            if reached():
                return
            if not self.step():
                self._wake_next(float("inf"))
        raise AssertionError("what was waited for does not happen")

    def pass_time(self, seconds: float, wakes_max: int = 20_000) -> None:
        """Let time pass, waking devices when they asked for it."""
        end = self.now.monotonic + seconds
        for _ in range(wakes_max):
            self.run()
            if not self._wake_next(end):
                self._advance(end)
                return
        raise AssertionError("a device does not let time pass")

    def _wake_next(self, end: float) -> bool:
        due = [p for p in self.parties if p.wake_at is not None and p.wake_at <= end]
        if not due:
            return False
        party = min(due, key=lambda p: p.wake_at or 0.0)
        assert party.wake_at is not None
        self._advance(max(self.now.monotonic, party.wake_at))
        party.wake_at = None
        self.give(party, io.Woken())
        return True

    def edit(self, party: Party, *edits: asks.Edit) -> int:
        """Ask for edits; the answer is in `answers` after `run`."""
        request = next(self._requests)
        self.give(party, asks.EditRequested(request, edits))
        return request

    def ask(self, party: Party, make: Callable[[int], io.Input]) -> object:
        """Make a request, run until it is settled, and return the answer; raise a refusal."""
        request = next(self._requests)
        self.give(party, make(request))
        self.run()
        answer = party.answers[request]
        if isinstance(answer, VaultError):
            raise answer
        return answer

    def put(self, party: Party, path: str, **fields: object) -> object:
        """Edit one record and run until it is done; raises what was refused."""
        edit = put(path, **fields)
        return self.ask(party, lambda request: asks.EditRequested(request, (edit,)))

    def value(self, party: Party, path: str) -> dict[str, object] | None:
        """Read a record from a party's store, as its person would."""
        collection, name = path.split("/", 1)
        rows = [row for row in party.store.find(collection, name) if not row.deleted]
        if not rows:
            return None
        (row,) = rows
        return self.values(party)[row.id]

    def values(self, party: Party, *, deleted: bool = False) -> dict[RecordId, dict[str, object]]:
        """Read every record from a party's store; also those that are deleted, if asked for."""
        actor = party.device.pipeline.author
        rows = party.store.rows(None, None, ROWS_MAX)
        if deleted:
            rows += party.store.rows(None, None, ROWS_MAX, deleted=True)
        stored = party.store.records([row.id for row in rows])
        return {s.row.id: Record.load(actor, s.chunks, s.row.heads).value() for s in stored}

    # The network -------------------------------------------------------------------------

    def offline(self, party: Party) -> None:
        """Cut every stream of a party and refuse new ones."""
        party.online = False
        for link, wire in self._wires_of(party):
            self._close(party, link, wire)
        self.run()

    def online(self, party: Party) -> None:
        """Let a party reach others again; it learns that its network changed."""
        party.online = True
        self.give(party, io.NetworkChanged((party.address,)))

    def part(self, one: Party, other: Party) -> None:
        """Cut the streams between two parties, and let them make no new ones."""
        self._cut.add(frozenset((one, other)))
        for link, wire in self._wires_of(one):
            if other in wire.ends:
                self._close(one, link, wire)

    def strand(self, party: Party) -> None:
        """Let every stream of a party die without either side being told, like a cut cable."""
        for _, wire in self._wires_of(party):
            wire.dead = True

    def mend(self) -> None:
        """Let all parties reach each other again."""
        self._cut.clear()

    def heal(self) -> None:
        """Make everything good again: network and disks."""
        self.mend()
        for party in self.parties:
            party.disk_full = False
            party.crash_at = None
            self.online(party)

    @property
    def wires(self) -> list[Wire]:
        """Every stream that there ever was."""
        return list(dict.fromkeys(self._wires.values()))

    def _wires_of(self, party: Party) -> Iterator[tuple[LinkId, Wire]]:
        for (owner, link), wire in list(self._wires.items()):
            if owner is party and wire.open:
                yield link, wire

    def _reach(self, party: Party, address: Address) -> Party | None:
        for other in self.parties:
            parted = frozenset((party, other)) in self._cut
            if (
                address in (other.address, other.other_address)
                and other.online
                and party.online
                and not parted
            ):
                return other
        return None

    def _advance(self, monotonic: float) -> None:
        passed_ms = int((monotonic - self.now.monotonic) * 1000)
        self.now = Instant(monotonic, self.now.wall_ms + passed_ms)

    # Lanes -------------------------------------------------------------------------------

    def _later(self, party: Party, lane: Hashable, step: Step) -> None:
        self._lanes.setdefault(lane, deque()).append((party, party.life, step))
        self._order.append(lane)

    def _next_lane(self) -> Hashable | None:
        if not self._order:
            return None
        if self._random is not None:
            self._order.rotate(self._random.randrange(len(self._order)))
        return self._order.popleft()

    def _pieces(self, data: bytes) -> list[bytes]:
        if self._random is None or len(data) < 2 or self._random.random() < 0.5:
            return [data]
        at = self._random.randrange(1, len(data))
        return [data[:at], data[at:]]

    # Performing --------------------------------------------------------------------------

    def _handle(self, party: Party, given: io.Input) -> None:
        party.trace.append(given)
        life = party.life
        for effect in party.device.handle(self.now, given):
            party.trace.append(effect)
            self._perform(party, effect)
            party.effects_done += 1
            if party.crash_at is not None and party.effects_done >= party.crash_at:
                self.restart(party)
            if party.life != life:
                return

    def _perform(self, party: Party, effect: io.Effect) -> None:  # noqa: C901, PLR0912, PLR0915
        # One line an effect: the whole table, as in the shell.
        assert isinstance(effect, io.Effect), effect
        match effect:
            case io.Persist(number, batch):
                self._later(
                    party, ("writer", party.name), lambda: self._persist(party, number, batch)
                )
            case io.LoadRecords():
                lane = ("records", party.name)
                self._load(party, lane, None, partial(load_records, load=effect))
            case io.LoadBranch():
                lane = ("records", party.name)
                self._load(party, lane, None, partial(load_branch, load=effect))
            case io.LoadEntries(link):
                self._load(party, ("log", link), link, partial(load_entries, load=effect))
            case io.LoadHashes(link):
                self._load(party, ("log", link), link, partial(load_hashes, load=effect))
            case LoadCounts() | LoadRanges() | LoadWhole():
                self._later(party, ("repair", effect.link), lambda: self._inquire(party, effect))
            case LoadSnapshots() | LoadSurplus() | LoadForgotten():
                lane = ("whole", getattr(effect, "link", party.name))
                self._later(party, lane, lambda: self._load_whole(party, lane, effect))
            case io.Dial(attempt, _, address):
                self._dial(party, attempt, address)
            case io.Write(link, data):
                self.write(party, link, data)
            case io.Hangup(link):
                wire = self._wires.get((party, link))
                if wire is not None:
                    self._close(party, link, wire)
                else:
                    party.hung_up.append(link)
            case io.Advertise():
                party.shown = effect
                for other in self.parties:
                    self._show(party, other)
            case io.Withdraw():
                party.shown = None
            case io.Expect(names):
                party.expected = names
                for other in self.parties:
                    self._show(other, party)
            case io.WakeAt(at):
                party.wake_at = at
            case io.Publish(changes):
                party.published.extend(changes)
            case io.Answer(request, result):
                assert request not in party.answers, "one request is answered once"
                party.answers[request] = result
            case io.Refuse(request, error):
                assert request not in party.answers, "one request is answered once"
                party.answers[request] = error
            case io.Report():
                check_line(effect)
                party.reports.append(effect)
            case io.PairingNews(_, what):
                party.news.append(what)
            case _:
                pass

    def _persist(self, party: Party, number: int, batch: Batch) -> None:
        """Write, and say so later: what is durable shows in reads before the device knows."""
        answer: io.Input = io.Persisted(number)
        if party.disk_full:
            answer = io.PersistFailed(number, StoreFull("the disk is full"))
        else:
            party.store.persist(batch)
        self._later(party, ("writer", party.name), lambda: self._handle(party, answer))

    def _load(
        self, party: Party, lane: Hashable, link: LinkId | None, read: Callable[[MemoryStore], Any]
    ) -> None:
        """Read now, and answer later."""

        def load() -> None:
            if party.unreadable:
                self._handle(party, io.LoadFailed(StoreCorrupt("a torn page"), link))
                return
            answer = read(party.store)
            self._later(party, lane, lambda: self._handle(party, answer))

        self._later(party, lane, load)

    def _inquire(self, party: Party, inquiry: Inquiry) -> None:
        answer: io.Input = (
            io.LoadFailed(StoreCorrupt("a torn page"), inquiry.link)
            if party.unreadable
            else inquire(party.store, inquiry)
        )
        self._later(party, ("repair", inquiry.link), lambda: self._handle(party, answer))

    def _load_whole(self, party: Party, lane: Hashable, load: Load) -> None:
        vault = party.device.members.vault
        found: io.Input
        try:
            found = answer(party.store, vault, load, unreadable=party.unreadable)
        except CrdtError as error:
            # As the shell does with a record that is damaged where it lies.
            assert not isinstance(load, LoadSurplus), "that loads no record"
            found = io.LoadFailed(error, load.link)
        self._later(party, lane, lambda: self._handle(party, found))

    def _show(self, shown: Party, seer: Party) -> None:
        """Let one device see what another one advertises, where it looks for that and can."""
        it = shown.shown
        if it is None or it.instance not in seer.expected or shown is seer:
            return
        if self._reach(seer, shown.address) is not None:
            seen = io.PeerSeen(it.instance, it.addresses, it.addresses[0].port, it.tag)
            self.give(seer, seen)

    def _dial(self, party: Party, attempt: int, address: Address) -> None:
        target = self._reach(party, address)
        if target is None or target is party:
            self.give(party, io.DialFailed(attempt))
            return
        wire = Wire({party: LinkId(next(self._links)), target: LinkId(next(self._links))})
        for end, link in wire.ends.items():
            self._wires[end, link] = wire
        accepted = io.LinkUp(wire.ends[target], None, party.address)
        dialled = io.LinkUp(wire.ends[party], attempt, address)
        self._arrive(target, wire.ends[target], accepted)
        self._arrive(party, wire.ends[party], dialled)

    def _arrive(self, party: Party, link: LinkId, given: io.Input) -> None:
        self._later(party, ("wire", link), lambda: self._handle(party, given))

    def write(self, party: Party, link: LinkId, data: bytes) -> None:
        """Send bytes on a stream; on one that leads out of this world, they are kept."""
        wire = self._wires.get((party, link))
        if wire is None:
            party.loose[link] = party.loose.get(link, b"") + data
            return
        if wire.open and not wire.dead:
            self.bytes_moved += len(data)
            other = wire.other(party)
            for piece in self._pieces(data):
                self._arrive(other, wire.ends[other], io.BytesReceived(wire.ends[other], piece))
        self._later(party, ("taken", link), lambda: self._handle(party, io.Writable(link)))

    def _close(self, party: Party, link: LinkId, wire: Wire) -> None:
        """End a stream: what was written before still arrives, and then its end."""
        if wire.open:
            wire.open = False
            ends = {party: wire.ends[party]} if wire.dead else wire.ends
            for end, its in ends.items():
                self._arrive(end, its, io.LinkDown(its))


def put(path: str, **fields: object) -> asks.Edit:
    """Return an edit that sets fields."""
    return asks.Edit(path, tuple(((name,), value) for name, value in fields.items()))
