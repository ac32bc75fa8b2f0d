"""Whom to dial, where, and when: rounds over the known addresses with a growing pause.

A round tries every address of a device, a few at a time, freshest first. When all have failed the
device is left alone for a while, longer each time; a sighting on the network, or a change of our
own addresses, starts a new round at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from p2pvault.core.io import Dial
from p2pvault.core.link import jittered
from p2pvault.crypto.entropy import Entropy
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    BACKOFF_MAX_S,
    BACKOFF_MIN_S,
    DIALS_MAX,
    DIALS_PER_DEVICE_MAX,
    LINK_SETTLED_S,
)
from p2pvault.types import Address, DeviceId


@dataclass(slots=True)
class _Target:
    """One device that we want to reach.

    Attributes:
        pending: What is left of the present round.
        failures: Rounds in a row without success, the present one included.
        turn: How many of them came before the present round.
        next_round: Earliest start of the next round.
        last_round: Start of the present round.
    """

    pending: list[Address] = field(default_factory=list)
    failures: int = 0
    turn: int = 0
    next_round: float = 0.0
    last_round: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A dial under way.

    Attributes:
        device: Whom it is for.
        turn: How many rounds failed before this one; nobody says why a handshake fails.
    """

    device: DeviceId
    turn: int


class Dialer:
    """Keeps the rounds of all devices, and names every attempt."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._targets: dict[DeviceId, _Target] = {}
        self._sighted: dict[DeviceId, tuple[Address, ...]] = {}
        self._attempts: dict[int, Attempt] = {}
        self._up_since: dict[DeviceId, float] = {}
        self._setbacks: dict[DeviceId, int] = {}
        self._serial = 0

    def plan(self, now: float, wanted: Mapping[DeviceId, Iterable[Address]]) -> list[Dial]:
        """Return the dials that are due.

        Args:
            now: Monotonic seconds.
            wanted: Every device without a link, and where it may be.
        """
        for gone in self._targets.keys() - wanted.keys():
            del self._targets[gone]
        dials: list[Dial] = []
        for device, addresses in wanted.items():
            target = self._target(device)
            if self._is_due(now, device, target):
                self._begin_round(now, target, [*self._sighted.get(device, ()), *addresses])
            if target.pending:
                dials += self._next_dials(device, target)
        return dials

    def again(self, device: DeviceId, address: Address) -> list[Dial]:
        """Dial a device that is linked, to replace an old link by a new one."""
        if self._is_dialling(device) or not self._has_room():
            return []
        return [self._dial(Attempt(device, turn=0), address)]

    def deadline(self) -> float:
        """Return when `plan` may have something to do, if nothing else happens."""
        idle = (
            target.next_round
            for device, target in self._targets.items()
            if not target.pending and not self._is_dialling(device)
        )
        return min(idle, default=float("inf"))

    def taken(self, attempt: int) -> Attempt:
        """Forget an attempt because a stream came of it; return what it was for."""
        return self._attempts.pop(attempt)

    def failed(self, attempt: int) -> None:
        """Forget an attempt that came to nothing."""
        self._attempts.pop(attempt, None)

    def reached(self, now: float, device: DeviceId) -> None:
        """Take note that a link to a device is up."""
        self._targets.pop(device, None)
        self._up_since[device] = now

    def lost(self, now: float, device: DeviceId, *, orderly: bool) -> None:
        """Take note that the link to a device is gone.

        One that broke soon after it came up would break again at once, for as long as its cause
        lasts (a full disk on either side): the pause grows with each such link. So does it with
        one that was closed in order at once: the peer prefers another link, perhaps to our clone.
        """
        lasted = now - self._up_since.pop(device, now)
        if lasted >= LINK_SETTLED_S or (orderly and lasted >= BACKOFF_MIN_S):
            self._setbacks.pop(device, None)
            return
        setbacks = self._setbacks.get(device, 0)
        self._setbacks[device] = setbacks + 1
        target = self._target(device)
        target.last_round, target.failures = now, setbacks
        target.next_round = now + self._pause_s(setbacks)

    def sighted(self, now: float, device: DeviceId, addresses: tuple[Address, ...]) -> None:
        """Take note of addresses that discovery vouches for, and try them soon.

        They are kept also while the device is linked: one that moved is sighted at its new place
        long before its old link is known to be dead, and is not sighted again after that.
        """
        self._sighted[device] = addresses[:ADDRESSES_PER_PEER_MAX]
        self.try_soon(now, device)

    def misled(self, device: DeviceId, address: Address) -> None:
        """Take note that somebody else answered where a device was looked for."""
        sighted = self._sighted.get(device, ())
        self._sighted[device] = tuple(each for each in sighted if each != address)

    def try_soon(self, now: float, device: DeviceId) -> None:
        """Start over with one device: more is known of where it is."""
        self._hurry(now, self._target(device))

    def hurry(self, now: float) -> None:
        """Start over with every device: our own network is another one."""
        for target in self._targets.values():
            self._hurry(now, target)

    def _target(self, device: DeviceId) -> _Target:
        target = self._targets.get(device)
        if target is None:
            target = self._targets[device] = _Target()
        return target

    def _hurry(self, now: float, target: _Target) -> None:
        target.failures = 0
        target.next_round = max(now, target.last_round + BACKOFF_MIN_S)

    def _is_due(self, now: float, device: DeviceId, target: _Target) -> bool:
        return now >= target.next_round and not target.pending and not self._is_dialling(device)

    def _begin_round(self, now: float, target: _Target, addresses: Iterable[Address]) -> None:
        target.pending = list(dict.fromkeys(addresses))
        target.last_round, target.turn = now, target.failures
        target.next_round = now + self._pause_s(target.failures)
        target.failures += 1

    def _pause_s(self, failures: int) -> float:
        doubled: float = BACKOFF_MIN_S * 2 ** min(failures, 16)
        return jittered(min(doubled, BACKOFF_MAX_S), self._entropy)

    def _next_dials(self, device: DeviceId, target: _Target) -> list[Dial]:
        dials: list[Dial] = []
        under_way = sum(1 for attempt in self._attempts.values() if attempt.device == device)
        attempt = Attempt(device, target.turn)
        while target.pending and under_way < DIALS_PER_DEVICE_MAX and self._has_room():
            under_way += 1
            dials.append(self._dial(attempt, target.pending.pop(0)))
        return dials

    def _dial(self, attempt: Attempt, address: Address) -> Dial:
        self._serial += 1
        self._attempts[self._serial] = attempt
        return Dial(self._serial, attempt.device, address)

    def _has_room(self) -> bool:
        return len(self._attempts) < DIALS_MAX

    def _is_dialling(self, device: DeviceId) -> bool:
        return any(attempt.device == device for attempt in self._attempts.values())
