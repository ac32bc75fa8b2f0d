"""Quarantine beside damage: a copy that does not load keeps nothing from being taken or let go."""

from dataclasses import replace

from harness.damage import held
from harness.judge import BOB_ID, Judge, one_journal
from harness.world import put
from p2pvault.protocol.journal import Entry


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
