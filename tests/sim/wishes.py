"""What else people ask of their devices: about quarantine, addresses, pairing, damage, the key."""

from random import Random

from p2pvault.core import asks, io
from p2pvault.types import Address
from sim.interests import Expect
from sim.setbacks import Setbacks
from sim.simulation import SimParty, Simulation

_NOBODY = Address("10.9.9.8", 4_000)


class Wishes:
    """Requests that change nothing that others have to agree with."""

    def __init__(self, sim: Simulation, setbacks: Setbacks, expect: Expect) -> None:
        self._sim = sim
        self._setbacks = setbacks
        self._expect = expect
        self._random = Random(f"wishes/{sim.plan.seed}")

    def settle_quarantine(self, party: SimParty) -> None:
        """Repeat what is in quarantine, or drop it: all of it, or that of one device."""
        rows = party.device.pipeline.durable.quarantine.rows
        if not rows:
            return
        devices = sorted({row.device.hex() for row in rows.values()})
        device, repeat = self._random.choice([None, *devices]), self._random.random() < 0.5
        self._sim.note(party, f"settles its quarantine, {repeat=}")
        request = next(self._sim._requests)
        self._ask(party, request, asks.SettleQuarantine(request, device, repeat))

    def point(self, party: SimParty) -> None:
        """Note where another device is, rightly or not, or take that back."""
        others = [other for other in self._sim.parties if other.id != party.id]
        if not others:
            return
        other, where = self._random.choice(others), self._random.choice(self._sim.parties).address
        address = self._random.choice([other.address, where, _NOBODY])
        forget = self._random.random() < 0.3
        request = next(self._sim._requests)
        asked = asks.AddressGiven(request, other.id.hex(), address, forget)
        self._ask(party, request, asked)

    def forget_key(self, party: SimParty) -> None:
        """Let a device forget the words of the recovery key, if it still has them."""
        request = next(self._sim._requests)
        self._ask(party, request, asks.RecoveryForgotten(request))

    def cancel(self, _: SimParty) -> None:
        """Close the window of a pairing that is under way, whatever it has come to."""
        guests = [guest for guest in self._sim.guests if guest.is_at(guest.sponsor)]
        if guests:
            guest = self._random.choice(guests)
            self._sim.note(guest.sponsor, f"no longer waits for {guest.name}")
            self._sim.give(guest.sponsor, asks.PairingCancelled(guest.request))

    def verify(self, party: SimParty) -> None:
        """Look for damage in the middle of everything, and have it repaired."""
        if party.counts and not party.leaving:
            self._setbacks.verify(party)

    def clash(self, party: SimParty) -> None:
        """Somebody else on the network holds the name that a device shows."""
        if party.shown is not None:
            self._sim.give(party, io.AdvertiseFailed(party.shown.instance))

    def unwatch(self, party: SimParty) -> None:
        """Let the last local program go that follows changes, or another one come."""
        watched = self._random.random() < 0.5
        self._sim.give(party, io.WatchersChanged(watched=watched))

    def _ask(self, party: SimParty, request: int, asked: io.Input) -> None:
        self._sim.give(party, asked)
        self._expect(party, request)
