"""Names on the network: ours, which rotates, and those under which other members may appear."""

from collections.abc import Iterable

from p2pvault.core.book import Book
from p2pvault.core.io import Advertise, Effect, Expect, PeerSeen, Withdraw
from p2pvault.core.members import Members, epochs_back
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
from p2pvault.protocol.membership import Epoch
from p2pvault.types import Address, DeviceId, EpochId, Instant


class Beacon:
    """What this device shows and expects in the present slot.

    Attributes:
        next_slot_at: Monotonic time of the next rotation.
    """

    def __init__(self, members: Members, book: Book, entropy: Entropy) -> None:
        self._members = members
        self._book = book
        self._entropy = entropy
        self._listening: tuple[Address, ...] = ()
        self._retry = 0
        self._turn = 0
        self._instance = ""
        self._epochs: list[EpochId] = []
        self._keys: list[bytes] = []
        self._expected: dict[str, Expected] = {}
        self._sources: tuple[list[bytes], int, tuple[DeviceId, ...]] = ([], 0, ())
        self.next_slot_at = 0.0

    def listen_on(self, now: Instant, addresses: Iterable[Address]) -> list[Effect]:
        """Advertise other addresses from now on, under the newest epoch's name first."""
        self._listening = tuple(addresses)[:ADDRESSES_PER_PEER_MAX]
        self._retry = 0
        self._turn += self._turn % 2
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
        self._turn += 1
        return self.refresh(now)

    def refresh(self, now: Instant) -> list[Effect]:
        """Work out all names anew: the slot, the epoch, the members or the addresses changed."""
        slot = slot_of(now.wall_ms)
        rotation_s = (rotation_ms(slot, self._entropy(1)[0] / 255) - now.wall_ms) / 1000
        self.next_slot_at = now.monotonic + rotation_s
        keys = self._members.discovery_keys()
        if list(keys)[:1] != self._epochs[:1]:
            self._turn = 0
        self._epochs, self._keys = list(keys), list(keys.values())
        self._expect(slot)
        return [Expect(frozenset(self._expected)), *self._advertise(slot)]

    def _expect(self, slot: int) -> None:
        # 20 ms for the most members, and nearly all that is learned changes nothing here.
        sources = (self._keys, slot, self._members.others)
        if sources != self._sources:
            self._sources = sources
            self._expected = dict(expected(*sources))

    def recognise(self, seen: PeerSeen) -> tuple[DeviceId, tuple[Address, ...]] | None:
        """Return whom a sighting shows and where, if it is genuine; note with which epoch."""
        whose = self._expected.get(seen.instance)
        if whose is None:
            return None
        text = {TAG_KEY: seen.tag}
        if not verify(self._keys[whose.key_index], whose, seen.addresses, seen.port, text):
            return None
        self._book[whose.device].met = self._epochs[whose.key_index]
        return whose.device, seen.addresses[:ADDRESSES_PER_PEER_MAX]

    def _advertise(self, slot: int) -> list[Effect]:
        if not self._listening or not self._keys or self._is_out():
            return self._withdraw()
        key, device, port = self._key(), self._members.device, self._listening[0].port
        self._instance = instance_name(key, slot, self._retry, device)
        return [
            Advertise(
                instance=self._instance,
                host_label=host_label(key, slot, self._retry, device),
                addresses=self._listening,
                tag=tag(key, slot, device, self._listening, port),
            )
        ]

    def _is_out(self) -> bool:
        """Tell whether nobody looks for this device; for a suspended one, who let it in does."""
        return not self._members.is_member and not self._members.is_suspended

    def _key(self) -> bytes:
        """Return the key to show a name of: the newest epoch's, an older one on odd turns at times.

        Somebody else who started an epoch apart from this device looks for names of older ones. One
        device of each side is enough, and who started an epoch can tell who has not heard of it.
        """
        newest = self._members.newest
        assert newest is not None, "there is a key"
        return self._keys[epochs_back(self._turn, len(self._keys)) if self._misses(newest) else 0]

    def _misses(self, newest: Epoch) -> bool:
        """Tell whether this device started an epoch that a member may not have heard of."""
        if self._members.log.author(newest.operation) != self._members.device:
            return False
        unaware = self._members.unaware(newest)
        return any(self._book[device].aware != newest.id for device in unaware)

    def _withdraw(self) -> list[Effect]:
        shown, self._instance = self._instance, ""
        return [Withdraw()] if shown else []
