"""People use the recovery key for new devices: from a backup of a lost one, or paired by the key.

A takeover speaks of what its backup knows. So nobody does it here where that decides something else
than people mean, as docs/protocol/membership.md says ("On a new device, from a backup"): where a
lost device admitted or removed somebody since, or where nobody is left that the new one can meet.
"""

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from p2pvault.core import asks
from p2pvault.core.start import stored_members
from p2pvault.core.takeover import Takeover, take_over_store
from p2pvault.node.audit import audit
from p2pvault.node.port import Finding
from p2pvault.node.takeover import carried
from sim.acquainted import are_acquainted
from sim.disk import Disk
from sim.holdings import fields_of
from sim.key_uses import ruled_by, uses_known
from sim.oracles import Violation
from sim.removals import Removals
from sim.setbacks import Fields, Setbacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.simulation import SimParty, Simulation

MEMBERS_MAX = 7
"""Nobody is let in beyond these, so that a seed stays short."""

_ALIVE_SHARE = 0.2
"""So often the device of the backup lives on."""

_STOLEN_SHARE = 0.5
"""So often a lost device runs on, in somebody else's hands; else it is gone."""

_PAIRING_S = 60.0
"""For so long a device may yet be admitted whose pairing ended at its end."""

_ADDRESSES_S = 300.0
"""So long people wait until a new device has met the others before they tell it where these are."""


@dataclass(frozen=True, slots=True)
class Will:
    """What a person is about to do with a backup.

    Attributes:
        home: The backup.
        lost: Who is lost, the device of the backup among them unless it is alive.
        staying: Who is not.
        alive: Whether the device of the backup lives on.
    """

    home: Disk
    lost: "tuple[SimParty, ...]"
    staying: "tuple[SimParty, ...]"
    alive: bool


