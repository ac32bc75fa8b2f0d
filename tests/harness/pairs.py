"""Two devices of one vault in a world, and messages slipped into the link between them."""

from collections.abc import Iterable

from harness.party import Party
from harness.world import World
from p2pvault.core import asks, io
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link, Phase
from p2pvault.types import Role


def world_of(
    count: int, seed: object = 0, *, role: Role = Role.ADMIN, shuffled: bool = False
) -> tuple[World, list[Party]]:
    """Return a world of so many linked devices, the first of which made the vault."""
    world = World(seed, shuffled=shuffled)
    parties = [world.found("ada")]
    parties += [world.join(name, parties[0], role) for name in ("bob", "cyd", "dan")[: count - 1]]
    world.run()
    world.pass_time(5)
    for party in parties:
        party.trace.clear()
    return world, parties


def link_of(party: Party, other: Party) -> Link:
    """Return a party's end of the link to another."""
    (link,) = (it for it in party.device.links.up() if it.device == other.id)
    return link


def say(world: World, liar: Party, to: Party, *messages: tuple[Kind, bytes]) -> Link:
    """Send messages that a party's device would never send, in one piece; return the other end."""
    mine, theirs = link_of(liar, to), link_of(to, liar)
    world.write(liar, mine.id, b"".join(mine.seal(kind, body) for kind, body in messages))
    return theirs


def effects_of(party: Party) -> list[io.Effect]:
    """Return the effects in a party's trace, in order."""
    return [each for each in party.trace if isinstance(each, io.Effect)]


def only(kind: type, items: Iterable[object]) -> list:
    """Return the items of one kind."""
    return [item for item in items if isinstance(item, kind)]


def is_gone(link: Link) -> bool:
    return link.phase is Phase.CLOSED


def entries_of(party: Party, after: int = 0) -> list[bytes]:
    """Return the entries in a party's store, as they travel."""
    return [entry.data for entry in party.store.entries(after, 1 << 40)]


def rename(world: World, party: Party, name: str) -> None:
    """Give a device another name and wait for the answer; raises what was refused."""
    world.ask(party, lambda request: asks.RenameRequested(request, party.id.hex(), name))


def link_up(world: World, one: Party, other: Party) -> None:
    """Go on until both sides of a link are up, and no further."""
    world.until(lambda: one.linked(other) and other.linked(one))
