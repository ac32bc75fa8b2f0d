"""How a world comes to rest, and what has to be true of it then."""

import itertools
from collections.abc import Sequence
from functools import lru_cache

from harness.party import Party
from harness.world import World
from p2pvault.crdt.prefilter import inspect
from p2pvault.limits import BACKOFF_MAX_S, HEARTBEAT_S, UPKEEP_PAUSE_S
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import VaultId

ONCE_MORE_S = 3 * UPKEEP_PAUSE_S
"""What was equal is compared again by every heartbeat of this time, and upkeep has had its turn."""


def settle(world: World, parties: Sequence[Party] = ()) -> None:
    """Make everything good again, and let these parties, or all, become equal."""
    world.run()
    world.heal()
    rest(world, 2 * BACKOFF_MAX_S, parties)


def rest(world: World, seconds_max: float, parties: Sequence[Party] = ()) -> None:
    """Let time pass until all say that they are equal, and a while longer; at most so long.

    They have to stay equal, so they are looked at after that while only.
    """
    end = world.now.monotonic + seconds_max
    while not are_proved(parties or world.parties) and world.now.monotonic < end:
        world.pass_time(min(HEARTBEAT_S, end - world.now.monotonic))
    world.pass_time(min(ONCE_MORE_S, end - world.now.monotonic))


def are_proved(parties: Sequence[Party]) -> bool:
    """Tell whether all are linked with all others, and say that they are equal."""
    pairs = itertools.permutations(parties, 2)
    return all(one.linked(two) and one.verdict(two) is Verdict.EQUAL for one, two in pairs)


def are_same(world: World, *parties: Party) -> bool:
    """Tell whether devices hold the same, and have proved it to each other at some time."""
    values = [world.values(party) for party in parties]
    proofs = (one.device.book[two.id].proved_at for one, two in itertools.permutations(parties, 2))
    return all(each == values[0] for each in values) and None not in proofs


def assert_equal(world: World) -> None:
    """Check that all parties hold the same, know it, and that no number was used twice."""
    first, *others = world.parties
    for party in others:
        assert world.values(party) == world.values(first), (party.name, first.name)
        assert party.device.pipeline.durable.digest == first.device.pipeline.durable.digest
    assert_no_number_twice(world)


def assert_proved(world: World) -> None:
    """Check that all parties are linked with all others and have proved to be equal."""
    assert_equal(world)
    for party, other in itertools.permutations(world.parties, 2):
        assert party.linked(other), (party.name, other.name)
        assert party.verdict(other) is Verdict.EQUAL, (party.name, other.name)


def assert_no_number_twice(world: World) -> None:
    """Check that nobody wrote two entries, or two changes of a record, with one number."""
    entries: dict[tuple[bytes, int], bytes] = {}
    changes: dict[tuple[bytes, bytes, int], bytes] = {}
    for party in world.parties:
        for stored in party.store.entries(0, 1 << 40):
            assert entries.setdefault((stored.author, stored.n), stored.hash) == stored.hash
            for key, its_hash in _numbered(party.device.members.vault, stored.data):
                assert changes.setdefault(key, its_hash) == its_hash


@lru_cache(maxsize=1_024)
def _numbered(vault: VaultId, data: bytes) -> list[tuple[tuple[bytes, bytes, int], bytes]]:
    """Return record, actor, number and hash of each change of an entry."""
    body = decode_entry(data, vault).body
    inspected = [(record, inspect(chunk)) for record, chunk in body.changes]
    return [((record, it.actor, it.sequence), it.hash) for record, it in inspected]
