"""What a person is shown of the quarantine, read from a store."""

from automerge import core

from harness.judge import BOB_ID, Judge, one_journal
from harness.pipelines import BOB, NOW, VAULT
from harness.world import put
from p2pvault.core.quarantine import SettleJob
from p2pvault.crypto.keys import author_id
from p2pvault.node import quarantine
from p2pvault.node.port import QuarantinedDevice
from p2pvault.node.quarantine import read_quarantine
from p2pvault.protocol.journal import Journal, Writer, write_entry
from p2pvault.types import Instant, JournalId, RecordId


def read(judge: Judge) -> list[QuarantinedDevice]:
    return read_quarantine(judge.store, judge.pipeline.author, VAULT, lambda device: "bob")


def test_records_are_named_by_their_path_where_it_can_be_known(monkeypatch) -> None:
    entries = one_journal(
        put("notes/here", a=1), put("notes/here", a=2), put("notes/new", a=1), put("notes/new", a=2)
    )
    judge = Judge({entries[0].author: 1})
    judge.take(*entries[:3])
    judge.now = Instant(NOW.monotonic, NOW.wall_ms + 5_000)
    judge.take(entries[3])
    (shown,) = read(judge)
    assert shown == QuarantinedDevice(
        device=BOB_ID,
        name="bob",
        entries=3,
        records=2,
        paths=("notes/here", "notes/new"),
        size=sum(len(entry.data) for entry in entries[1:]),
        first_ms=NOW.wall_ms,
        last_ms=NOW.wall_ms + 5_000,
    )
    monkeypatch.setattr(quarantine, "QUARANTINE_PATHS_MAX", 1)
    (shown,) = read(judge)
    assert (shown.records, shown.paths) == (2, ("notes/here",))


def test_a_record_whose_beginning_is_not_there_is_named_by_its_id() -> None:
    first, second = one_journal(put("notes/one", a=1), put("notes/one", a=2))
    judge = Judge({})
    judge.take(first, second)
    (row, *_) = judge.quarantine.rows.values()
    judge.run(judge.pipeline.submit(SettleJob(1, (row,), repeat=False)))
    (shown,) = read(judge)
    assert shown.paths == (f"id:{first.body.changes[0][0].hex()}",)


def test_a_change_that_makes_no_record_is_named_by_its_id() -> None:
    document = core.Document(actor_id=author_id(BOB_ID, JournalId(b"x" * 16)))
    with document.transaction() as transaction:
        transaction.put(core.ROOT, "something", core.ScalarType.Int, 1)
    change = document.get_last_local_change()
    assert change is not None
    writer = Writer(Journal(VAULT, BOB_ID, JournalId(b"x" * 16)), BOB)
    entry = write_entry(writer, None, (), 0, [(RecordId(bytes(16)), change.raw_bytes)])
    judge = Judge({})
    judge.take(entry)
    (shown,) = read(judge)
    assert shown.paths == (f"id:{entry.body.changes[0][0].hex()}",)


def test_an_empty_quarantine_is_an_empty_list() -> None:
    assert read(Judge({})) == []
