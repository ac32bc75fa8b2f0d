"""Quarantine where marks go away and journals move: nothing is kept twice, nothing is stuck."""

from harness.judge import BOB_ID, CYD_ID, Judge, one_journal
from harness.pipelines import MEMBERSHIP
from harness.world import put
from p2pvault.core.at_once import PlainJob
from p2pvault.core.content import JOURNAL_OWNER
from p2pvault.core.replica import Replicas
from p2pvault.core.staging import Staging
from p2pvault.errors import UnknownDevice
from p2pvault.protocol.journal import Entry
from p2pvault.types import Batch


def test_entries_behind_a_gap_in_the_quarantine_may_come_again() -> None:
    entries = one_journal(*(put("notes/one", a=n) for n in range(5)))
    author = entries[0].author
    judge = Judge({author: 1})
    judge.take(*entries[:4])
    judge.settle(repeat=False)
    judge.take(entries[4], link=6)
    assert [n for _, n in judge.kept] == [5]
    judge.bound({author: 2})
    judge.sweep()
    assert judge.marked(author) is None
    judge.take(*entries, link=7)
    assert judge.held(author) == 2
    assert [n for _, n in judge.kept] == [3, 4, 5]
    judge.bound({author: 5})
    judge.sweep()
    assert (judge.held(author), judge.kept) == (5, [])
    assert judge.value("notes/one") == {"a": 4}


def test_what_counts_by_an_operation_that_may_yet_be_lost_waits_for_that() -> None:
    first, second = one_journal(put("notes/one", a=1), put("notes/one", a=2))
    judge = Judge({first.author: 1})
    judge.certain = judge.membership
    judge.bound({first.author: 2})
    (done,) = [step.done for step in judge.take(first, second) if step.done]
    assert (judge.held(first.author), judge.kept) == (1, [(BOB_ID, 2)])
    assert done.judged_by == (judge.membership, judge.certain), "so that it is tried again"
    judge.sweep()
    assert judge.held(first.author) == 1
    judge.certain = None
    judge.sweep()
    assert (judge.held(first.author), judge.kept) == (2, [])


def test_what_a_removal_that_may_yet_be_lost_refuses_is_refused() -> None:
    (first,) = one_journal(put("notes/one", a=1))
    judge = Judge()
    judge.certain = judge.membership
    judge.bound({})
    judge.take(first)
    assert (judge.held(first.author), judge.kept) == (0, [(BOB_ID, 1)])


def test_nothing_is_taken_of_a_device_whose_admission_may_yet_be_lost() -> None:
    (entry,) = Judge(name="cyd").written(put("notes/one", a=1))
    judge = Judge()
    judge.certain = MEMBERSHIP
    (failed,) = [failed for step in judge.take(entry) for failed in step.failed]
    assert isinstance(failed.error, UnknownDevice)
    assert judge.held(entry.author) == 0


def adopted(judge: Judge, *entries: Entry) -> None:
    """Adopt journals up to some entries, as at the end of a bootstrap."""
    meta: dict[str, bytes | None] = {
        JOURNAL_OWNER + entry.author.hex(): entry.body.device for entry in entries
    }
    batch = Batch(adopted=tuple(entry.head for entry in entries), meta=meta)
    judge.run(judge.pipeline.submit(PlainJob(1, batch)))


def test_what_adopted_journals_hold_leaves_the_quarantine() -> None:
    late = one_journal(put("notes/one", a=1), put("notes/one", b=1))
    cyd = Judge(name="cyd")
    cyd.take(*late)
    built = cyd.written(put("notes/one", c=1), put("notes/own", mine=1), put("notes/own", more=1))
    judge = Judge({late[0].author: 1})
    judge.take(*late, built[0])
    assert judge.kept == [(BOB_ID, 2), (CYD_ID, 1)]
    adopted(judge, late[1], built[1])
    assert judge.kept == []
    assert judge.marked(late[0].author) is judge.marked(built[0].author) is None
    judge.take(built[2], link=6)
    assert judge.held(built[0].author) == 3


def test_more_than_was_adopted_stays_in_quarantine_until_it_counts() -> None:
    late = one_journal(*(put("notes/one", a=n) for n in range(3)))
    judge = Judge({late[0].author: 1})
    judge.take(*late)
    adopted(judge, late[1])
    assert judge.kept == [(BOB_ID, 3)]
    assert judge.marked(late[0].author) == 3


def test_a_journal_whose_end_is_taken_away_is_not_refused_any_more() -> None:
    entries = one_journal(*(put("notes/one", a=n) for n in range(4)))
    judge = Judge({entries[0].author: 2})
    judge.take(*entries)
    assert judge.marked(entries[0].author) == 4
    staging = Staging(judge.pipeline.durable, Replicas(), bytes(32))
    staging.cut((entries[0].head,))
    assert staging.holding.mark(entries[0].author) is None
    assert staging.holding.outcome.lifted
    assert [n for _, n in staging.holding.after.rows] == [3, 4], "the person may want them"
