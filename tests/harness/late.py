"""Vaults in which a device is removed while another one goes on taking entries from it."""

from harness.pairs import world_of
from harness.party import Party
from harness.world import World
from p2pvault.core import asks, io

Parties = tuple[Party, Party, Party, Party]


def late_world(seed: object = 0, *, shuffled: bool = False) -> tuple[World, Parties]:
    """Return ada, who removed dan; bob, who took late entries of dan; cyd, who did neither.

    Nobody is linked. Bob has also edited the same record, and another one, without knowing.
    """
    world, parties = world_of(4, seed, shuffled=shuffled)
    ada, bob, cyd, dan = parties
    world.put(ada, "notes/shared", text="before")
    world.pass_time(5)
    isolate(world, ada, bob, cyd)
    world.part(ada, dan)
    world.part(cyd, dan)
    world.put(dan, "notes/shared", late=1)
    world.put(dan, "notes/new", text="late")
    world.pass_time(5)
    world.put(bob, "notes/shared", on_top=1)
    world.put(bob, "notes/own", text="bob's")
    world.part(bob, dan)
    revoke(world, ada, dan)
    return world, (ada, bob, cyd, dan)


def isolate(world: World, *parties: Party) -> None:
    """Let none of these reach another one of them."""
    for number, one in enumerate(parties):
        for other in parties[:number]:
            world.part(one, other)
    world.run()


def revoke(world: World, admin: Party, party: Party) -> None:
    """Remove a device."""
    world.ask(admin, lambda request: asks.RevokeRequested(request, party.name))


def reach(world: World, one: Party, other: Party) -> None:
    """Let two parties reach each other again."""
    world._cut.discard(frozenset((one, other)))
    for party in (one, other):
        world.online(party)


def keep_apart(world: World, taker: Party, giver: Party) -> None:
    """Let the taker get late entries from the giver, and part them before it can be settled."""
    reach(world, taker, giver)
    world.until(lambda: bool(quarantined(taker)))
    world.part(taker, giver)
    world.restart(taker)
    world.run()


def meet(world: World, one: Party, other: Party, seconds: float = 30) -> None:
    """Let two parties, and no others, reach each other for a while."""
    reach(world, one, other)
    world.pass_time(seconds)
    world.part(one, other)
    world.run()


def meet_mute(world: World, one: Party, other: Party) -> None:
    """Let two parties meet while the second can write nothing: it states nothing, then."""
    other.disk_full = True
    meet(world, one, other)
    other.disk_full = False


def settle_quarantine(
    world: World, party: Party, device: str | None = None, *, repeat: bool
) -> io.QuarantineSettled:
    """Settle what a party has in quarantine; raises what was refused."""
    answer = world.ask(party, lambda number: asks.SettleQuarantine(number, device, repeat))
    assert isinstance(answer, io.QuarantineSettled)
    return answer


def quarantined(party: Party) -> list[tuple[str, int]]:
    """Return whose entries a party keeps in quarantine, and their numbers, in order."""
    name_of = party.device.members.name_of
    return [(name_of(row.device), row.n) for row in party.store.quarantine()]
