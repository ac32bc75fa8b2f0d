"""Entries of a removed device at one pipeline: refused, kept, let go, repeated and dropped."""

import pytest

from harness.damage import loaded
from harness.entropy import seeded
from harness.judge import BOB_ID, CYD_ID, Judge, one_journal
from harness.pipelines import BOB, NOW, VAULT, Bench
from harness.world import put
from p2pvault.core import asks, holding, io
from p2pvault.core.quarantine import ReleaseJob, SettleJob, mark_of, quarantine_of
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import (
    ChangeRefused,
    CrdtError,
    LimitExceeded,
    SealBroken,
    UnexpectedMessage,
    UnknownDevice,
    VaultError,
)
from p2pvault.limits import JOURNALS_PER_DEVICE_MAX, QUARANTINE_KEPT_MS, WORK_PER_CHANGE
from p2pvault.protocol.journal import Journal, Writer, decode_entry, write_entry
from p2pvault.types import DeviceId, Instant, JournalId, RecordId


def fault(steps) -> VaultError:
    failed, *_ = [failed for step in steps for failed in step.failed]
    return failed.error


def outcome(steps) -> holding.Outcome:
    """Return what the last batch did to the quarantine."""
    return [step.done for step in steps if step.done][-1].staged.quarantine


def by_bob(changes, journal: bytes = b"x" * 16, after=None, keys: DeviceKeys = BOB):
    writer = Writer(Journal(VAULT, device_id(keys.public), JournalId(journal)), keys)
    return write_entry(writer, after, (), NOW.wall_ms, changes)


# What is refused ---------------------------------------------------------------------------


def test_entries_up_to_the_bound_are_applied_and_later_ones_kept_apart() -> None:
    first, second, third = one_journal(*(put("notes/one", a=n) for n in (1, 2, 3)))
    judge = Judge({first.author: 1})
    steps = judge.take(first, second, third)
    assert judge.value("notes/one") == {"a": 1}
    assert (judge.held(first.author), judge.marked(first.author)) == (1, 3)
    assert judge.kept == [(BOB_ID, 2), (BOB_ID, 3)]
    assert [entry.n for entry in outcome(steps).refused] == [3]
    assert outcome(steps).kept == 2
    assert [each.data for each in judge.store.quarantined([1, 2])] == [second.data, third.data]


def test_what_was_refused_is_passed_over_when_it_comes_again() -> None:
    first, second = one_journal(put("notes/one", a=1), put("notes/one", a=2))
    judge = Judge({})
    judge.take(first, second)
    before = judge.store.state()
    steps = judge.take(first, second, link=6)
    assert outcome(steps) == holding.Outcome()
    assert judge.store.state() == before


def test_the_quarantine_and_its_marks_outlive_a_restart() -> None:
    (first,) = one_journal(put("notes/one", a=1))
    judge = Judge({})
    judge.take(first)
    kept = quarantine_of(judge.store.state())
    assert kept == judge.quarantine
    ((author, mark),) = kept.marks.items()
    assert mark_of(f"refused/{author.hex()}", mark.to_bytes()) == (author, mark)
    assert (mark.device, mark.head) == (BOB_ID, first.head)


def test_nothing_is_quarantined_of_which_nobody_knows_the_author() -> None:
    eve = DeviceKeys.generate(seeded("eve"))
    entry = by_bob([(RecordId(bytes(16)), b"x")], keys=eve)
    assert isinstance(fault(Judge({}).take(entry)), UnknownDevice)


def test_what_is_quarantined_is_checked_like_everything_else() -> None:
    (first,) = one_journal(put("notes/one", a=1))
    forged = decode_entry(first.data[:-1] + bytes([first.data[-1] ^ 1]), VAULT)
    for entry, error in (
        (forged, SealBroken),
        (by_bob([(RecordId(bytes(16)), b"no change at all")]), ChangeRefused),
        (by_bob(first.body.changes), UnexpectedMessage),
    ):
        judge = Judge({})
        assert isinstance(fault(judge.take(entry)), error)
        assert judge.kept == []
        assert judge.quarantine.marks == {}