class Heirs:
    """New devices that the recovery key lets in.

    Attributes:
        owed: By new device, answered edits that its backup held, or a device that stayed.
    """

    def __init__(
        self,
        sim: "Simulation",
        setbacks: Setbacks,
        removals: Removals,
        acknowledged: "Callable[[], Fields]",
    ) -> None:
        self.owed: Fields = {}
        self._sim = sim
        self._setbacks = setbacks
        self._removals = removals
        self._acknowledged = acknowledged
        self._random = Random(f"heirs/{sim.plan.seed}")
        self._paired_at = -_PAIRING_S
        self._healed_at: float | None = None
        self._told: set[tuple[str, str]] = set()

    # What people do ----------------------------------------------------------------------

    def pair_by_key(self, party: "SimParty") -> None:
        """Pair a new device from any that has the vault, whatever its role, with all the ceremony.

        Not where a store is put back or copied, which could forget what the key signed.
        """
        plan = self._sim.plan
        if plan.restore or plan.clone or not party.counts or party.leaving or self._is_full:
            return
        if self._is_key_in_hand() or not uses_known(self._sim) <= _hashes(party):
            return
        self._paired_at = self._sim.now.monotonic
        name = f"new{len(self._sim.guests)}"
        self._sim.note(party, f"invites {name} with the recovery key")
        self._sim.invite(party, name, admin=True, seed=self._sim.recovery_seed)

    def succeed(self, party: "SimParty") -> None:
        """Take the vault over on a new device, from the last backup of a device or its home."""
        if not party.counts or self._is_key_in_hand():
            return
        will = self._draw(party)
        if (will.alive and self._is_full) or not self._may_be(party, will):
            return
        self._sim.key_was_used = True
        self._settle(self._moved_in(will), will)

    @property
    def _is_full(self) -> bool:
        return len([each for each in self._sim.parties if each.counts]) >= MEMBERS_MAX

    def _is_key_in_hand(self) -> bool:
        """Tell whether something was begun, with the key or without, that may yet be decided."""
        recently = self._sim.now.monotonic - self._paired_at < _PAIRING_S
        waiting = any(g.by_key and g.is_at(g.sponsor) for g in self._sim.guests)
        may_be_forgotten = self._sim.plan.restore or self._sim.plan.clone
        used_up = may_be_forgotten and self._sim.key_was_used
        return bool(recently or waiting or used_up or self._removals.is_under_way())

    def _draw(self, party: "SimParty") -> Will:
        copy = self._setbacks.copy_of(party)
        home = self._random.choice([party.disk.copy(), copy or party.disk.copy()])
        others = [p for p in self._sim.parties if p.counts and p is not party]
        alive = self._random.random() < _ALIVE_SHARE
        some = self._random.sample(others, min(len(others), self._random.choice([0, 0, 1])))
        lost = others if not alive and self._random.random() < _ALIVE_SHARE else some
        lost = lost if alive else [party, *lost]
        staying = tuple(each for each in (party, *others) if each not in lost)
        return Will(home, tuple(lost), staying, alive)

    # Whether it may be done --------------------------------------------------------------

    def _may_be(self, party: "SimParty", will: Will) -> bool:
        """Tell whether a backup can be taken, and decides what its person means by it."""
        if any(isinstance(news, Finding) for news in audit(will.home)):
            return False
        if any(self._is_needed(each) for each in will.lost):
            return False
        return not self._setbacks.holds_the_last(*will.lost) and self._is_understood(will)

    def _is_needed(self, party: "SimParty") -> bool:
        is_asked = any(guest.is_at(party) for guest in self._sim.guests)
        return is_asked or self._removals.has_twin(party)

    def _is_understood(self, will: Will) -> bool:
        """Tell whether the backup knows what it contradicts otherwise, and someone meets it."""
        members = stored_members(will.home.state())
        known = {operation.hash for operation in members.log.operations}
        inside = {*members.membership.members, *members.membership.suspended}
        lost = {each.id for each in will.lost}
        if not lost <= inside or not uses_known(self._sim) <= known:
            return False
        decided = ruled_by(self._sim, lost) - known
        left = known.union(*map(_hashes, will.staying))
        forgotten = ruled_by(self._sim, None) - left
        return not decided and not forgotten and are_acquainted(members, will.staying)

    # How it is done ----------------------------------------------------------------------

    def _moved_in(self, will: Will) -> "SimParty":
        """Begin on a new device with what a backup holds, as the node does it."""
        name, state = f"heir{len(self.owed)}", will.home.state()
        wanted = Takeover(
            seed=self._sim.recovery_seed,
            name=name,
            lost=() if not will.staying else tuple(each.id.hex() for each in will.lost),
            all_others=not will.staying,
            alive=will.alive,
        )
        entropy = self._sim.entropy(name, "taken over")
        made = take_over_store(state, self._sim.now, entropy, "computer", wanted)
        disk = Disk(self._sim.watch.writes)
        disk.persist(made.batch)
        for _ in carried(will.home, state, disk.persist):
            pass
        if disk.truth != will.home.truth:
            raise Violation(f"{name} holds something else than its backup")
        gone = ", ".join(each.name for each in will.lost)
        self._sim.note(None, f"{name} takes the vault over, {gone} lost, {will.alive=}")
        return self._sim.settle_in(name, disk)

    def _settle(self, heir: "SimParty", will: Will) -> None:
        """Let the lost devices go, and note what is owed to whoever is left."""
        answered = set[str]().union(*self._acknowledged().values())
        held = fields_of(heir.disk).union(*(fields_of(each.disk) for each in will.staying))
        self.owed[heir.name] = answered & held
        # Should only devices have it that are removed, it is as if this one had forgotten it.
        self._setbacks.forgotten[heir.name] = self.owed[heir.name] - fields_of(heir.disk)
        for each in will.lost:
            self._lose(each)
        self._sim.left_behind.note(self._setbacks.forgotten)
        self._sim.upheavals += 1
        self._setbacks.lose()

    def _lose(self, party: "SimParty") -> None:
        self._sim.lost.add(party.id)
        if self._random.random() < _STOLEN_SHARE:
            self._sim.note(party, "is in somebody else's hands")
            party.removed = True
            return
        self._sim.lose(party, power=True)
        party.wiped = True

    # Once all is well again --------------------------------------------------------------

    def tell_addresses(self) -> None:
        """Tell new devices where those are that they have not met, since `status` says so."""
        now = self._sim.now.monotonic
        self._healed_at = now if self._healed_at is None else self._healed_at
        if now - self._healed_at < _ADDRESSES_S:
            return
        members = [p for p in self._sim.parties if p.counts and not p.switched_off]
        for heir in members:
            for other in members:
                if (
                    other.id in heir.device.book.expected
                    and (heir.name, other.name) not in self._told
                ):
                    self._tell(heir, other)

    def _tell(self, heir: "SimParty", other: "SimParty") -> None:
        self._told.add((heir.name, other.name))
        self._sim.note(heir, f"is told where {other.name} is")
        request = next(self._sim._requests)
        self._sim.give(heir, asks.AddressGiven(request, other.id.hex(), other.address))


def _hashes(party: "SimParty") -> set[bytes]:
    return {operation.hash for operation in party.device.members.log.operations}
