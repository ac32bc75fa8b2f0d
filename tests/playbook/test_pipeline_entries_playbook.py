"""The pipeline: what it takes of peers' entries, and what it refuses."""

from dataclasses import replace

import pytest

from harness.entropy import seeded
from harness.pipelines import ADA, BOB, LOG, NOW, VAULT, Bench, bob, one
from harness.world import put
from p2pvault.core.intake import check_author
from p2pvault.core.io import LoadRecords, Persist
from p2pvault.core.jobs import EntriesJob
from p2pvault.core.quarantine import counts
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.errors import (
    ChangeRefused,
    MissingChanges,
    SealBroken,
    UnexpectedMessage,
    UnknownDevice,
)
from p2pvault.limits import (
    JOURNALS_PER_DEVICE_MAX,
)
from p2pvault.protocol.journal import Journal, Writer, decode_entry, write_entry
from p2pvault.protocol.membership import Author, evaluate
from p2pvault.protocol.membership.write import revoke
from p2pvault.types import AuthorId, JournalId, LinkId, RecordId, StoredRecord


def test_entries_load_their_records_once_and_tell_what_changed():
    bench, other = Bench(), bob()
    entries = other.written(put("notes/one", a=1), put("notes/one", b=2), put("notes/two", c=3))
    load = one(bench.entries(5, *entries), LoadRecords)
    assert len(load.ids) == 2
    persist = one(bench.load(load), Persist)
    assert [entry.arrival for entry in persist.batch.entries] == [1, 2, 3]
    assert len(persist.batch.records) == 2
    done = bench.persist(persist).done
    assert {(c.path, c.fields) for c in done.staged.changes} == {
        ("notes/one", ("a", "b")),
        ("notes/two", ("c",)),
    }
    assert bench.pipeline.durable.digest == other.pipeline.durable.digest
    assert bench.pipeline.durable.journals_of(other.journal.device) == (entries[-1].head,)


def test_entries_that_are_held_already_are_passed_over():
    bench, other = Bench(), bob()
    first, second = other.written(put("notes/one", a=1), put("notes/one", b=2))
    bench.run(bench.entries(5, first))
    steps = bench.run(bench.entries(5, first, second, second))
    assert [entry.n for entry in steps[-1].done.staged.entries] == [2]


def failure(bench, *entries):
    (failed,) = [failed for step in bench.run(bench.entries(5, *entries)) for failed in step.failed]
    return failed.error


def test_an_entry_that_leaves_a_gap_is_refused():
    _, second = bob().written(put("notes/one", a=1), put("notes/one", b=2))
    assert isinstance(failure(Bench(), second), UnexpectedMessage)


def test_a_second_entry_with_one_number_makes_its_journal_contested_and_is_not_taken():
    bench = Bench()
    (first,) = bob().written(put("notes/one", a=1))
    fork, behind = bob().written(put("notes/one", a=2), put("notes/one", a=3))
    bench.run(bench.entries(5, first))
    contested = set()
    job = EntriesJob(LinkId(5), (fork, behind), contested=contested)
    assert not [failed for step in bench.run(bench.pipeline.submit(job)) for failed in step.failed]
    assert contested == {first.author}
    assert bench.pipeline.durable.journals[first.author] == first.head


def test_what_builds_on_another_branch_is_not_taken_though_the_fork_shows_in_the_same_batch():
    bench = bob()
    (first,) = Bench().written(put("notes/else", a=1))
    gone = Bench()
    (fork,) = gone.written(put("notes/one", a=2))
    follower = Bench(name="ada again")
    follower.run(follower.entries(5, fork))
    behind = follower.written(put("notes/one", b=3))
    bench.run(bench.entries(5, first))
    before = bench.store.state()
    contested = set()
    job = EntriesJob(LinkId(5), (fork, *behind), contested=contested)
    (failed,) = [failed for step in bench.run(bench.pipeline.submit(job)) for failed in step.failed]
    assert isinstance(failed.error, MissingChanges)
    assert failed.job.entries == tuple(behind)
    assert contested == {fork.author}
    assert bench.store.state() == before


@pytest.mark.parametrize("doubt", [{"contested": {AuthorId(bytes(16))}}, {"whole": True}, {}])
def test_of_a_damaged_copy_nobody_can_say_that_it_lacks_no_branch(doubt):
    bench = bob()
    first, second = Bench().written(put("notes/one", a=1), put("notes/one", b=2))
    bench.run(bench.entries(5, first))
    (row,) = bench.store.find("notes", "one")
    bench.store.damage(StoredRecord(row, (b"nothing",)))
    bench.restart()
    steps = bench.run(bench.pipeline.submit(EntriesJob(LinkId(5), (second,), **doubt)))
    taken = [done.staged.damaged for step in steps if (done := step.done) is not None]
    assert taken == ([] if doubt else [(row.id,)])
    assert bench.pipeline.durable.journals[first.author].n == (1 if doubt else 2)


def test_an_entry_that_does_not_follow_the_last_one_held_contests_its_journal_too():
    bench = Bench()
    (first,) = bob().written(put("notes/one", a=1))
    _, behind, last = bob().written(*[put("notes/one", a=n) for n in (2, 3, 4)])
    bench.run(bench.entries(5, first))
    contested = set()
    job = EntriesJob(LinkId(5), (behind,), contested=contested)
    assert not [failed for step in bench.run(bench.pipeline.submit(job)) for failed in step.failed]
    assert contested == {first.author}
    assert bench.pipeline.durable.journals[first.author] == first.head
    assert isinstance(failure(bench, last), UnexpectedMessage), "whatever the branch, one lacks"