def test_a_refused_fork_ends_no_link_and_only_what_continues_is_kept() -> None:
    first, second = one_journal(put("notes/one", a=1), put("notes/one", a=2))
    other, follower = one_journal(put("notes/other", a=1), put("notes/other", b=1))
    judge = Judge({})
    judge.take(first)
    judge.take(other, follower, link=6)
    judge.take(second, link=7)
    assert judge.kept == [(BOB_ID, 1)]
    assert judge.marked(first.author) == 2


def test_a_gap_ends_the_link_where_entries_count_and_does_not_where_they_are_refused() -> None:
    first, second, third = one_journal(*(put("notes/one", a=n) for n in (1, 2, 3)))
    assert isinstance(fault(Judge({first.author: 3}).take(second)), UnexpectedMessage)
    judge = Judge({first.author: 1})
    judge.take(third)
    assert (judge.kept, judge.marked(first.author)) == ([], 3)
    late, built = with_follower()
    judge = Judge({})
    judge.take(*late, built[0])
    more = Judge(name="cyd")
    more.take(*late)
    edits = (put("notes/one", c=1), put("notes/own", mine=1), put("notes/more", x=1))
    *same, behind = more.written(*edits)
    assert [entry.hash for entry in same] == [entry.hash for entry in built]
    assert isinstance(fault(judge.take(behind)), UnexpectedMessage)
    judge.take(built[1], behind, link=6)
    assert judge.marked(behind.author) == 3


def test_a_removed_device_has_no_more_journals_than_its_share() -> None:
    judge = Judge({})
    for number in range(JOURNALS_PER_DEVICE_MAX):
        (entry,) = Bench(BOB, f"bob {number}").written(put(f"notes/{number}", n=1))
        judge.take(entry)
    (entry,) = Bench(BOB, "one more").written(put("notes/more", n=1))
    assert isinstance(fault(judge.take(entry)), LimitExceeded)
    assert len(judge.quarantine.marks) == JOURNALS_PER_DEVICE_MAX


# What needs what is refused ------------------------------------------------------------------


def with_follower() -> tuple[list, list]:
    """Return entries of bob, and of cyd who built on the last of them and then on nothing."""
    late = one_journal(put("notes/one", a=1), put("notes/one", b=1))
    cyd = Judge(name="cyd")
    cyd.take(*late)
    return late, cyd.written(put("notes/one", c=1), put("notes/own", mine=1))


def test_an_entry_that_builds_on_a_refused_one_waits_with_all_behind_it() -> None:
    late, built = with_follower()
    judge = Judge({late[0].author: 1})
    steps = judge.take(*late, *built)
    assert judge.kept == [(BOB_ID, 2), (CYD_ID, 1), (CYD_ID, 2)]
    assert [head.n for head in outcome(steps).refused] == [2, 2]
    assert judge.value("notes/one") == {"a": 1}
    assert judge.value("notes/own") is None


def test_a_commit_with_several_changes_of_one_record_waits_or_goes_as_a_whole() -> None:
    (late,) = one_journal(put("notes/one", a=1))
    cyd = Judge(name="cyd")
    cyd.take(late)
    (built,) = cyd.written_as_one(
        put("notes/own", a=1), put("notes/own", b=1), put("notes/one", c=1)
    )
    (free,) = Bench(BOB, "free").written(put("notes/x", a=1))
    judge = Judge({free.author: 1})
    judge.take(late, built, free)
    assert judge.kept == [(BOB_ID, 1), (CYD_ID, 1)]
    assert judge.value("notes/own") is None
    judge.bound({late.author: 1, free.author: 1})
    judge.sweep()
    assert judge.value("notes/own") == {"a": 1, "b": 1}


def test_others_are_not_blocked() -> None:
    late, built = with_follower()
    judge = Judge({})
    judge.take(*late, *built)
    free = Bench(BOB, "another journal").written(put("notes/free", x=1))
    judge.bound({free[0].author: 1})
    judge.take(*free)
    assert judge.value("notes/free") == {"x": 1}
    assert judge.run(judge.edit(1, put("notes/mine", y=1)))[-1].done
    assert judge.value("notes/mine") == {"y": 1}


