"""Names on the network: ours, which rotates, and those under which other members may appear."""

from collections.abc import Iterable

from p2pvault.core.io import Advertise, Effect, Expect, PeerSeen, Withdraw
from p2pvault.core.members import Members
from p2pvault.crypto.entropy import Entropy
from p2pvault.limits import ADDRESSES_PER_PEER_MAX, DISCOVERY_RETRIES
from p2pvault.protocol.discovery import (
    TAG_KEY,
    Expected,
    expected,
    host_label,
    instance_name,
    rotation_ms,
    slot_of,
    tag,
    verify,
)
from p2pvault.types import Address, DeviceId, Instant


class Beacon:
    """What this device shows and expects in the present slot.

    Attributes:
        next_slot_at: Monotonic time of the next rotation.
    """

    def __init__(self, members: Members, entropy: Entropy) -> None:
        self._members = members
        self._entropy = entropy
        self._listening: tuple[Address, ...] = ()
        self._retry = 0
        self._instance = ""
        self._keys: list[bytes] = []
        self._expected: dict[str, Expected] = {}
        self.next_slot_at = 0.0

    def listen_on(self, now: Instant, addresses: Iterable[Address]) -> list[Effect]:
        """Advertise other addresses from now on."""
        self._listening = tuple(addresses)[:ADDRESSES_PER_PEER_MAX]
        self._retry = 0
        return self.refresh(now)

    def taken(self, now: Instant, instance: str) -> list[Effect]:
        """Choose another name: somebody on the network holds the present one."""
        if instance != self._instance or self._retry + 1 >= DISCOVERY_RETRIES:
            return []
        self._retry += 1
        return self.refresh(now)

    def rotate(self, now: Instant) -> list[Effect]:
        """Change to the names of the present slot."""
        self._retry = 0
        return self.refresh(now)

    def refresh(self, now: Instant) -> list[Effect]:
        """Work out all names anew: the slot, the epoch, the members or the addresses changed."""
        slot = slot_of(now.wall_ms)
        rotation_s = (rotation_ms(slot, self._entropy(1)[0] / 255) - now.wall_ms) / 1000
        self.next_slot_at = now.monotonic + rotation_s
        self._keys = self._members.discovery_keys()
        self._expected = dict(expected(self._keys, slot, self._members.others))
        return [Expect(frozenset(self._expected)), *self._advertise(slot)]

    def recognise(self, seen: PeerSeen) -> tuple[DeviceId, tuple[Address, ...]] | None:
        """Return whom a sighting shows and where, if it is genuine."""
        whose = self._expected.get(seen.instance)
        if whose is None:
            return None
        text = {TAG_KEY: seen.tag}
        if not verify(self._keys[whose.key_index], whose, seen.addresses, seen.port, text):
            return None
        return whose.device, seen.addresses[:ADDRESSES_PER_PEER_MAX]

    def _advertise(self, slot: int) -> list[Effect]:
        if not self._listening or not self._keys or not self._members.is_member:
            return self._withdraw()
        key, device, port = self._keys[0], self._members.device, self._listening[0].port
        self._instance = instance_name(key, slot, self._retry, device)
        return [
            Advertise(
                instance=self._instance,
                host_label=host_label(key, slot, self._retry, device),
                addresses=self._listening,
                tag=tag(key, slot, device, self._listening, port),
            )
        ]

    def _withdraw(self) -> list[Effect]:
        shown, self._instance = self._instance, ""
        return [Withdraw()] if shown else []
