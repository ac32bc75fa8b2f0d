"""People remove devices: one from another's screen, or two that remove each other."""

from random import Random
from typing import TYPE_CHECKING

from p2pvault.core import asks
from p2pvault.errors import VaultError
from sim.acquainted import know_each_other
from sim.key_uses import uses_known
from sim.oracles import Violation
from sim.setbacks import Setbacks

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation

MEMBERS_MIN = 2
"""So many are left when a device goes."""

_AGAIN_S = 1.0


class Removals:
    """The one removal that is on its way, and the one feud of a seed.

    Args:
        settle_s: How long it may take until what devices know of each other is durable.
    """

    def __init__(
        self, sim: "Simulation", random: Random, setbacks: Setbacks, settle_s: float
    ) -> None:
        self._sim = sim
        self._random = random
        self._setbacks = setbacks
        self._settle_s = settle_s
        self._leaving: SimParty | None = None
        self._removal: tuple[SimParty, int, int] | None = None
        self._feud: dict[int, tuple[SimParty, SimParty]] = {}
        self._key_is_used = False

    def remove(self, party: "SimParty") -> None:
        """Remove a device, unless too few would be left, or another removal is on its way.

        One at a time: devices that remove each other at once part for ever, as they should, and who
        is left then is a question of the rules, which have tests of their own.
        """
        self.see()
        is_admin = party.counts and party.device.members.membership.is_admin(party.id)
        if is_admin and (gone := self._choose(party)) is not None:
            self.let_go(party, gone)

    def let_go(self, party: "SimParty", gone: "SimParty") -> None:
        """Let a device remove another one, which may go."""
        self._take_leave(gone)
        self._removal = party, party.life, self._ask_removal(party, gone)

    def recover(self, party: "SimParty") -> None:
        """Remove a device with the recovery key, whoever is left; once a seed.

        Two uses that do not know of each other contradict each other. So the key is not used where
        a store is put back or copied, since what was written with it could be forgotten.
        """
        self.see()
        plan = self._sim.plan
        if self._key_is_used or plan.restore or plan.clone or not party.counts or party.leaving:
            return
        if self._is_key_elsewhere(party):
            return
        if (gone := self._choose(party)) is None:
            return
        self._key_is_used = True
        self._take_leave(gone)
        self._sim.note(party, f"removes {gone.name} with the recovery key")
        request, seed = next(self._sim._requests), self._sim.recovery_seed
        self._sim.give(party, asks.RecoveryRequested(request, seed, lost=(gone.id.hex(),)))
        self._removal = party, party.life, request

    def _is_key_elsewhere(self, party: "SimParty") -> bool:
        """Tell whether the key was used, or may be in use, in a way that a device does not know."""
        known = {operation.hash for operation in party.device.members.log.operations}
        pairing = any(guest.by_key and guest.is_at(guest.sponsor) for guest in self._sim.guests)
        return pairing or not uses_known(self._sim) <= known

    def is_under_way(self) -> bool:
        """Tell whether devices are being removed, and not everybody knows."""
        self.see()
        return self._leaving is not None or bool(self._feud)

    def _choose(self, party: "SimParty") -> "SimParty | None":
        """Return who goes, if anybody may go now."""
        members = [each for each in self._sim.parties if each.counts]
        if self._leaving is not None or self._feud or len(members) <= MEMBERS_MIN:
            return None
        gone = self._random.choice([each for each in members if each is not party])
        return gone if self._may_go(party, gone) else None

    def _take_leave(self, gone: "SimParty") -> None:
        self._leaving = gone
        gone.leaving = True
        self._sim.left_behind.note(self._setbacks.forgotten)

    def _ask_removal(self, party: "SimParty", gone: "SimParty") -> int:
        self._sim.note(party, f"removes {gone.name}")
        request = next(self._sim._requests)
        self._sim.give(party, asks.RevokeRequested(request, gone.id.hex()))
        return request

    def _may_go(self, party: "SimParty", gone: "SimParty") -> bool:
        """Tell whether nothing that a device decided would fall with it, or might yet be decided.

        What somebody admitted while it was being removed elsewhere is void, and who is left is then
        a question of the rules again. Those whom only it knows both are strangers without it.
        """
        others = [each for each in self._parties if each.counts and each is not gone]
        if not know_each_other(others):
            return False
        known = party.device.members.log
        told = all(operation.hash in known for operation in gone.device.members.log.operations)
        needed = self.has_twin(gone) or self._setbacks.holds_the_last(gone)
        return told and not needed and not any(guest.is_at(gone) for guest in self._sim.guests)

    def has_twin(self, party: "SimParty") -> bool:
        """Tell whether a device runs from a copy of this one's store."""
        return any(each.twin and not each.wiped and each.id == party.id for each in self._parties)

    @property
    def _parties(self) -> "list[SimParty]":
        return self._sim.parties

    def feud(self, _: "SimParty") -> None:
        """Let two admins remove each other while they are parted; once a seed."""
        self.see()
        admins = [
            party
            for party in self._parties
            if party.counts
            and not party.switched_off
            and party.device.members.membership.is_admin(party.id)
        ]
        if self._leaving is not None or self._feud or len(admins) <= MEMBERS_MIN:
            return
        one, other = self._random.sample(admins, 2)
        both = self._may_go(one, other) and self._may_go(other, one)
        if not both or self._setbacks.holds_the_last(one, other):
            return
        for party, gone in ((one, other), (other, one)):
            self._sim.network.part(party, gone, silent=True)
            gone.leaving = True
            self._feud[self._ask_removal(party, gone)] = party, gone
        self._sim.left_behind.note(self._setbacks.forgotten)

    def see_feud(self) -> None:
        """Take note of who is out: for all others, or not yet for anybody.

        Not while these may yet hear that the recovery key has let it in again.
        """
        members = [each for each in self._parties if each.counts and not each.leaving]
        if any(party.switched_off or not _is_durable(party) for party in members):
            return
        for _, gone in self._feud.values():
            views = [party.device.members.membership for party in members]
            if all(gone.id in view.removed for view in views) and self._know_all_uses(members):
                gone.removed, gone.leaving = True, False

    def _know_all_uses(self, members: "list[SimParty]") -> bool:
        uses = uses_known(self._sim)
        return all(uses <= uses_known(self._sim, party) for party in members)

    def check_feud(self) -> None:
        """Who was removed is out, unless the one who removed it is out and could tell nobody."""
        for request, (party, gone) in self._feud.items():
            answered = not isinstance(party.answers.get(request), VaultError | None)
            if answered and not gone.removed and not party.removed:
                raise Violation(f"{party.name} removed {gone.name}, and both are in")
            gone.leaving = False

    def _is_asked(self) -> bool:
        """Tell whether the device that removes the other one has not come to it yet."""
        if self._removal is None:
            return False
        party, life, request = self._removal
        return party.life == life and request not in party.answers

    def _was_told(self) -> bool:
        """Tell whether the device that goes may be all that knows of it, or be about to hear of it.

        Whoever removed it told it goodbye, perhaps, and then was lost with all that it held.
        """
        assert self._removal is not None, "somebody asked for it"
        assert self._leaving is not None, "it is on its way"
        remover, _, _ = self._removal
        return remover.wiped or not self._leaving.device.members.is_member

    def see(self) -> None:
        """Take note of what became of the removal on its way: known to all, or to nobody."""
        if self._leaving is None:
            return
        members = [p for p in self._sim.parties if p.counts and p is not self._leaving]
        if any(party.switched_off or not _is_durable(party) for party in members):
            return
        # Who was put back to an older state may not know yet that it was ever in.
        knowing = [self._leaving.id in p.device.members.membership.removed for p in members]
        if all(knowing):
            self._leaving.removed = True
        if all(knowing) or not (any(knowing) or self._is_asked() or self._was_told()):
            self._leaving.leaving = False
            self._leaving = None

    def finish(self) -> None:
        """A removal that one member knows is a removal for all; one that none knows is repeated.

        The device that is told goodbye may know more than the disk of the one that removed it, if
        that one crashed just then. It was not answered, so its person removes the device again.
        """
        leaving = self._leaving
        if leaving is None:
            return
        self._await_durable()
        members = [p for p in self._sim.parties if p.counts and p is not leaving]
        views = [party.device.members.membership for party in members]
        if not any(leaving.id in view.removed for view in views):
            if leaving.device.members.is_member:
                leaving.leaving = False
                return
            pairs = zip(members, views, strict=True)
            party = next(party for party, view in pairs if view.is_admin(party.id))
            self._ask_removal(party, leaving)
        leaving.removed = True
        leaving.leaving = False

    def _are_durable(self) -> bool:
        return all(_is_durable(party) for party in self._sim.parties if party.counts)

    def _await_durable(self) -> None:
        """Let devices write down what they believe, or forget it where they are being restarted.

        Also what somebody was asked for just before all was well, and has not come to yet.
        """
        end = self._sim.now.monotonic + self._settle_s
        while self._is_asked() or not self._are_durable():
            if self._sim.now.monotonic > end:
                raise Violation("what a device knows of members never becomes durable")
            self._sim.pass_time(_AGAIN_S)


def _is_durable(party: "SimParty") -> bool:
    """Tell whether what a device knows of the vault's members would survive its end."""
    members = party.device.members
    return members.log.heads == members.durable.heads
