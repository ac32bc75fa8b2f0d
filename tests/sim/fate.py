"""What people do and what goes wrong, drawn from a plan; and then everything is well again."""

from collections.abc import Callable, Iterator
from random import Random

from harness.world import put
from p2pvault.core import asks, io
from p2pvault.errors import VaultError
from p2pvault.limits import BACKOFF_MAX_S, IDLE_S, LINK_AGE_MAX_S, RUNS_TWICE_S
from p2pvault.types import Address
from sim.acquainted import know_each_other
from sim.asunder import is_asunder, judge_asunder
from sim.care import Care
from sim.heirs import MEMBERS_MAX, Heirs
from sim.interests import Interests
from sim.judgement import is_settled, judge
from sim.key_uses import uses_known
from sim.liar import lie_to
from sim.oracles import SECRET_WORD, Violation
from sim.plan import MOVES
from sim.removals import MEMBERS_MIN, Removals
from sim.setbacks import Setbacks
from sim.simulation import SimParty, Simulation
from sim.sown import Sown
from sim.wishes import Wishes

_NAMES = tuple(f"notes/{letter} {SECRET_WORD}" for letter in "abcdef")

_YEAR_MS = 365 * 86_400_000

_BULK_BYTES = 120_000

_SETTLE_S = 2 * BACKOFF_MAX_S + 2 * IDLE_S
"""Longest time until devices that nobody disturbs are equal: two rounds of the longest pause, after
the silence in which a dead link is noticed."""

_INPUTS_MAX = 100_000
"""The same in inputs: the busiest seeds, of six devices whose bytes dribble, need half of it."""

_LOOK_S = 5.0

_MENDING_S = 20.0

_VERIFY_S = 300.0
"""How often people verify stores while devices do not become equal."""

_RESTART_S = 1.0


