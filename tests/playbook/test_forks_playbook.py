"""A store that was rolled back: noticed, mended, and nothing lost."""

import pytest

from harness.pairs import link_of, world_of
from harness.pipelines import BOB, VAULT, Bench
from harness.proofs import assert_proved
from harness.world import put
from p2pvault.core import asks, io
from p2pvault.core.retraction import branch_of
from p2pvault.errors import Refused
from p2pvault.limits import CHUNKS_BEFORE_FOLD, JOURNALS_PER_DEVICE_MAX
from p2pvault.node.status import problems
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Doubt


def found(world, party, name):
    """Return the values of all records of one name: several, where several devices repeated it."""
    return [world.values(party)[row.id] for row in party.store.find("notes", name)]


def settled(world):
    world.pass_time(120)
    assert_proved(world)


def test_a_restored_store_that_wrote_nothing_since_gets_back_what_it_forgot():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/one", text="late")
    old = ada.device.pipeline.author
    world.restore(ada, copy)
    world.pass_time(120)
    assert world.value(ada, "notes/one") == {"text": "late"}
    assert ada.device.pipeline.author != old
    assert ada.reported("journal_renewed")
    world.put(ada, "notes/two", text="after")
    settled(world)
    assert world.value(bob, "notes/two") == {"text": "after"}


def test_two_branches_become_one_and_no_edit_is_lost():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early", more="x")
    world.put(ada, "notes/both", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/one", text="first life")
    world.put(ada, "notes/lost", text="first life")
    world.put(bob, "notes/one", more="bob builds on it")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/both", text="second life")
    world.put(ada, "notes/new", text="second life")
    world.put(ada, "notes/new", text="second life, later")
    world.online(ada)
    settled(world)
    assert world.value(bob, "notes/both") == {"text": "second life"}
    assert world.value(bob, "notes/new") == {"text": "second life, later"}
    assert world.value(ada, "notes/lost") == {"text": "first life"}
    assert world.value(ada, "notes/one") == {"text": "first life", "more": "bob builds on it"}
    assert ada.reported("journal_forked")
    assert ada.reported("fork_mended")
    assert not bob.reported("fork_mended")


def test_two_branches_of_one_length_become_one():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/two", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/three", text="second life")
    world.online(ada)
    settled(world)
    assert {row.name for row in bob.store.rows(None, None, 9)} == {"one", "two", "three"}


def test_a_shorter_branch_gives_way_too():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    for number in range(200):
        world.put(ada, "notes/one", text=f"first life {number}")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/three", text="second life")
    world.online(ada)
    settled(world)
    assert world.value(bob, "notes/one") == {"text": "first life 199"}
    assert world.value(bob, "notes/three") == {"text": "second life"}


def test_deletions_of_the_losing_branch_are_repeated():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.put(bob, "notes/two", text="early")
    world.run()
    copy = world.copy(ada)
    world.put(ada, "notes/more", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.ask(
        ada, lambda request: asks.EditRequested(request, (asks.Edit("notes/one", remove=True),))
    )
    world.ask(
        ada, lambda request: asks.EditRequested(request, (asks.Edit("notes/two", remove=True),))
    )
    world.put(ada, "notes/gone", text="second life")
    world.ask(
        ada, lambda request: asks.EditRequested(request, (asks.Edit("notes/gone", remove=True),))
    )
    world.put(ada, "notes/two", text="back again")
    world.online(ada)
    settled(world)
    assert world.value(bob, "notes/one") is None
    assert world.value(bob, "notes/gone") is None
    assert world.value(bob, "notes/two") == {"text": "back again"}
    assert world.values(ada, deleted=True) == world.values(bob, deleted=True)


def test_what_a_deleted_record_said_is_there_when_an_edit_elsewhere_keeps_it():
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", text="early")
    world.run()
    world.offline(cyd)
    world.put(cyd, "notes/one", cyd="knows of no deletion")
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/one", more="second life")
    world.edit(ada, asks.Edit("notes/one", remove=True))
    world.online(ada)
    world.pass_time(60)
    assert ada.reported("fork_mended")
    assert world.value(bob, "notes/one") is None
    world.online(cyd)
    settled(world)
    assert world.value(bob, "notes/one") == {
        "text": "early",
        "more": "second life",
        "cyd": "knows of no deletion",
    }


def test_a_losing_branch_that_leaves_a_record_as_it_was_is_not_repeated():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/two", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/one", text="second life")
    world.put(ada, "notes/one", text="early")
    world.online(ada)
    settled(world)
    assert ada.reported("fork_mended")
    assert world.value(bob, "notes/one") == {"text": "early"}
    assert ada.device.pipeline.author not in bob.device.pipeline.durable.journals


