"""New devices and headers: what they are given is as of the cut, or they are told another one."""

from harness.entropy import seeded
from harness.headers import signed_by
from harness.pairs import say
from harness.proofs import settle
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.kinds import Kind
from p2pvault.core.loads import LoadSnapshots, SnapshotsLoaded
from p2pvault.core.restore import SnapshotsJob
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import inspect_snapshot
from p2pvault.limits import KIB, UPKEEP_PAUSE_S
from p2pvault.node.snapshots import load_snapshots
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.journal import author_id
from p2pvault.protocol.reconcile import Verdict
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.types import JournalId, LinkId, RecordId
from p2pvault.wire.codec import pack

LAST = RecordId(b"\xff" * 16)


def fetching(*last, large=24):
    """Return a world in which dan gets large records from bob, and some behind them."""
    world = World("headers behind a cut")
    ada = world.found("ada")
    for number in range(large):
        world.put(ada, f"contacts/large{number}", blob=seeded(number)(200 * KIB))
    for path in last:
        world.put(ada, path, n=1)
    bob = world.join("bob", ada)
    world.pass_time(4 * UPKEEP_PAUSE_S)
    dan = world.join("dan", ada)
    world.part(ada, dan)
    world.until(lambda: dan.device.pipeline.durable.fetching is not None)
    return world, ada, bob, dan


def header_behind(world, ada, bob):
    """Give bob a header of a new journal of ada's, and the record that it is about."""
    device, journal = ada.id, JournalId(b"j" * 16)
    author = author_id(device, journal)
    fields = [device, journal, 1, bytes(32), *signed_by(ada, bob), ["notes"]]
    say(world, ada, bob, (Kind.ENTRIES, encode_entries([pack(fields)])))
    world.until(lambda: author in bob.device.pipeline.durable.journals)
    record, _ = Record.create(author, "notes", "late", {"text": "of the header"})
    snapshot = inspect_snapshot(record.snapshot(), record.heads)
    job = SnapshotsJob(LinkId(10**6), ada.id, ((LAST, snapshot),), received_bytes=0)
    for effect in bob.device.pipeline.submit(job).effects:
        world._perform(bob, effect)
    world.until(lambda: bool(bob.store.records([LAST])))


def test_a_source_with_a_header_behind_the_cut_gives_records_as_of_another_one():
    world, ada, bob, dan = fetching()
    header_behind(world, ada, bob)
    world.pass_time(10)
    assert dan.reported("link_failed") == []
    assert dan.device.pipeline.durable.fetching is None
    assert dan.store.records([LAST])[0].row.name == "late"
    assert dan.device.pipeline.durable.interest.partial == {"notes"}
    assert dan.verdict(bob) is Verdict.EQUAL


def test_a_header_of_what_the_asker_does_not_keep_is_no_hindrance():
    world, ada, bob, _ = fetching()
    cut = bob.device.pipeline.durable.cut
    last = bob.device.pipeline.durable.last_arrival
    header_behind(world, ada, bob)
    upto = tuple((each.author, each.n) for each in cut)
    vault = bob.device.members.vault
    wanted = LoadSnapshots(LinkId(1), upto, last, None, 1 << 30)
    assert load_snapshots(bob.store, vault, wanted).unknown
    answer = SnapshotsLoaded(LinkId(1), None, ())
    given: list[RecordSnapshot] = []
    while answer.after is not None or not given:
        without = LoadSnapshots(LinkId(1), upto, last, answer.after, 1 << 30, frozenset({"notes"}))
        answer = load_snapshots(bob.store, vault, without)
        assert not answer.unknown
        given += answer.snapshots
    assert len(given) == 24


def test_what_a_source_forgets_half_way_is_known_to_be_missing():
    world, ada, bob, dan = fetching("notes/last", large=48)
    world.give(bob, asks.ForgetRequested(901, "notes", anyway=True))
    world.until(lambda: "notes" in bob.device.pipeline.durable.interest.forgotten)
    assert dan.device.pipeline.durable.fetching is not None
    world.until(lambda: dan.device.pipeline.durable.fetching is None)
    assert dan.store.rows("notes", None, 10) == []
    assert dan.device.pipeline.durable.interest.partial == {"notes"}
    settle(world)
    assert dan.verdict(ada) is dan.verdict(bob) is Verdict.EQUAL
    assert world.value(dan, "notes/last") == {"n": 1}
    assert dan.device.pipeline.durable.interest.partial == set()
    assert not [party for party in world.parties if party.reported("content_differs")]