class Fate:
    """Plays one plan against one world."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._plan = sim.plan
        self._random = Random(f"fate/{sim.plan.seed}")
        self._asked: dict[tuple[str, int], set[str]] = {}
        self._lives: dict[tuple[str, int], int] = {}
        self._serial = 0
        self._setbacks = Setbacks(sim, self._random, self.acknowledged)
        self._removals = Removals(sim, self._random, self._setbacks, _SETTLE_S)
        self._interests = Interests(sim, self._setbacks, self._expect)
        self._wishes = Wishes(sim, self._setbacks, self._expect)
        self._heirs = Heirs(sim, self._setbacks, self._removals, self.acknowledged)
        self._care = Care(sim)
        self._asunder = False
        self._verify_at = 0.0

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
                self._move(name)(self._random.choice(awake))
            self._sim.pass_time(self._random.expovariate(1 / self._plan.pause_s))
        self.heal()
        self.settle()
        self._mend_damage()
        self._last_edits()
        self.settle()
        self._check_answered()
        self._interests.check()
        if self._asunder:
            judge_asunder(self._sim, self.acknowledged())
        else:
            self._removals.check_feud()
            self._setbacks.spare_removed()
            judge(self._sim, self.acknowledged(), self._interests.homes)

    def _move(self, name: str) -> Callable[[SimParty], None]:
        its = self._setbacks, self._removals, self._interests, self._wishes, self._heirs
        owners = (self, *its)
        owner = next(owner for owner in owners if hasattr(owner, name))
        move: Callable[[SimParty], None] = getattr(owner, name)
        return move

    def heal(self) -> None:
        """Make everything good, and leave what follows to the devices."""
        sim = self._sim
        sim.note(None, "all is well again")
        sim.faults = False
        while self._plan.slow_mending and sim.network.is_divided:
            sim.network.mend(wholly=False)
            sim.pass_time(self._random.expovariate(1 / _MENDING_S))
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
        if any(party.twin for party in sim.parties):
            self._setbacks.meet_twins(_SETTLE_S, self._look)
        self._removals.finish()

    def settle(self) -> None:
        """Wait until all devices are equal and have proved it, and no longer than they may take."""
        patience_s = self._patience_s()
        end, inputs_max = self._sim.now.monotonic + patience_s, self._sim.inputs + _INPUTS_MAX
        while not self._asunder and (not is_settled(self._sim) or self._is_awaited()):
            if self._sim.now.monotonic > end:
                self._check_answered()
                if not is_asunder(self._sim):
                    raise Violation(f"the devices are not equal after {patience_s:g} s of peace")
                self._asunder = True
            if self._sim.inputs > inputs_max:
                raise Violation(f"the devices are not equal after {_INPUTS_MAX} inputs")
            if self._look():
                end = self._sim.now.monotonic + patience_s

    def _patience_s(self) -> float:
        """A refused twin waits; what was believed on a link, and its one recount, end with it."""
        kinds, patience_s = self._sim.sown.kinds, _SETTLE_S
        if Sown.CLONE in kinds:
            patience_s += RUNS_TWICE_S
        if kinds & (Sown.CLAIM | Sown.DAMAGE):
            patience_s += LINK_AGE_MAX_S
        return patience_s

    def _look(self) -> bool:
        """Let time pass, and people do what they are told; return whether they did anything."""
        self._sim.pass_time(_LOOK_S)
        self._removals.see_feud()
        self._heirs.tell_addresses()
        if self._sim.now.monotonic > self._verify_at:
            self._verify_at = self._sim.now.monotonic + _VERIFY_S
            self._setbacks.find_damage()
        return self._interests.keep_again() or self._care.reinstate() or self._care.remove_lost()

    def _mend_damage(self) -> None:
        """Let every device verify its store and have it repaired, until nothing is wrong."""
        end = self._sim.now.monotonic + _SETTLE_S
        while not self._asunder and self._setbacks.find_damage():
            if self._sim.now.monotonic > end:
                raise Violation("damage that others hold undamaged is not repaired")
            self._sim.pass_time(_MENDING_S)
            self.settle()

    def _last_edits(self) -> None:
        """One edit on every member: the links that were proved also carry something."""
        for party in self._sim.parties:
            if party.counts:
                self.edit(party)
        self._sim.pass_time(_LOOK_S)

    def _check_answered(self) -> None:
        """Every request was answered or refused, unless its device forgot it in a crash."""
        for name, request in self._awaited():
            raise Violation(f"{name} never answers request {request}")

    def _is_awaited(self) -> bool:
        return next(self._awaited(), None) is not None

    def _awaited(self) -> Iterator[tuple[str, int]]:
        for party in self._sim.parties:
            for (name, request), life in self._lives.items():
                if name == party.name and life == party.life and request not in party.answers:
                    yield name, request

    def acknowledged(self) -> dict[str, set[str]]:
        """Return the fields of all edits that were answered with success, by device."""
        found: dict[str, set[str]] = {}
        for (name, request), fields in self._asked.items():
            (party,) = (p for p in self._sim.parties if p.name == name)
            answer = party.answers.get(request)
            if answer is not None and not isinstance(answer, VaultError):
                found.setdefault(name, set()).update(fields)
        for name, fields in self._heirs.owed.items():
            found.setdefault(name, set()).update(fields)
        for name, fields in self._setbacks.excused.items():
            found[name] = found.get(name, set()) - fields
        for answered in found.values():
            answered.difference_update(self._sim.given_up, self._sim.left_behind.fields)
        for party in self._sim.parties:
            if party.removed:
                # What it had before is on the members; nobody sends it anything any more.
                found.get(party.name, set()).difference_update(
                    self._setbacks.forgotten.get(party.name, ())
                )
        return found

    # What people do ----------------------------------------------------------------------

    def edit(self, party: SimParty) -> None:
        """Set a field that nobody else writes, so that it can be looked for in the end."""
        field = self._field()
        path = self._interests.path(party, self._name(), field)
        self._ask(party, {field}, put(path, **{field: SECRET_WORD, "last": field}))

    def edit_many(self, party: SimParty) -> None:
        fields = [self._field() for _ in range(3)]
        names = self._random.sample(_NAMES, 3)
        pairs = zip(names, fields, strict=True)
        paths = [(self._interests.path(party, name, field), field) for name, field in pairs]
        edits = [put(f"{path}/{party.name}", **{f: SECRET_WORD * 20}) for path, f in paths]
        self._ask(party, set(fields), *edits)

    def edit_bulky(self, party: SimParty) -> None:
        """Write what fills windows."""
        for _ in range(self._random.randrange(1, 30)):
            field = self._field()
            name = f"files/{self._random.randrange(40)}"
            path = self._interests.path(party, name, field)
            self._ask(party, {field}, put(path, **{field: self._random.randbytes(_BULK_BYTES)}))

    def delete(self, party: SimParty) -> None:
        path = self._interests.path(party, self._name())
        self._ask(party, set(), asks.Edit(path, remove=True))

    def rename(self, party: SimParty) -> None:
        other = self._random.choice(self._sim.parties)
        request = next(self._sim._requests)
        name = f"device {request}"
        self._sim.give(party, asks.RenameRequested(request, other.id.hex(), name))

    def restart(self, party: SimParty) -> None:
        self._sim.note(party, "is stopped and started")
        self._sim.give(party, io.Stop())
        now = self._sim.now.monotonic
        self._sim.post(now + _RESTART_S, party, lambda: self._sim.restart(party))

    def readdress(self, party: SimParty) -> None:
        """Move a device to another address."""
        self._serial += 1
        self._sim.note(party, "moves")
        party.address = Address(f"10.1.{self._serial // 250}.{self._serial % 250 + 1}", 4_000)
        for cable in self._sim.network.cables_of(party):
            self._sim.network.break_off(cable)
        self._sim.give(party, io.NetworkChanged((party.address,)))

    def admit(self, party: SimParty) -> None:
        """Pair a new device, with all the ceremony."""
        members = [each for each in self._sim.parties if each.counts]
        if party.counts and not party.leaving and len(members) < MEMBERS_MAX:
            name = f"new{len(self._sim.guests)}"
            self._sim.note(party, f"invites {name}")
            self._sim.invite(party, name, admin=self._random.random() < 0.5)

    def wipe(self, party: SimParty) -> None:
        """Lose a device and all that is on it; the person pairs a new one, and may be unlucky."""
        self._removals.see()
        others = [p for p in self._sim.parties if p.counts and p is not party and not p.leaving]
        admins = [p for p in others if p.device.members.membership.is_admin(p.id)]
        if not party.counts or party.leaving or len(others) < MEMBERS_MIN or not admins:
            return
        if self._removals.has_twin(party) or self._setbacks.holds_the_last(party):
            return
        if not know_each_other(others) or self._is_needed(party, others):
            return
        self._sim.note(party, "is wiped")
        self._sim.lose(party, power=True)
        party.wiped = True
        self._sim.upheavals += 1
        self._setbacks.lose()
        self.admit(self._random.choice(admins))

    def _is_needed(self, party: SimParty, others: list[SimParty]) -> bool:
        """Tell whether nobody else knows what was done with the recovery key: it cannot go."""
        if not (self._plan.succeed or self._plan.pair_by_key):
            return False
        return not uses_known(self._sim, party) <= uses_known(self._sim, *others)

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

    def split(self, _: SimParty) -> None:
        """Divide the devices into two groups or three that hear nothing of each other."""
        groups, silent = self._random.choice([2, 2, 3]), self._random.random() < 0.5
        sides = [(party, self._random.randrange(groups)) for party in self._sim.parties]
        self._sim.note(None, f"{groups} groups are parted, {silent=}")
        for one, side in sides:
            for other, far_side in sides:
                if side != far_side:
                    self._sim.network.part(one, other, silent=silent)

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
        self._expect(party, request)

    def _expect(self, party: SimParty, request: int) -> None:
        """Wait for the answer to a request, for as long as the device lives."""
        self._lives[party.name, request] = party.life

    def _name(self) -> str:
        return self._random.choice(_NAMES[: self._plan.names])

    def _field(self) -> str:
        self._serial += 1
        return f"f{self._serial}"