def test_a_second_entry_with_one_number_that_its_author_did_not_sign_is_refused():
    bench = Bench()
    (first,) = bob().written(put("notes/one", a=1))
    (fork,) = bob().written(put("notes/one", a=2))
    bench.run(bench.entries(5, first))
    forged = replace(fork, signature=bytes(64))
    assert isinstance(failure(bench, forged), SealBroken)


def test_nobody_else_writes_in_the_journal_that_is_written_here():
    entries = Bench().written(put("notes/one", a=1))
    assert isinstance(failure(Bench(), *entries), UnexpectedMessage)


def test_an_entry_of_nobody_in_the_vault_is_refused():
    stranger = Bench(DeviceKeys.generate(seeded("eve")), "eve")
    (entry,) = stranger.written(put("notes/one", a=1))
    assert isinstance(failure(Bench(), entry), UnknownDevice)


def test_an_entry_with_a_broken_signature_is_refused():
    (entry,) = bob().written(put("notes/one", a=1))
    forged = decode_entry(entry.data[:-1] + bytes([entry.data[-1] ^ 1]), VAULT)
    assert isinstance(failure(Bench(), forged), SealBroken)


def signed_by_bob(changes, journal=b"x" * 16):
    other = bob()
    writer = Writer(Journal(VAULT, other.journal.device, JournalId(journal)), BOB)
    return write_entry(writer, None, (), NOW.wall_ms, changes)


def test_a_change_that_is_none_is_refused():
    entry = signed_by_bob([(RecordId(bytes(16)), b"no change at all")])
    assert isinstance(failure(Bench(), entry), ChangeRefused)


def test_a17_a_change_in_the_name_of_another_is_refused():
    (entry,) = bob().written(put("notes/one", a=1))
    stolen = signed_by_bob(entry.body.changes)
    assert isinstance(failure(Bench(), stolen), UnexpectedMessage)


def test_a_refused_batch_leaves_its_good_entries_to_be_taken_alone():
    bench, other = Bench(), bob()
    first, second = other.written(put("notes/one", a=1), put("notes/one", b=2))
    bad = signed_by_bob([(RecordId(bytes(16)), b"no change at all")])
    start = bench.edit(1, put("notes/x", n=1))
    for entry in (first, bad, second):
        bench.entries(5, entry)
    steps = bench.run(start)
    assert [len(failed.job.entries) for step in steps for failed in step.failed] == [1]
    assert bench.pipeline.durable.journals[second.author].n == 2


def test_good_entries_of_one_message_are_taken_without_the_bad_one_among_them():
    bench, other = Bench(), bob()
    first, second = other.written(put("notes/one", a=1), put("notes/one", b=2))
    bad = signed_by_bob([(RecordId(bytes(16)), b"no change at all")])
    steps = bench.run(bench.entries(5, first, bad, second))
    assert [failed.job.entries for step in steps for failed in step.failed] == [(bad,)]
    assert bench.pipeline.durable.journals.keys() == {second.author}
    assert bench.pipeline.durable.journals[second.author].n == 2


def test_what_came_over_a_link_that_failed_is_dropped_and_nothing_else():
    bench, other = Bench(), bob()
    loading, waiting = other.written(put("notes/one", a=1), put("notes/one", b=2))
    load = one(bench.entries(5, loading), LoadRecords)
    bench.entries(5, waiting)
    edit = bench.edit(1, put("notes/mine", n=1))
    assert edit.effects == [], "one load at a time"
    bench.pipeline.abandon(LinkId(5))
    steps = bench.run(bench.load(load))
    assert [failed for step in steps for failed in step.failed] == []
    assert bench.pipeline.durable.journals.keys() == {bench.journal.author}


def test_a_device_writes_no_more_journals_than_its_share():
    bench = Bench()
    for number in range(JOURNALS_PER_DEVICE_MAX + 1):
        other = Bench(BOB, f"bob {number}")
        (entry,) = other.written(put(f"notes/{number}", n=1))
        steps = bench.run(bench.entries(5, entry))
    assert steps[-1].failed[0].error.code == "limit"
    assert len(bench.pipeline.durable.journals) == JOURNALS_PER_DEVICE_MAX


def test_a_vault_with_as_many_journals_as_fit_a_have_takes_no_more(monkeypatch):
    # 4 096 journals of 64 devices take too long to write here.
    monkeypatch.setattr("p2pvault.core.intake.JOURNALS_MAX", 3)
    bench = Bench()
    for number in range(4):
        other = Bench(BOB, f"bob {number}")
        (entry,) = other.written(put(f"notes/{number}", n=1))
        steps = bench.run(bench.entries(5, entry))
    assert steps[-1].failed[0].error.code == "limit"
    assert len(bench.pipeline.durable.journals) == 3


def test_the_removed_write_up_to_what_was_stated():
    other = bob()
    first, second = other.written(put("notes/one", a=1), put("notes/one", b=2))
    author = Author(ADA, seeded("x"), 0)
    membership = evaluate(revoke(LOG, author, other.journal.device, {first.author: 1}).log)
    for entry, good in ((first, True), (second, False)):
        check_author(entry, membership)
        assert counts(membership, other.journal.device, entry.author, entry.body.n) is good