def live_twice(world, copy, ada, bob, cyd):
    """Let bob build on ada's first life, and cyd, who is the only one to see it, on the second."""
    world.offline(cyd)
    world.put(ada, "notes/lost", text="first life")
    world.put(bob, "notes/lost", bob="builds on it")
    world.offline(bob)
    world.offline(ada)
    world.restore(ada, copy)
    world.online(ada)
    world.online(cyd)
    world.put(ada, "notes/new", text="second life")
    world.pass_time(60)
    world.put(cyd, "notes/new", cyd="builds on it")


def test_a_third_device_with_the_losing_branch_gives_way_to_the_author():
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    live_twice(world, copy, ada, bob, cyd)
    world.put(cyd, "notes/own", text="cyd")
    world.run()
    world.online(bob)
    settled(world)
    assert world.value(bob, "notes/lost") == {"text": "first life", "bob": "builds on it"}
    assert {"text": "second life", "cyd": "builds on it"} in found(world, bob, "new")
    assert {"text": "cyd"} in found(world, bob, "own")


def test_two_others_disagree_until_the_author_comes():
    world, (ada, bob, cyd) = world_of(3)
    copy = world.copy(ada)
    world.part(bob, cyd)
    live_twice(world, copy, ada, bob, cyd)
    world.offline(ada)
    world.mend()
    world.online(bob)
    world.pass_time(60)
    assert bob.verdict(cyd) is cyd.verdict(bob) is Verdict.CONTRADICTION
    (problem,) = problems(bob.device)
    assert problem.code == "journal_forked"
    assert "cyd hold two histories of ada" in problem.message
    assert not bob.reported("link_failed")
    assert not cyd.reported("link_failed")
    world.online(ada)
    settled(world)


def test_a_device_that_runs_twice_is_refused_twice_and_loses_nothing():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    twin = world.clone(ada, "twin", Doubt.COPIED)
    world.pass_time(60)
    assert bob.reported("device_runs_twice")
    assert bob.device.clones.runs_twice(ada.id)
    assert ada.device.clones.told_by == twin.device.clones.told_by == bob.id
    (problem,) = problems(bob.device)
    assert (problem.code, problem.message) == ("runs_twice", "ada runs twice, from two copies")
    (problem,) = problems(twin.device)
    assert problem.message.endswith("from two copies of its store, says bob")
    world.put(ada, "notes/ada", text="goes on")
    world.put(twin, "notes/twin", text="goes on")
    before = len(bob.reported("link_up"))
    world.pass_time(300)
    assert len(bob.reported("link_up")) - before < 20
    world.offline(twin)
    world.parties.remove(twin)
    world.pass_time(2_000)
    settled(world)
    assert not bob.device.clones.runs_twice(ada.id)
    assert ada.device.clones.told_by is None
    assert world.value(bob, "notes/ada") == {"text": "goes on"}


def test_a_device_that_restarts_does_not_run_twice():
    world, (ada, bob) = world_of(2, shuffled=True)
    for _ in range(10):
        world.restart(ada)
        world.pass_time(10)
    settled(world)
    assert not bob.reported("device_runs_twice")


def test_a_device_begins_no_more_journals_than_its_peers_take():
    world, (ada, bob) = world_of(2)
    for number in range(JOURNALS_PER_DEVICE_MAX):
        world.put(ada, "notes/one", text=f"life {number}")
        world.restore(ada, world.copy(ada), Doubt.COPIED)
    with pytest.raises(Refused, match="restored or copied"):
        world.put(ada, "notes/one", text="one life too many")
    world.put(bob, "notes/two", text="bob goes on")
    settled(world)


def test_a_notice_lasts_over_a_restart_until_the_next_proof():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.offline(bob)
    world.restore(ada, world.copy(ada), Doubt.MACHINE)
    world.restart(ada)
    world.pass_time(60)
    assert ada.device.rollback.notice is Doubt.MACHINE
    world.online(bob)
    settled(world)
    assert ada.device.rollback.notice is None
    assert problems(ada.device) == []
    world.restart(ada)
    assert ada.device.rollback.notice is None


