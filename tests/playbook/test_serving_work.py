"""What a peer asks us to hand out is loaded in portions that are little work."""

from harness.documents import framed
from harness.pipelines import ADA, VAULT, Bench
from harness.world import put
from p2pvault.core.inquiries import LoadWhole, WholeLoaded
from p2pvault.core.loads import LoadSnapshots
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import weigh_stored
from p2pvault.limits import FEED_BYTES_MAX, TEXT_CHARACTERS_MAX
from p2pvault.node.inquiring import inquire
from p2pvault.node.snapshots import load_snapshots
from p2pvault.types import AuthorId, LinkId, RecordId

TEXT = "x " * (TEXT_CHARACTERS_MAX // 2)
"""50 000 operations in 300 bytes."""

RECORDS = 5
LINK = LinkId(1)


def filled() -> tuple[Bench, list[RecordId]]:
    """Return a device with records that are few bytes and much work."""
    ada = Bench(ADA)
    ada.written(*(put(f"notes/{n}", body=TEXT) for n in range(RECORDS)))
    return ada, [row.id for row in ada.store.rows(None, None, 99)]


def test_records_that_a_peer_wants_are_as_much_work_as_one_message_may_be() -> None:
    ada, ids = filled()
    answer = inquire(ada.store, LoadWhole(LINK, tuple(ids), FEED_BYTES_MAX))
    assert isinstance(answer, WholeLoaded)
    assert [each.record for each in answer.records] == ids[:1], "the peer asks for the rest again"


def test_records_of_a_cut_go_out_in_portions_and_none_is_left_out() -> None:
    ada, ids = filled()
    content = ada.pipeline.durable
    upto = tuple((head.author, head.n) for head in content.cut)
    after, found = None, []
    for _ in range(RECORDS + 1):
        load = LoadSnapshots(LINK, upto, content.last_arrival, after, FEED_BYTES_MAX)
        answer = load_snapshots(ada.store, VAULT, load)
        assert len(answer.snapshots) <= 1
        after = answer.after
        found += [each.record for each in answer.snapshots]
    assert found == sorted(ids)
    assert after is None


def test_a_stored_record_weighs_its_operations_and_nothing_where_it_is_torn() -> None:
    record, chunk = Record.create(AuthorId(bytes(16)), "notes", "one", {"body": TEXT})
    for whole in (chunk, record.snapshot()):
        assert TEXT_CHARACTERS_MAX < weigh_stored([whole]) < 1.1 * TEXT_CHARACTERS_MAX
        assert weigh_stored([whole[:-1]]) == 0
    assert weigh_stored([framed(b"")]) == 0
