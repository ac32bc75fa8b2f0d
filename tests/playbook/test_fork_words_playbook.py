"""What a peer says to hold counts for nothing while it may be of another branch."""

import pytest

from harness.branches import split_journal
from harness.pairs import link_of, link_up, world_of
from harness.proofs import assert_proved
from p2pvault.core import retraction
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Batch


def parted(lost, new):
    """Let bob hold one branch of ada's journal and cyd another, and ada go away."""
    world, parties = world_of(3)
    author = split_journal(world, parties, lost, new)
    world.pass_time(300)
    return world, *parties, author


def word_of(party, other, author):
    durable = party.device.pipeline.durable.journals
    return party.device.book.acknowledged.held_by_all([other.id], durable)[author]


def test_the_length_of_another_branch_acknowledges_nothing_of_ours():
    world, ada, bob, cyd, author = parted(lost=3, new=2)
    world.mend()
    world.online(bob)
    link_up(world, bob, cyd)
    for _ in range(200):
        world.step()
        assert word_of(bob, cyd, author) == word_of(cyd, bob, author) == 0
    for party in (bob, cyd):
        # Upkeep may come at any time, and so before the two find out.
        party.device._upkeep._wake_by(world.now.monotonic)
    world.pass_time(400)
    assert bob.verdict(cyd) is cyd.verdict(bob) is Verdict.CONTRADICTION
    assert author not in bob.device.pipeline.durable.bases
    world.online(ada)
    world.pass_time(600)
    assert_proved(world)


def test_a_peer_that_is_behind_acknowledges_what_it_holds_once_that_is_looked_up():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", n=1)
    world.run()
    world.offline(bob)
    world.put(ada, "notes/one", n=2)
    author = ada.device.pipeline.author
    world.online(bob)
    link = None
    for _ in range(2_000):
        link = link or next(iter(ada.device.links.up()), None)
        if link is not None and link.talk.checks == {} and link.peer.content is not None:
            break
        world.step() or world.pass_time(1)
    assert link_of(ada, bob).peer.agreed[author].n >= 1
    world.pass_time(30)
    assert word_of(ada, bob, author) == 2


def test_a_retraction_forgets_who_held_the_branch():
    world, (ada, bob, cyd, dan) = world_of(4)
    author = ada.device.pipeline.author
    copy = world.copy(ada)
    world.offline(dan)
    world.put(ada, "notes/lost", text="first life")
    world.pass_time(30)
    assert word_of(bob, cyd, author) == 1
    for party in (ada, bob, cyd):
        world.offline(party)
    world.restore(ada, copy)
    world.online(ada)
    world.online(dan)
    world.put(ada, "notes/new", text="second life")
    world.pass_time(60)
    world.online(cyd)
    world.pass_time(60)
    world.offline(cyd)
    world.online(bob)
    world.pass_time(60)
    assert bob.reported("fork_mended")
    assert bob.device.pipeline.durable.journals[author].n >= 1
    assert bob.device.book.acknowledged._words[cyd.id][author] == 0
    world.online(cyd)
    world.pass_time(300)
    assert_proved(world)


def test_a_branch_whose_beginning_is_not_kept_stays_contested_and_the_links_stay():
    world, ada, bob, _, author = parted(lost=3, new=2)
    ada.store.persist(Batch(dropped=(ada.device.pipeline.durable.journals[author],)))
    world.restart(ada)
    world.online(bob)
    world.online(ada)
    before = len(ada.reported("link_up"))
    world.pass_time(600)
    assert ada.reported("fork_not_mended")
    assert not ada.reported("fork_mended")
    assert len(ada.reported("link_up")) - before <= 4
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.CONTRADICTION


@pytest.mark.parametrize("bound", ["FORK_RECORDS_MAX", "FORK_CHANGES_MAX"])
def test_a_branch_that_is_too_much_work_stays_contested_and_is_told(monkeypatch, bound):
    world, (ada, bob) = world_of(2)
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    for number in range(4):
        world.put(ada, f"notes/{number}", text="second life")
    monkeypatch.setattr(retraction, bound, 3)
    world.online(ada)
    world.pass_time(300)
    assert ada.reported("fork_not_mended")
    assert not ada.reported("link_failed")
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.CONTRADICTION
    assert world.value(ada, "notes/3") == {"text": "second life"}
    monkeypatch.undo()
    world.restart(ada)
    world.pass_time(120)
    assert_proved(world)
