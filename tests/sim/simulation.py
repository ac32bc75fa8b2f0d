"""The world of the tests under virtual time, with everything that goes wrong in the real one.

A `World` performs what devices ask for; this one also lets it take time. Events happen in the order
of their time, so one seed is one history. Each device has clocks of its own: monotonic time that
starts anew when its power was gone, and a wall clock that somebody may set.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Protocol

from harness.party import Party
from harness.world import Step, World
from p2pvault.core import asks, io
from p2pvault.core.start import NewVault, device_of
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import StoreFull, StoreUnwritable
from p2pvault.types import Address, Batch, DeviceId, Instant, LinkId, Role
from sim.disk import Disk
from sim.guest import Guest
from sim.left_behind import LeftBehind
from sim.network import Network
from sim.oracles import Violation, Watch
from sim.plan import Plan
from sim.sown import Field
from sim.trace import Trace
from sim.truth import Past, Truth

_START_MS = 1_790_000_000_000
_SAME_LIFE = -1

_EVENTS_MAX = 1_000_000
"""Within one wait: ten times what the busiest seed needs in ten minutes of its time."""

_EVENTS_AT_ONCE_MAX = 20_000
"""At one moment: a write may dribble in, and all that waited for a sleeper comes at once."""

_INPUT_S = 0.001
"""What a local request takes to reach a device."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """A person has a device keep a collection no more.

    Attributes:
        collection: Which.
        life: In which life of the device.
        upheavals: After how many upheavals of the world.
        anyway: Whether the person insists.
    """

    collection: str
    life: int
    upheavals: int
    anyway: bool


@dataclass(eq=False)
class SimParty(Party):
    """One device of a simulation.

    Attributes:
        disk: Its store.
        boot: What its monotonic clock is ahead of the world's.
        skew_ms: What its wall clock is ahead.
        asleep_until: The lid is closed until then.
        persisting: The batch that its disk has in hand.
        removed: It was removed from the vault, for good.
        leaving: Its removal is on its way.
        wiped: It is gone, with all that it held.
        twin: It runs from a copy of another one's store.
        lies: Whether it sometimes says what a device of ours would not.
        truth: What is on its disk, as far as it may speak of that.
        forgotten: The collections that it does not keep, in the same way.
        forgets: What it was asked to forget, by request.
    """

    disk: Disk = field(kw_only=True)
    boot: float = 0.0
    skew_ms: int = 0
    asleep_until: float = 0.0
    persisting: Batch | None = None
    removed: bool = False
    leaving: bool = False
    wiped: bool = False
    twin: bool = False
    lies: bool = False
    truth: Truth = field(default_factory=dict)
    forgotten: frozenset[str] = frozenset()
    forgets: dict[int, Forgetting] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it is a device of the vault, as far as fate knows."""
        return not (self.removed or self.wiped or self.twin)

    def may_forget(self, collection: str) -> bool:
        """Tell whether it keeps a collection no more, or is about to."""
        return collection in self.disk.interest.forgotten or bool(self.forgetting(collection))

    def forgetting(self, collection: str) -> list[Forgetting]:
        """Return what it was asked about a collection, and has not answered yet."""
        asked = (it for request, it in self.forgets.items() if request not in self.answers)
        return [it for it in asked if it.collection == collection and it.life == self.life]


class End(Protocol):
    """What streams lead to: a device, or one that is about to join.

    Attributes:
        name: What it is called.
        address: Where it is.
        life: Which life it is in.
        switched_off: Whether it is gone.
        asleep_until: It does nothing before that.
    """

    name: str
    address: Address
    life: int
    switched_off: bool
    asleep_until: float