def test_a_missing_change_is_damage_while_nothing_is_refused() -> None:
    _, built = with_follower()
    judge = Judge()
    (done,) = [step.done for step in judge.take(*built) if step.done]
    assert len(done.staged.damaged) == 1
    assert judge.kept == []
    assert judge.value("notes/own") == {"mine": 1}


# Letting go ----------------------------------------------------------------------------------


def test_a_higher_bound_lets_entries_into_their_journals_in_order() -> None:
    late, built = with_follower()
    judge = Judge({late[0].author: 1})
    judge.take(*late, *built)
    judge.bound({late[0].author: 2})
    steps = judge.sweep()
    assert judge.kept == []
    assert judge.quarantine.marks == {}
    assert [entry.hash for entry in judge.log()] == [e.hash for e in (*late, *built)]
    assert judge.value("notes/one") == {"a": 1, "b": 1, "c": 1}
    done = [step.done for step in steps if step.done]
    assert sum(each.staged.quarantine.released for each in done) == 3
    assert [e.n for each in done for e in each.staged.entries] == [2, 1, 2]
    assert [c.path for each in done for c in each.staged.changes] == ["notes/one", "notes/own"]
    assert judge.pipeline.durable.digest == accepted_digest(late, built)


def accepted_digest(late, built) -> bytes:
    """Return the content of a device that never refused anything."""
    other = Judge()
    other.take(*late, *built)
    return other.pipeline.durable.digest


def test_a_bound_in_the_middle_lets_go_of_what_is_within_it() -> None:
    entries = one_journal(*(put("notes/one", a=n) for n in range(5)))
    judge = Judge({})
    judge.take(*entries)
    judge.bound({entries[0].author: 3})
    judge.sweep()
    assert judge.kept == [(BOB_ID, 4), (BOB_ID, 5)]
    assert (judge.held(entries[0].author), judge.marked(entries[0].author)) == (3, 5)
    judge.take(entries[3], link=6)
    assert judge.value("notes/one") == {"a": 2}


def test_what_was_dropped_is_asked_for_again_when_it_counts() -> None:
    entries = one_journal(*(put("notes/one", a=n) for n in range(3)))
    judge = Judge({entries[0].author: 1})
    judge.take(*entries)
    assert judge.settle(repeat=False) == io.QuarantineSettled(2, 0, ())
    assert (judge.kept, judge.marked(entries[0].author)) == ([], 3)
    assert not outcome(judge.sweep()).lifted, "nobody stated anything yet"
    judge.bound({entries[0].author: 3})
    assert outcome(judge.sweep()).lifted
    assert judge.quarantine.marks == {}
    judge.take(*entries, link=6)
    assert judge.value("notes/one") == {"a": 2}


def test_a_member_whose_entries_were_dropped_with_what_they_needed_is_asked_again_too() -> None:
    late, built = with_follower()
    judge = Judge({})
    judge.take(*late, *built)
    assert judge.settle(repeat=False).settled == 4
    judge.bound({late[0].author: 2})
    judge.sweep()
    judge.take(*late, *built, link=6)
    assert judge.value("notes/own") == {"mine": 1}


def test_an_entry_that_the_engine_refuses_stays_and_the_others_go() -> None:
    first, second = one_journal(put("notes/one", a=1), put("notes/one", a=2))
    # The same creation in another journal: a record is created by exactly one change.
    other = Bench(BOB, "other")
    (twice,) = other.written(put("notes/two", a=1))
    again = Bench(BOB, "again")
    (creation,) = again.written(put("notes/three", a=1))
    bad = by_bob([(twice.body.changes[0][0], creation.body.changes[0][1])], b"again".ljust(16))
    judge = Judge({})
    judge.take(twice, bad, first, second)
    judge.bound({each.author: 9 for each in (first, twice, bad)})
    steps = judge.sweep()
    failed = [failed for step in steps for failed in step.failed]
    assert [type(each.job) for each in failed] == [ReleaseJob]
    assert isinstance(failed[0].error, CrdtError)
    assert judge.kept == [(BOB_ID, 1)]
    assert judge.value("notes/one") == {"a": 2}


