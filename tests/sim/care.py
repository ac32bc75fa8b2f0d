"""What people do about a device that contradicted itself, or is lost with a fork to its name."""

from typing import TYPE_CHECKING

from p2pvault.core import asks
from p2pvault.types import DeviceId

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation

_PATIENCE_S = 300.0
"""How long people wait for a decision to reach everybody before they take it again."""

_DECISIONS_MAX = 20
"""In one healing: each device of the vault may contradict itself more than once."""


class Care:
    """The person of a vault, who sees to it that nobody stays outside by mistake."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._decided_at = 0.0
        self._decisions = 0

    def reinstate(self) -> bool:
        """Let suspended devices in again, if there are any; return whether something was done."""
        members = [p for p in self._sim.parties if p.counts and not p.switched_off]
        outside = {each for p in members for each in p.device.members.membership.suspended}
        suspended = [party for party in members if party.id in outside]
        if not suspended or not self._is_due():
            return False
        seen = [self._let_in(party, each) for party in members for each in suspended]
        return any(seen) or self._recover(members, suspended)

    def remove_lost(self) -> bool:
        """Remove devices that are gone for good and whose journals two others hold two branches of.

        Their status says that this mends it. Return whether something was done.
        """
        members = [p for p in self._sim.parties if p.counts and not p.switched_off]
        lost = {p.id for p in self._sim.parties if p.wiped and not p.twin}
        contested = {
            each.contested
            for party in members
            for each in map(party.device.book.__getitem__, party.device.members.others)
        }
        pairs = ((party, each) for party in members for each in sorted(lost & contested))
        return any(self._remove(party, each) for party, each in pairs)

    def _remove(self, admin: "SimParty", lost: DeviceId) -> bool:
        membership = admin.device.members.membership
        if (
            not membership.is_admin(admin.id)
            or not membership.is_member(lost)
            or not self._is_due()
        ):
            return False
        self._sim.note(admin, "removes a lost device")
        self._sim.give(admin, asks.RevokeRequested(next(self._sim._requests), lost.hex()))
        return True

    def _let_in(self, admin: "SimParty", party: "SimParty") -> bool:
        """Let a device in again by an admin that knows what it did; tell that where to find it."""
        membership = admin.device.members.membership
        if not membership.is_admin(admin.id) or party.id not in membership.suspended:
            return False
        asked = asks.ReinstateRequested(next(self._sim._requests), party.id.hex())
        self._sim.give(admin, asked)
        found = asks.AddressGiven(next(self._sim._requests), party.id.hex(), party.address)
        self._sim.give(admin, found)
        return True

    def _is_due(self) -> bool:
        if self._decisions >= _DECISIONS_MAX or self._sim.now.monotonic < self._decided_at:
            return False
        self._decisions += 1
        self._decided_at = self._sim.now.monotonic + _PATIENCE_S
        return True

    def _knows_all(self, party: "SimParty") -> bool:
        """Tell whether a device knows what was written with the recovery key, if that may be."""
        known = party.device.members.log
        others = (other for other in self._sim.parties if other.counts and self._is_key_used)
        return all(each.hash in known for p in others for each in p.device.members.log.operations)

    @property
    def _is_key_used(self) -> bool:
        plan = self._sim.plan
        return bool(plan.recover or plan.succeed or plan.pair_by_key)

    def _recover(self, members: list["SimParty"], suspended: list["SimParty"]) -> bool:
        """Use the recovery key where no admin is left that could let anybody in."""
        inside = [party for party in members if party not in suspended] or members
        views = [(party, party.device.members.membership.suspended) for party in inside]
        party, view = next(((party, view) for party, view in views if view), (None, {}))
        if party is None or not self._knows_all(party):
            # Who is outside has not told anybody yet, or the key was used and not everybody knows.
            return False
        self._sim.note(party, "uses the recovery key")
        devices = tuple(each.id.hex() for each in suspended if each.id in view)
        request, seed = next(self._sim._requests), self._sim.recovery_seed
        self._sim.give(party, asks.RecoveryRequested(request, seed, restored=devices))
        return True
