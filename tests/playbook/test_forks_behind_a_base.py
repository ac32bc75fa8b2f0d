"""A journal forked, and the device that was rolled back also lacks entries that nobody keeps.

It needs records, and these are of the other branch. So the fork is mended first.
"""

import pytest

from harness.memory_store import MemoryStore
from harness.pairs import link_up, say, world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core.kinds import Kind
from p2pvault.limits import FORK_PATIENCE_S, UPKEEP_PAUSE_S
from p2pvault.protocol.bootstrap import CutHead, encode_cut
from p2pvault.protocol.fork import Fork, Word, encode_fork
from p2pvault.protocol.reconcile import Have, encode_have
from p2pvault.types import EntryHash, JournalHead

SEEDS = range(4)
"""Orders of events; each of them failed before."""


def lives(seed: int, first: int, *, keep: bool = False) -> tuple[World, Party, Party, MemoryStore]:
    """Let ada write so many entries, and return her store as it was before.

    Bob has written meanwhile, and keeps only the last entry of that, and of hers unless a third
    device is away.
    """
    world, parties = world_of(3 if keep else 2, seed, shuffled=True)
    ada, bob = parties[:2]
    world.put(ada, "notes/one", early=1)
    world.pass_time(5)
    copy = world.copy(ada)
    for number in range(3):
        world.put(bob, "notes/two", n=number)
    world.pass_time(5)
    for away in parties[2:]:
        world.offline(away)
    for number in range(first):
        world.put(ada, "notes/one", first=number)
    world.pass_time(3 * UPKEEP_PAUSE_S)
    author = bob.device.pipeline.author
    assert bob.device.pipeline.durable.bases[author] == 2, "two of three are not kept"
    world.offline(ada)
    return world, ada, bob, copy


def live_again(world: World, ada: Party, copy: MemoryStore, second: int) -> None:
    """Put ada back unnoticed, let her write so many entries, and meet bob and then the third."""
    world.restore(ada, copy)
    for number in range(second):
        world.put(ada, "notes/one", second=number)
    world.online(ada)
    world.pass_time(60)
    world.heal()
    world.pass_time(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_branch_longer_than_the_other_goes_before_records_are_asked_for(seed):
    world, ada, bob, copy = lives(seed, 1)
    live_again(world, ada, copy, 3)
    assert_proved(world)
    assert world.value(bob, "notes/one") == {"early": 1, "first": 0, "second": 2}
    assert ada.reported("fork_mended")
    assert not ada.reported("link_failed")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_branch_shorter_than_the_other_goes_before_records_are_offered(seed):
    world, ada, bob, copy = lives(seed, 3, keep=True)
    live_again(world, ada, copy, 1)
    assert_proved(world)
    assert world.value(bob, "notes/one") == {"early": 1, "first": 2, "second": 0}
    assert ada.reported("fork_mended")
    assert not ada.reported("link_failed")


@pytest.mark.parametrize("forked", [False, True])
def test_records_are_asked_for_on_a_link_where_a_journal_forked_if_that_is_not_mended(forked):
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    world.pass_time(5)
    head = JournalHead(bob.device.pipeline.author, 5, EntryHash(b"z" * 32))
    have = Kind.HAVE, encode_have(Have((head,), bytes(range(32))))
    contested = Kind.FORK, encode_fork(Fork(Word.CONTESTED, ada.device.pipeline.author))
    behind = Kind.BEHIND, encode_cut((CutHead(head.author, bob.id, head.n, head.hash),))
    world.restart(ada)
    link_up(world, ada, bob)
    bob.device.handle = lambda now, given: []
    say(world, bob, ada, *([contested] if forked else []), have, behind)
    world.run()
    assert bool(ada.reported("snapshots_wanted")) is not forked
    world.pass_time(FORK_PATIENCE_S)
    say(world, bob, ada, have)
    world.run()
    assert ada.reported("snapshots_wanted")