def test_a_batch_that_does_not_fit_leaves_everything_in_quarantine() -> None:
    (first,) = one_journal(put("notes/one", a=1))
    judge = Judge({})
    judge.take(first)
    before = judge.store.state()
    judge.bound({first.author: 1})
    (row,) = judge.quarantine.rows.values()
    (load,) = judge.pipeline.submit(ReleaseJob(row)).effects
    (persist,) = judge.load(load).effects
    assert [type(failed.job) for failed in judge.fail(persist).failed] == [ReleaseJob]
    assert judge.store.state() == before
    assert judge.kept == [(BOB_ID, 1)]
    judge.sweep()
    assert judge.value("notes/one") == {"a": 1}


# Repeating and dropping ------------------------------------------------------------------------


def test_accepting_repeats_the_effect_in_our_own_name_and_merges_with_what_is_here() -> None:
    entries = one_journal(put("notes/one", a=1), put("notes/one", b=1), put("notes/new", n=1))
    judge = Judge({entries[0].author: 1})
    judge.take(*entries)
    judge.run(judge.edit(1, put("notes/one", mine=1)))
    settled = judge.settle(repeat=True)
    assert (settled.settled, settled.left) == (2, 0)
    assert [(e.path, e.created, e.fields) for e in settled.edited] == [
        ("notes/one", False, ("b",)),
        ("notes/new", True, ("n",)),
    ]
    assert judge.value("notes/one") == {"a": 1, "b": 1, "mine": 1}
    assert judge.value("notes/new") == {"n": 1}
    assert judge.held(entries[0].author) == 1
    assert judge.log()[-1].author == judge.pipeline.author
    assert (judge.kept, judge.marked(entries[0].author)) == ([], 3)


def test_accepted_changes_reach_a_device_that_refused_them_too() -> None:
    late, built = with_follower()
    judge, other = Judge({}), Judge({}, name="cyd")
    judge.take(*late, *built)
    judge.settle(repeat=True)
    other.take(*judge.log())
    assert other.value("notes/one") == judge.value("notes/one") == {"a": 1, "b": 1, "c": 1}
    assert other.value("notes/own") == {"mine": 1}


def test_a_deletion_is_repeated_and_one_of_what_is_not_here_is_nothing() -> None:
    entries = one_journal(
        put("notes/one", a=1),
        asks.Edit("notes/one", remove=True),
        put("notes/two", a=1),
        asks.Edit("notes/two", remove=True),
    )
    judge = Judge({entries[0].author: 1})
    judge.take(*entries)
    settled = judge.settle(repeat=True)
    assert [edited.path for edited in settled.edited] == ["notes/one"]
    assert judge.store.count() == 0
    assert judge.kept == []


def test_a_deletion_is_repeated_with_what_was_written_before_it() -> None:
    entries = one_journal(
        put("notes/one", a=1), put("notes/one", b=2), asks.Edit("notes/one", remove=True)
    )
    judge = Judge({entries[0].author: 1})
    judge.take(*entries)
    (row,) = judge.store.find("notes", "one")
    judge.settle(repeat=True)
    (stored,) = judge.store.records([row.id])
    assert loaded(stored).deleted
    assert loaded(stored).value() == {"a": 1, "b": 2}


def test_an_effect_that_is_there_already_changes_nothing() -> None:
    entries = one_journal(put("notes/one", a=1), put("notes/one", a=2))
    judge = Judge({entries[0].author: 1})
    judge.take(*entries)
    judge.run(judge.edit(1, put("notes/one", a=2)))
    written = len(judge.log())
    # Two wrote the same value at the same time: whichever wins, nothing is left to be done.
    assert judge.settle(repeat=True).edited == ()
    assert len(judge.log()) == written


