"""Quarantine beside damage: what was lost here is not taken for what was refused."""

from dataclasses import replace

import pytest

from harness.damage import held, roll_back, settle
from harness.judge import BOB_ID, Judge, one_journal
from harness.late import isolate, meet, meet_mute, quarantined, reach, revoke
from harness.pairs import only, say, world_of
from harness.party import Party
from harness.world import World, put
from p2pvault.core.io import LoadRecords
from p2pvault.core.kinds import Kind
from p2pvault.core.quarantine import REFUSED, Mark
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import Batch, EntryHash, JournalHead


def turn_a_bit(judge: Judge, path: str) -> None:
    """Damage the stored chunks of a record, behind an index that is right."""
    good = held(judge.store, path)
    judge.store.damage(replace(good, chunks=(b"\x00" * 9, *good.chunks[1:])))
    judge.restart()


def shared_and_late() -> tuple[list[Entry], list[Entry]]:
    """Return entries of bob, the last one late, and of cyd, who built on bob's first one."""
    shared, late = one_journal(put("notes/one", a=1), put("notes/late", b=1))
    cyd = Judge(name="cyd")
    cyd.take(shared)
    return [shared, late], cyd.written(put("notes/one", c=1), put("notes/own", mine=1))


def test_an_entry_about_a_damaged_record_is_taken_while_something_is_refused() -> None:
    (shared, late), built = shared_and_late()
    judge = Judge({shared.author: 1})
    judge.take(shared, late)
    turn_a_bit(judge, "notes/one")
    steps = judge.take(*built)
    assert [failed for step in steps for failed in step.failed] == []
    assert judge.kept == [(BOB_ID, 2)]
    assert judge.held(built[0].author) == 2
    assert judge.value("notes/own") == {"mine": 1}
    (record,) = (each for step in steps if step.done for each in step.done.staged.damaged)
    assert record == built[0].body.changes[0][0]


def test_an_entry_about_a_damaged_record_leaves_the_quarantine_when_it_counts() -> None:
    late = one_journal(put("notes/one", a=1), put("notes/two", b=1), put("notes/one", c=1))
    judge = Judge({late[0].author: 1})
    judge.take(*late)
    turn_a_bit(judge, "notes/one")
    judge.bound({late[0].author: 3})
    steps = judge.sweep()
    assert [failed for step in steps for failed in step.failed] == []
    assert (judge.kept, judge.held(late[0].author)) == ([], 3)
    assert judge.value("notes/two") == {"b": 1}


# A copy that loads, and is older than the journals say ---------------------------------------


def with_late_entries(late: str, *, taken: bool = True) -> tuple[World, Party, Party, Party]:
    """Return ada, who removed cyd; bob, who took a late entry of cyd about a record; nobody linked.

    Ada's copy of another record has lost the last change, and bob has changed that record since.
    """
    world, (ada, bob, cyd) = world_of(3)
    world.put(bob, "notes/lost", n=1)
    world.put(bob, "notes/lost", n=2)
    world.pass_time(5)
    isolate(world, ada, bob, cyd)
    world.put(cyd, late, late=1)
    if taken:
        meet(world, bob, cyd)
    revoke(world, ada, cyd)
    roll_back(ada.store, "notes/lost")
    settle(ada.store, fingerprint_key(ada.device.members.vault))
    world.restart(ada)
    world.put(bob, "notes/lost", n=3)
    world.put(bob, "notes/own", n=4)
    return world, ada, bob, cyd


@pytest.mark.parametrize("late", ["notes/late", "notes/lost"])
def test_an_entry_about_what_was_lost_is_taken_once_its_author_has_stated(late: str) -> None:
    world, ada, bob, _ = with_late_entries(late)
    meet_mute(world, ada, bob)
    assert quarantined(ada) == [("cyd", 1), ("bob", 3), ("bob", 4)], "bob cannot state anything"
    reach(world, ada, bob)
    world.pass_time(120)
    check_equal(world, ada, bob)


@pytest.mark.parametrize("late", ["notes/late", "notes/lost"])
def test_an_entry_about_what_was_lost_does_not_wait_beside_what_stays_refused(late: str) -> None:
    """What cyd wrote last is not accepted by anybody, and stays in quarantine for good."""
    world, ada, bob, cyd = with_late_entries("notes/early")
    world.put(cyd, late, never=1)
    entries = [each.data for each in cyd.store.entries(0, 1 << 40)]
    reach(world, ada, bob)
    world.until(lambda: ada.linked(bob) and bob.linked(ada))
    say(world, bob, ada, (Kind.ENTRIES, encode_entries(entries[-2:])))
    world.pass_time(120)
    assert quarantined(ada) == [("cyd", 2)]
    check_equal(world, ada, bob)


def test_a_statement_that_raises_no_bound_frees_what_waited_for_it() -> None:
    world, ada, bob, cyd = with_late_entries("notes/late", taken=False)
    late = JournalHead(cyd.device.pipeline.author, 9, EntryHash(bytes(32)))
    mark = Mark(cyd.id, late).to_bytes()
    ada.store.persist(Batch(meta={REFUSED + late.author.hex(): mark}))
    world.restart(ada)
    meet_mute(world, ada, bob)
    assert quarantined(ada) == [("bob", 3), ("bob", 4)], "bob may have built on what is refused"
    reach(world, ada, bob)
    world.pass_time(120)
    assert quarantined(ada) == []
    check_equal(world, ada, bob)


def test_an_edit_of_its_record_has_an_entry_tried_again() -> None:
    """What it needs may have come; here it has not, and all goes on as before."""
    world, ada, bob, _ = with_late_entries("notes/late")
    bob.disk_full = True
    meet(world, ada, bob)
    waiting = quarantined(ada)
    assert ("bob", 3) in waiting
    tried = len(loads_of_quarantine(ada))
    world.put(ada, "notes/elsewhere", a=1)
    assert len(loads_of_quarantine(ada)) == tried
    world.put(ada, "notes/lost", own=1)
    assert len(loads_of_quarantine(ada)) > tried
    assert quarantined(ada) == waiting
    bob.disk_full = False
    reach(world, ada, bob)
    world.pass_time(120)
    check_equal(world, ada, bob)
    assert world.value(bob, "notes/lost")["own"] == 1


def loads_of_quarantine(party: Party) -> list[LoadRecords]:
    return [each for each in only(LoadRecords, party.trace) if each.quarantined]


def check_equal(world: World, ada: Party, bob: Party) -> None:
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.EQUAL
    assert world.values(ada) == world.values(bob)
    assert world.value(ada, "notes/lost")["n"] == 3
    assert world.value(ada, "notes/own") == {"n": 4}
    assert bob.device.pipeline.author not in ada.device.pipeline.durable.quarantine.marks