def test_an_edit_under_way_when_a_rollback_is_noticed_is_written_in_the_new_journal():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/one", text="late")
    old = ada.device.pipeline.author
    world.restore(ada, copy)
    world.until(lambda: ada.linked(bob))
    for number in range(20):
        world.edit(ada, put(f"notes/new{number}", text="under way"))
        world.step()
    settled(world)
    assert world.value(bob, "notes/one") == {"text": "late"}
    for number in range(20):
        assert world.value(bob, f"notes/new{number}") == {"text": "under way"}
    assert bob.device.pipeline.durable.journals[old].n == 2


@pytest.mark.parametrize("crash_at", range(1, 60, 2))
def test_a_crash_at_any_effect_while_a_fork_is_mended_loses_nothing(crash_at):
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.put(bob, "notes/lost", bob="builds on it")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/new", text="second life")
    ada.crash_at = ada.effects_done + crash_at
    world.online(ada)
    settled(world)
    assert {"text": "second life"} in found(world, bob, "new")
    assert world.value(ada, "notes/lost") == {"text": "first life", "bob": "builds on it"}


def test_a_full_disk_while_a_fork_is_mended_loses_nothing():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/new", text="second life")
    world.online(ada)
    world.until(lambda: bool(ada.reported("journal_forked")))
    ada.disk_full = True
    world.pass_time(30)
    assert not ada.reported("fork_mended")
    ada.disk_full = False
    world.pass_time(600)
    settled(world)
    assert ada.reported("fork_mended")
    assert world.value(bob, "notes/new") == {"text": "second life"}


def test_a_new_journal_is_durable_before_anything_is_written_in_it():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/one", text="late")
    world.restore(ada, copy)
    world.until(lambda: bool(ada.reported("journal_renewed")))
    new = ada.device.pipeline.author
    world.pass_time(60)
    world.restart(ada)
    assert ada.device.pipeline.author == new
    world.put(ada, "notes/two", text="goes on")
    settled(world)
    assert world.value(bob, "notes/one") == {"text": "late"}


def test_a_greeting_that_comes_late_is_no_second_run():
    world, (ada, bob) = world_of(2)
    clones, link = bob.device.clones, link_of(bob, ada)
    one, two = bytes(16), bytes([1]) * 16
    link.id += 10
    clones.greeted(world.now, link, one)
    clones.greeted(world.now, link, two)
    link.id -= 11
    assert clones.greeted(world.now, link, one) == []
    link.id += 100
    assert clones.greeted(world.now, link, one) != []
    assert clones.runs_twice(ada.id)


def test_a_record_that_began_on_a_branch_is_folded_no_more_once_it_is_gone():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    for number in range(CHUNKS_BEFORE_FOLD + 1):
        world.put(ada, "notes/new", n=number)
    world.online(ada)
    settled(world)
    assert ada.reported("fork_mended")
    assert world.value(bob, "notes/new") == {"n": CHUNKS_BEFORE_FOLD}


@pytest.mark.parametrize("seed", range(12))
def test_an_edit_right_behind_a_retraction_finds_the_record_that_was_made_again(seed):
    world, (ada, bob) = world_of(2, seed, shuffled=True)
    world.put(ada, "notes/one", text="early")
    copy = world.copy(ada)
    world.put(ada, "notes/lost", text="first life")
    world.offline(ada)
    world.restore(ada, copy)
    world.put(ada, "notes/new", text="second life")
    world.online(ada)
    world.until(lambda: any(isinstance(e, io.LoadBranch) for e in ada.trace))
    world.edit(ada, put("notes/new", more="while it is taken out"))
    settled(world)
    both = {"text": "second life", "more": "while it is taken out"}
    assert world.value(bob, "notes/new") == both


def test_only_what_builds_on_a_branch_goes_with_it():
    one, other = Bench(), Bench(BOB, "bob")
    for bench, collection in ((one, "notes"), (other, "trips")):
        bench.written(put(f"{collection}/a", n=1), put(f"{collection}/b", n=2))
    entries = [each for bench in (one, other) for each in bench.store.entries(0, 1 << 40)]
    branch = branch_of(entries, one.journal.author, 2, VAULT)
    assert [(cut.author, cut.n) for cut in branch.cuts] == [(one.journal.author, 1)]