def test_a_field_that_was_taken_away_is_taken_away() -> None:
    gone = asks.Edit("notes/one", deletes=(("b",),))
    entries = one_journal(put("notes/one", a=1, b=1), gone)
    judge = Judge({entries[0].author: 1})
    judge.take(*entries)
    judge.settle(repeat=True)
    assert judge.value("notes/one") == {"a": 1}


def test_what_cannot_be_repeated_stays() -> None:
    first, second, third = one_journal(
        put("notes/one", a=1), put("notes/one", a=2), put("notes/two", a=1)
    )
    judge = Judge({})
    judge.take(first, second, third)
    (row, *_) = judge.quarantine.rows.values()
    judge.run(judge.pipeline.submit(SettleJob(1, (row,), repeat=False)))
    settled = judge.settle(repeat=True)
    assert (settled.settled, settled.left) == (1, 1)
    assert judge.kept == [(BOB_ID, 2)]
    assert judge.value("notes/two") == {"a": 1}


def test_what_hangs_together_is_settled_together() -> None:
    late, built = with_follower()
    (apart,) = Bench(BOB, "apart").written(put("notes/apart", a=1))
    judge = Judge({})
    judge.take(*late, *built)
    assert len(judge.quarantine.of(CYD_ID)) == 4
    judge.take(apart)
    assert len(judge.quarantine.of(CYD_ID)) == 4
    assert len(judge.quarantine.of(BOB_ID)) == len(judge.quarantine.of(None)) == 5
    assert judge.quarantine.of(DeviceId(bytes(32))) == ()
    judge.settle(repeat=False, device=CYD_ID)
    assert [row.author for row in judge.quarantine.rows.values()] == [apart.author]


def test_a_row_that_is_gone_meanwhile_is_settled_by_nobody() -> None:
    (first,) = one_journal(put("notes/one", a=1))
    judge = Judge({})
    judge.take(first)
    rows = judge.quarantine.of(None)
    judge.bound({first.author: 1})
    judge.sweep()
    steps = judge.run(judge.pipeline.submit(SettleJob(1, rows, repeat=True)))
    assert [step.done.answers for step in steps if step.done] == [
        ((1, io.QuarantineSettled(0, 0, ())),)
    ]


# Bounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        ("QUARANTINE_BYTES_MAX", 900),
        ("QUARANTINE_CHANGES_MAX", 2),
        ("QUARANTINE_WORK_MAX", 5 * WORK_PER_CHANGE // 2),
        ("QUARANTINE_JOURNAL_ENTRIES_MAX", 2),
    ],
)
def test_what_has_no_room_is_refused_without_being_kept(monkeypatch, bound, value) -> None:
    monkeypatch.setattr(holding, bound, value)
    entries = one_journal(*(put("notes/one", a=n) for n in range(4)))
    judge = Judge({})
    judge.take(*entries[:3])
    judge.take(entries[3])
    assert judge.kept == [(BOB_ID, 1), (BOB_ID, 2)]
    assert judge.marked(entries[0].author) == 4
    judge.bound({entries[0].author: 4})
    assert outcome(judge.sweep()).lifted
    assert judge.held(entries[0].author) == 2
    judge.take(*entries, link=6)
    assert judge.held(entries[0].author) == 4


def test_the_clock_deletes_nothing_but_what_stands_in_the_way(monkeypatch) -> None:
    monkeypatch.setattr(holding, "QUARANTINE_CHANGES_MAX", 2)
    entries = one_journal(*(put("notes/one", a=n) for n in range(4)))
    judge = Judge({})
    judge.take(*entries[:2])
    judge.now = Instant(NOW.monotonic, NOW.wall_ms + QUARANTINE_KEPT_MS + 1)
    judge.sweep()
    assert judge.kept == [(BOB_ID, 1), (BOB_ID, 2)]
    judge.take(entries[2])
    assert judge.kept == [(BOB_ID, 2), (BOB_ID, 3)]
    judge.take(entries[3])
    assert judge.kept == [(BOB_ID, 3), (BOB_ID, 4)]
    judge.bound({entries[0].author: 4})
    judge.sweep()
    judge.take(*entries, link=6)
    judge.sweep()
    assert (judge.held(entries[0].author), judge.kept) == (4, [])
