"""What operations can say in small histories: who does what to whom, by short names of devices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from harness.members import KEEPER, NOW_MS
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.keys import PublicKeys
from p2pvault.protocol.membership.operation import (
    Add,
    Content,
    DeviceCard,
    Genesis,
    Operation,
    Remove,
    SetRole,
)
from p2pvault.types import DeviceId, OperationHash, Role, VaultId

KEY = "k"
"""Who the recovery key is among the names."""

VAULT = VaultId(digest(b"p2pv-test", b"vault"))


@dataclass(frozen=True)
class Act:
    """What one operation does, by the names of devices: `a`, `b`, ...

    Attributes:
        author: A device, or the recovery key.
        verb: `add`, `remove` or `role`.
        device: About whom.
        role: What it is to be; None for a removal.
        rank: Of its hash, which decides between uses of the key.
    """

    author: str
    verb: str
    device: str
    role: Role | None = None
    rank: int = 0

    def renamed(self, names: dict[str, str]) -> "Act":
        """Return what it is if devices have other names; those left out keep theirs."""
        author, device = (names.get(name, name) for name in (self.author, self.device))
        return Act(author, self.verb, device, self.role, self.rank)

    @property
    def text(self) -> str:
        """All that it says."""
        return "/".join([self.author, self.verb, self.device, self.role or "", str(self.rank)])

    @cached_property
    def content(self) -> Content:
        """What an operation that does this contains."""
        match self.verb, self.role:
            case "add", Role() as role:
                return Add(card(self.device), role, ())
            case "role", Role() as role:
                return SetRole(id_of(self.device), role)
            case _:
                return Remove(id_of(self.device), (), "")


class Card(DeviceCard):
    """A card that hashes its keys once: histories ask for the id some hundred million times."""

    @cached_property
    def id(self) -> DeviceId:
        return super().id


@cache
def card(name: str) -> Card:
    """Return the card of a device; nothing is signed, so the name is all of its keys."""
    key = name.encode()
    return Card(PublicKeys(key, key, key), name, "laptop")


@cache
def id_of(name: str) -> DeviceId:
    """Return the id of a device, or of the recovery key."""
    return KEEPER.id if name == KEY else card(name).id


def acts_of(names: str, ranks: int) -> Iterator[Act]:
    """Yield all that devices of these names, and the key with these ranks, could do to them."""
    for device in names:
        for author in names:
            yield Act(author, "remove", device)
            for role in Role:
                yield Act(author, "role", device, role)
                yield Act(author, "add", device, role)
        for rank in range(ranks):
            yield Act(KEY, "remove", device, None, rank)
            yield Act(KEY, "role", device, Role.ADMIN, rank)


def genesis_by(name: str) -> Operation:
    """Return the operation by which a device founds the vault, with a recovery key."""
    first = card(name)
    content = Genesis("home", first, KEEPER.key.public, bytes(16))
    return Operation(OperationHash(VAULT), VAULT, (), first.id, 1, NOW_MS, content, b"")
