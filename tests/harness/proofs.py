"""What has to be true of a world that has come to rest."""

import itertools

from harness.world import World
from p2pvault.crdt.prefilter import inspect
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.reconcile import Verdict


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
            for record, chunk in decode_entry(stored.data, party.device.members.vault).body.changes:
                change = inspect(chunk)
                key = (record, change.actor, change.sequence)
                assert changes.setdefault(key, change.hash) == change.hash