class Simulation(World):
    """Devices under virtual time.

    Attributes:
        plan: What the seed drew.
        network: The streams.
        watch: Looks at everything that happens.
        trace: Remembers it.
        inputs: How many inputs the devices have taken.
        guests: Everybody who ever tried to join, by the ceremony.
        faults: Whether disks and devices fail now.
        sown: What devices may complain about.
        upheavals: How often a store was put back to an older state, or taken away.
        forgotten: Collections that some device has forgotten at some time.
        given_up: Fields that only one device held when it forgot them: its person insisted, or
            others lost them after it was asked to.
        lost: Devices that a new one removed when it took the vault over.
        key_was_used: Whether a new one ever did.
        left_behind: What only removed devices had any more.
        recovery_seed: The recovery key of the vault, as its person has it on paper.
    """

    parties: list[SimParty]

    def __init__(self, plan: Plan, trace: Trace) -> None:
        super().__init__(plan.seed)
        self.plan = plan
        self.trace = trace
        self.inputs = 0
        self.faults = False
        self.sown = Field()
        self.upheavals = 0
        self.forgotten: set[str] = set()
        self.given_up: set[str] = set()
        self.lost: set[DeviceId] = set()
        self.key_was_used = False
        self.left_behind = LeftBehind(self)
        self.recovery_seed = b""
        self.guests: list[Guest] = []
        self._disk_random = Random(f"disk/{plan.seed}")
        self._crash_random = Random(f"crash/{plan.seed}")
        self._events: list[tuple[float, int, End | None, int | None, Step]] = []
        self._serial = count()
        self._moment, self._events_now = 0.0, 0
        self._free_at: dict[Hashable, float] = {}
        self._invited: dict[tuple[str, int], Guest] = {}
        self._advance(1_000.0)
        self.network = Network(self, Random(f"network/{plan.seed}"))
        self.watch = Watch(self)

    # Devices -----------------------------------------------------------------------------

    def _party(self, name: str, vault: NewVault) -> SimParty:
        disk = Disk(self.watch.writes)
        disk.persist(vault.batch)
        if vault.recovery is not None:
            self.recovery_seed = vault.recovery.seed
        return self._seated(name, disk)

    def _seated(self, name: str, disk: Disk) -> SimParty:
        address = Address(f"10.0.{len(self.parties)}.1", 4_000)
        device = device_of(disk.state(), self._entropy(name, 0))
        party = SimParty(name, address, disk, device, disk=disk)
        self.parties.append(party)
        self._begin(party)
        return party

    def settle_in(self, name: str, disk: Disk) -> SimParty:
        """Start a device whose store was made from that of another one."""
        disk.past = Past((disk.truth,), disk.past.forgotten)
        party = self._seated(name, disk)
        self.watch.settled_in(party)
        return party

    def copy_of(self, first: SimParty) -> SimParty:
        """Return a device that has a copy of another one's store, switched off as yet."""
        disk = first.disk.copy()
        address = Address(f"10.0.{len(self.parties)}.1", 4_000)
        twin = SimParty(f"{first.name}2", address, disk, first.device, disk=disk, twin=True)
        twin.switched_off = True
        self.parties.append(twin)
        return twin

    def entropy(self, *names: object) -> Entropy:
        """Return randomness that repeats."""
        return self._entropy(*names)

    def restart(self, party: Party) -> None:
        """Stop and start a device in an orderly way, all at once."""
        assert isinstance(party, SimParty), "there are no others here"
        self.lose(party, power=False)
        self.start(party)

    def lose(self, party: SimParty, *, power: bool) -> None:
        """Take from a device all that it has in memory."""
        if party.switched_off:
            return
        self.network.lose(party, power=power)
        if party.persisting is not None and self._crash_random.random() < 0.5:
            party.disk.persist(party.persisting)
        party.persisting = party.wake_at = None
        party.life += 1
        party.switched_off = True
        if power:
            party.boot = self._crash_random.randint(1, 64) - self.now.monotonic

    def start(self, party: SimParty) -> None:
        """Switch a device on."""
        if not party.switched_off or party.wiped:
            return
        party.switched_off = False
        party.device = device_of(party.disk.state(), self._entropy(party.name, party.life))
        self.watch.see(party)
        self._begin(party)

    def _begin(self, party: SimParty) -> None:
        self.give(party, io.WatchersChanged(watched=True))
        self.give(party, io.NetworkChanged((party.address,)))

    def crash(self, party: SimParty, *, power: bool, down_s: float) -> None:
        """Stop a device at once, and switch it on some time later."""
        self.note(party, f"crashes, {'power' if power else 'process'}, {down_s:.3f} s")
        self.lose(party, power=power)
        self.post(self.now.monotonic + down_s, party, lambda: self.start(party), life=None)

    def party_at(self, address: Address) -> SimParty | None:
        """Return whom an address leads to now."""
        return next((p for p in self.parties if p.address == address and not p.wiped), None)

    def party_of(self, device: DeviceId) -> SimParty | None:
        """Return a device by its id."""
        return next((party for party in self.parties if party.id == device), None)

    def invite(
        self, sponsor: SimParty, name: str, *, admin: bool, seed: bytes | None = None
    ) -> None:
        """Let a device show a code, and another one that has no vault try to join with it.

        Args:
            sponsor: Who shows it.
            name: Of the new device.
            admin: Whether it becomes one.
            seed: Of the recovery key, where that admits it.
        """
        request = next(self._requests)
        guest = Guest(self, name, sponsor, request, self._entropy(name, "guest"))
        guest.by_key = seed is not None
        self.guests.append(guest)
        self._invited[sponsor.name, request] = guest
        listening = (Address(sponsor.address.host, 4_001),)
        self.give(sponsor, asks.PairingRequested(request, admin, listening, seed))

    def move_in(self, name: str, vault: NewVault) -> None:
        """Start a device that has joined."""
        party = self._party(name, vault)
        self.note(party, "has joined")

    def next_link(self) -> LinkId:
        """Return a name for the end of a stream."""
        return LinkId(next(self._links))

    def instant(self, party: SimParty) -> Instant:
        """Read a device's clocks."""
        return Instant(self.now.monotonic + party.boot, self.now.wall_ms + party.skew_ms)

    def note(self, party: SimParty | None, what: str) -> None:
        """Remember what fate did."""
        self.trace.note(self.now.monotonic, party.name if party else "", what)

    # Time --------------------------------------------------------------------------------

    def post(
        self, due: float, party: End | None, step: Step, life: int | None = _SAME_LIFE
    ) -> None:
        """Let something happen at a time: in the device's present life, another one, or any."""
        if life == _SAME_LIFE:
            life = party.life if party is not None else None
        heappush(self._events, (due, next(self._serial), party, life, step))

    def feed_at(self, due: float, party: SimParty | Guest, given: io.Input) -> None:
        """Give a device an input at a time, if it lives on until then."""
        self.post(due, party, lambda: self.handle(party, given))

    def pass_time(self, seconds: float, wakes_max: int = _EVENTS_MAX) -> None:
        """Let all happen that happens within a time."""
        end = self.now.monotonic + seconds
        for _ in range(wakes_max):
            if not self._events or self._events[0][0] > end:
                self._advance(end)
                return
            self._happen()
            self._check_progress()
        raise Violation("the devices do not come to rest")

    def _check_progress(self) -> None:
        """Time has to pass: a device may not keep itself busy at one moment."""
        if self.now.monotonic > self._moment:
            self._moment, self._events_now = self.now.monotonic, 0
        self._events_now += 1
        if self._events_now > _EVENTS_AT_ONCE_MAX:
            raise Violation("a device does not let time pass")

    def _happen(self) -> None:
        due, serial, party, life, step = heappop(self._events)
        if party is not None and party.asleep_until > due:
            heappush(self._events, (party.asleep_until, serial, party, life, step))
            return
        self._advance(due)
        if party is None or life is None or (party.life == life and not party.switched_off):
            step()

    def _advance(self, monotonic: float) -> None:
        self.now = Instant(monotonic, _START_MS + int((monotonic - 1_000.0) * 1000))

    def _later(self, party: Party, lane: Hashable, step: Step) -> None:
        assert isinstance(party, SimParty), "there are no others here"
        assert isinstance(lane, tuple), "lanes are named by what they carry, and whose they are"
        delay_s = _INPUT_S
        if lane[0] != "inputs":
            delay_s = self.plan.disk_s * self._disk_random.expovariate(1.0)
            party.unreadable = self._is_unreadable()
        due = max(self.now.monotonic + delay_s, self._free_at.get(lane, 0.0))
        self._free_at[lane] = due
        self.post(due, party, step)

    def _set_alarm(self, party: SimParty, at: float | None) -> None:
        party.wake_at = at
        if at is not None:
            due = max(self.now.monotonic, at - party.boot)
            self.post(due, party, lambda: self._ring(party, at))

    def _ring(self, party: SimParty, at: float) -> None:
        if party.wake_at != at:
            return
        party.wake_at = None
        # What was lost in rounding would have the device ask for the same time again and again.
        party.boot = max(party.boot, at - self.now.monotonic)
        while self.now.monotonic + party.boot < at:
            party.boot += 1e-6
        self.handle(party, io.Woken())

    # Performing --------------------------------------------------------------------------

    def handle(self, party: SimParty | Guest, given: io.Input) -> None:
        """Give a device an input now, and do what it asks for until it is done or crashes."""
        if isinstance(party, Guest):
            party.take(given)
            return
        self.inputs += 1
        self.trace.note(self.now.monotonic, party.name, given)
        life = party.life
        self.watch.given(party, given)
        for effect in party.device.handle(self.instant(party), given):
            if self._crashes(party):
                return
            self.trace.note(self.now.monotonic, party.name, effect)
            self._perform(party, effect)
            if party.life != life:
                return
        self.watch.look(party)

    _handle = handle  # type: ignore[assignment]  # what the lanes of a `World` call

    def _crashes(self, party: SimParty) -> bool:
        """Offer a crash at this effect boundary."""
        if not self.faults or self._crash_random.random() >= self.plan.crash_rate:
            return False
        power = self._crash_random.random() < self.plan.power_share
        self.crash(party, power=power, down_s=self._crash_random.expovariate(0.2))
        return True

    def _perform(self, party: Party, effect: io.Effect) -> None:
        assert isinstance(party, SimParty), "there are no others here"
        match effect:
            case io.Persist(_, batch):
                party.persisting = batch
                super()._perform(party, effect)
            case io.WakeAt(at):
                self._set_alarm(party, at)
            case io.Hangup(link):
                self.network.hang_up(party, link)
            case io.Write(link, data):
                self.watch.wrote(party, data)
                self.network.write(party, link, data)
            case io.Dial(attempt, _, address):
                self.network.dial(party, attempt, address)
            case io.Answer(request) | io.Refuse(request):
                self.watch.answered(party, request)
                super()._perform(party, effect)
            case io.PairingNews(request, news):
                self._invited[party.name, request].news(news)
            case io.Report() | io.Publish():
                self.watch.said(party, effect)
            case _:
                super()._perform(party, effect)

    def _persist(self, party: Party, number: int, batch: Batch) -> None:
        assert isinstance(party, SimParty), "there are no others here"
        party.persisting = None
        answer: io.Input
        if self.faults and self._disk_random.random() < self.plan.persist_fault_rate:
            party.disk_full = self._disk_random.random() < 0.5
            answer = io.PersistFailed(number, StoreUnwritable("the disk gave an error"))
        elif party.disk_full:
            answer = io.PersistFailed(number, StoreFull("the disk is full"))
        else:
            party.disk.persist(batch)
            answer = io.Persisted(number)
        self._later(party, ("writer", party.name), lambda: self.handle(party, answer))

    def _is_unreadable(self) -> bool:
        return self.faults and self._disk_random.random() < self.plan.load_fault_rate

    def _reach(self, party: Party, address: Address) -> Party | None:
        assert isinstance(party, SimParty), "there are no others here"
        found = self.party_at(address)
        if found is None or found.switched_off or self.network.is_parted(party, found):
            return None
        missed = self.faults and self._crash_random.random() < self.plan.sighting_loss
        return None if missed else found


def setting(plan: Plan, trace: Trace) -> Simulation:
    """Return a world with the devices of a plan, linked, before anything goes wrong."""
    sim = Simulation(plan, trace)
    first = sim.found("ada")
    roles = Random(f"roles/{plan.seed}")
    for name in ("bob", "cyd", "dan", "eve", "fay")[: plan.devices - 1]:
        sim.join(name, first, roles.choice([Role.ADMIN, Role.ADMIN, Role.MEMBER]))
    sim.pass_time(5)
    return sim
