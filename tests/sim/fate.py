"""What people do and what goes wrong, drawn from a plan; and then everything is well again."""

from collections.abc import Callable, Iterator
from random import Random

from harness.world import put
from p2pvault.core import asks, io
from p2pvault.errors import VaultError
from p2pvault.limits import BACKOFF_MAX_S, IDLE_S
from p2pvault.types import Address
from sim.liar import lie_to
from sim.oracles import SECRET_WORD, Violation, is_settled, judge
from sim.plan import MOVES
from sim.simulation import SimParty, Simulation

_NAMES = tuple(f"notes/{letter} {SECRET_WORD}" for letter in "abcdef")

_YEAR_MS = 365 * 86_400_000

_BULK_BYTES = 120_000

_SETTLE_S = 2 * BACKOFF_MAX_S + 2 * IDLE_S
"""Longest time until devices that nobody disturbs are equal: two rounds of the longest pause, after
the silence in which a dead link is noticed."""

_SETTLE_INPUTS_MAX = 100_000
"""The same in inputs: the busiest seeds, of six devices whose bytes dribble, need half of it."""

_LOOK_S = 5.0

_MEMBERS_MIN = 2

_MEMBERS_MAX = 7


class Fate:
    """Plays one plan against one world."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._plan = sim.plan
        self._random = Random(f"fate/{sim.plan.seed}")
        self._asked: dict[tuple[str, int], set[str]] = {}
        self._lives: dict[tuple[str, int], int] = {}
        self._serial = 0
        self._leaving: SimParty | None = None

    def play(self) -> None:
        """Let everything happen, then heal the world and judge it.

        Raises:
            Violation: A promise was broken; any other exception is a fault too.
        """
        self._sim.faults = True
        weights = [getattr(self._plan, name) for name in MOVES]
        for _ in range(self._plan.moves):
            (name,) = self._random.choices(MOVES, weights)
            awake = [p for p in self._sim.parties if not p.switched_off and not p.wiped]
            if awake:
                move: Callable[[SimParty], None] = getattr(self, name)
                move(self._random.choice(awake))
            self._sim.pass_time(self._random.expovariate(1 / self._plan.pause_s))
        self.heal()
        self.settle()
        self._last_edits()
        self.settle()
        self._check_settled()
        judge(self._sim, self.acknowledged())

    def heal(self) -> None:
        """Make everything good, and leave what follows to the devices."""
        sim = self._sim
        sim.note(None, "all is well again")
        sim.faults = False
        sim.network.mend(wholly=True)
        for party in sim.parties:
            party.disk_full = False
            # Devices whose clocks are years apart and that have all moved cannot find each other.
            party.skew_ms = 0
            sim.start(party)
            if not self._plan.quiet_healing:
                sim.give(party, io.NetworkChanged((party.address,)))
        # Whoever sleeps does not know yet; what waits for it keeps its order.
        sim.pass_time(max(0.0, *(party.asleep_until - sim.now.monotonic for party in sim.parties)))
        self._finish_removal()

    def _finish_removal(self) -> None:
        """A removal that one member knows is a removal for all; one that none knows is repeated.

        The device that is told goodbye may know more than the disk of the one that removed it, if
        that one crashed just then. It was not answered, so its person removes the device again.
        """
        leaving = self._leaving
        if leaving is None:
            return
        members = [p for p in self._sim.parties if p.counts and p is not leaving]
        views = [party.device.members.membership for party in members]
        if not any(not view.is_member(leaving.id) for view in views):
            if leaving.device.members.is_member:
                return
            pairs = zip(members, views, strict=True)
            party = next(party for party, view in pairs if view.is_admin(party.id))
            self._ask_removal(party, leaving)
        leaving.removed = True

    def settle(self) -> None:
        """Wait until all devices are equal and have proved it, and no longer than they may take."""
        end, inputs_max = self._sim.now.monotonic + _SETTLE_S, self._sim.inputs + _SETTLE_INPUTS_MAX
        while not is_settled(self._sim):
            if self._sim.now.monotonic > end:
                raise Violation(f"the devices are not equal after {_SETTLE_S:g} s of peace")
            if self._sim.inputs > inputs_max:
                raise Violation(f"the devices are not equal after {_SETTLE_INPUTS_MAX} inputs")
            self._sim.pass_time(_LOOK_S)

    def _last_edits(self) -> None:
        """One edit on every member: the links that were proved also carry something."""
        for party in self._sim.parties:
            if party.counts:
                self.edit(party)
        self._sim.pass_time(_LOOK_S)

    def _check_settled(self) -> None:
        """Every request was answered or refused, unless its device forgot it in a crash."""
        for party in self._sim.parties:
            for (name, request), life in self._lives.items():
                if name == party.name and life == party.life and request not in party.answers:
                    raise Violation(f"{name} never answers request {request}")

    def acknowledged(self) -> dict[str, set[str]]:
        """Return the fields of all edits that were answered with success, by device."""
        found: dict[str, set[str]] = {}
        for (name, request), fields in self._asked.items():
            (party,) = (p for p in self._sim.parties if p.name == name)
            answer = party.answers.get(request)
            if answer is not None and not isinstance(answer, VaultError):
                found.setdefault(name, set()).update(fields)
        return found

    # What people do ----------------------------------------------------------------------

    def edit(self, party: SimParty) -> None:
        """Set a field that nobody else writes, so that it can be looked for in the end."""
        field = self._field()
        edit = put(self._random.choice(_NAMES), **{field: SECRET_WORD, "last": field})
        self._ask(party, {field}, edit)

    def edit_many(self, party: SimParty) -> None:
        fields = [self._field() for _ in range(3)]
        names = self._random.sample(_NAMES, 3)
        pairs = zip(names, fields, strict=True)
        edits = [put(f"{name}/{party.name}", **{f: SECRET_WORD * 20}) for name, f in pairs]
        self._ask(party, set(fields), *edits)

    def edit_bulky(self, party: SimParty) -> None:
        """Write what fills windows."""
        for _ in range(self._random.randrange(1, 30)):
            field = self._field()
            name = f"files/{self._random.randrange(40)}"
            self._ask(party, {field}, put(name, **{field: self._random.randbytes(_BULK_BYTES)}))

    def delete(self, party: SimParty) -> None:
        self._ask(party, set(), asks.Edit(self._random.choice(_NAMES), remove=True))

    def rename(self, party: SimParty) -> None:
        other = self._random.choice(self._sim.parties)
        request = next(self._sim._requests)
        name = f"device {request}"
        self._sim.give(party, asks.RenameRequested(request, other.id.hex(), name))

    def restart(self, party: SimParty) -> None:
        self._sim.note(party, "is stopped and started")
        self._sim.give(party, io.Stop())
        now = self._sim.now.monotonic
        self._sim.post(now + 1.0, party, lambda: self._sim.restart(party))

    def readdress(self, party: SimParty) -> None:
        """Move a device to another address."""
        self._serial += 1
        self._sim.note(party, "moves")
        party.address = Address(f"10.1.{self._serial // 250}.{self._serial % 250 + 1}", 4_000)
        for cable in self._sim.network.cables_of(party):
            self._sim.network.break_off(cable)
        self._sim.give(party, io.NetworkChanged((party.address,)))

    def remove(self, party: SimParty) -> None:
        """Remove a device, unless too few would be left, or another removal is on its way.

        One at a time: devices that remove each other at once part for ever, as they should, and who
        is left then is a question of the rules, which have tests of their own.
        """
        self._see_removal()
        members = [each for each in self._sim.parties if each.counts]
        is_admin = party.counts and party.device.members.membership.is_admin(party.id)
        if self._leaving is not None or not is_admin or len(members) <= _MEMBERS_MIN:
            return
        gone = self._random.choice([each for each in members if each is not party])
        if not self._may_go(party, gone):
            return
        self._leaving = gone
        self._ask_removal(party, gone)

    def _ask_removal(self, party: SimParty, gone: SimParty) -> None:
        self._sim.note(party, f"removes {gone.name}")
        request = next(self._sim._requests)
        self._sim.give(party, asks.RevokeRequested(request, gone.id.hex()))

    def _may_go(self, party: SimParty, gone: SimParty) -> bool:
        """Tell whether nothing that a device decided would fall with it, or might yet be decided.

        What somebody admitted while it was being removed elsewhere is void, and who is left is then
        a question of the rules again.
        """
        known = party.device.members.log
        told = all(operation.hash in known for operation in gone.device.members.log.operations)
        return told and not any(guest.is_at(gone) for guest in self._sim.guests)

    def _see_removal(self) -> None:
        """Take note of what became of the removal on its way: known to all, or to nobody."""
        if self._leaving is None:
            return
        members = [p for p in self._sim.parties if p.counts and p is not self._leaving]
        if any(party.switched_off for party in members):
            return
        knowing = [
            not party.device.members.membership.is_member(self._leaving.id) for party in members
        ]
        if all(knowing):
            self._leaving.removed = True
        if all(knowing) or not any(knowing):
            self._leaving = None

    def admit(self, party: SimParty) -> None:
        """Pair a new device, with all the ceremony."""
        members = [each for each in self._sim.parties if each.counts]
        if party.counts and party is not self._leaving and len(members) < _MEMBERS_MAX:
            name = f"new{len(self._sim.guests)}"
            self._sim.note(party, f"invites {name}")
            self._sim.invite(party, name, admin=self._random.random() < 0.5)

    def wipe(self, party: SimParty) -> None:
        """Lose a device and all that is on it; the person pairs a new one, and may be unlucky."""
        self._see_removal()
        others = [p for p in self._sim.parties if p.counts and p not in (party, self._leaving)]
        admins = [p for p in others if p.device.members.membership.is_admin(p.id)]
        if not party.counts or party is self._leaving or len(others) < _MEMBERS_MIN or not admins:
            return
        self._sim.note(party, "is wiped")
        self._sim.lose(party, power=True)
        party.wiped = True
        self.admit(self._random.choice(admins))

    # What goes wrong ---------------------------------------------------------------------

    def crash(self, party: SimParty) -> None:
        power = self._random.random() < self._plan.power_share
        self._sim.crash(party, power=power, down_s=self._random.expovariate(0.05))

    def sleep(self, party: SimParty) -> None:
        seconds = self._random.choice([5, 60, 600])
        self._sim.note(party, f"sleeps {seconds} s")
        party.asleep_until = max(party.asleep_until, self._sim.now.monotonic + seconds)

    def cut(self, party: SimParty) -> None:
        cables = self._sim.network.cables_of(party)
        if not cables:
            return
        silent = self._random.random() < 0.5
        cable = self._random.choice(cables)
        self._sim.note(party, f"loses a stream, {'nobody is told' if silent else 'and is told'}")
        (self._sim.network.break_off if silent else self._sim.network.cut)(cable)

    def part(self, party: SimParty) -> None:
        """Separate a device from some others, in one direction or both."""
        silent, one_way = self._random.random() < 0.5, self._random.random() < 0.3
        for other in self._others(party):
            self._sim.note(party, f"is parted from {other.name}, {silent=} {one_way=}")
            self._sim.network.part(party, other, silent=silent)
            if not one_way:
                self._sim.network.part(other, party, silent=silent)

    def _others(self, party: SimParty) -> Iterator[SimParty]:
        share = self._random.choice([0.3, 1.0])
        for other in self._sim.parties:
            if other is not party and self._random.random() < share:
                yield other

    def mend(self, _: SimParty) -> None:
        self._sim.note(None, "something is mended")
        self._sim.network.mend(wholly=self._random.random() < 0.5)

    def fill_disk(self, party: SimParty) -> None:
        self._sim.note(party, "has a full disk")
        party.disk_full = True

    def free_disk(self, _: SimParty) -> None:
        for party in self._sim.parties:
            party.disk_full = False

    def jump_clock(self, party: SimParty) -> None:
        """Set a wall clock: by seconds, by years, back to 1970."""
        seconds = self._random.choice([-3_600, 90, 3_600])
        years = self._random.choice([0, -10, 10, 40])
        now_ms = self._sim.now.wall_ms
        party.skew_ms = max(-now_ms, years * _YEAR_MS + seconds * 1000)
        self._sim.note(party, f"has its clock set by {years} years and {seconds} s")

    def stranger(self, party: SimParty) -> None:
        """Somebody connects who knows nothing."""
        size = self._random.choice([1, 60, 1_200, 70_000])
        self._sim.note(party, f"hears {size} bytes of a stranger")
        data = self._random.randbytes(size)
        at = self._random.randrange(size)
        self._sim.network.knock(party, data[:at], data[at:])

    def lie(self, party: SimParty) -> None:
        """A member says what no device of ours says; it may be any, and is then not believed."""
        self._sim.note(party, f"lies: {lie_to(self._sim, party, self._random)}")

    def _ask(self, party: SimParty, fields: set[str], *edits: asks.Edit) -> None:
        request = self._sim.edit(party, *edits)
        self._asked[party.name, request] = fields
        self._lives[party.name, request] = party.life

    def _field(self) -> str:
        self._serial += 1
        return f"f{self._serial}"
