"""A source with a damaged record: everything else arrives, and the damage is told and mended."""

import pytest

from harness.damage import held
from harness.memory_store import MemoryStore
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core.loads import LoadSnapshots
from p2pvault.errors import StoreCorrupt
from p2pvault.limits import BACKOFF_MAX_S, UPKEEP_PAUSE_S
from p2pvault.node.snapshots import load_snapshots
from p2pvault.protocol.reconcile import Verdict
from p2pvault.types import LinkId, RecordId, StoredRecord

RECORDS = 6


def filled() -> tuple[World, Party]:
    """Return a world of one device that keeps no entry of its records."""
    world = World("damaged")
    ada = world.found("ada")
    for number in range(RECORDS):
        world.put(ada, f"notes/{number}", text="x" * 40)
    world.pass_time(3 * UPKEEP_PAUSE_S)
    assert ada.store.entries(0, 1 << 40) == []
    return world, ada


def damage(world: World, party: Party, path: str) -> RecordId:
    """Flip one bit of a record, and forget the sound copy in memory."""
    stored = held(party.store, path)
    chunk = bytearray(stored.chunks[0])
    chunk[-3] ^= 1
    party.store.damage(StoredRecord(stored.row, (bytes(chunk),)))
    world.restart(party)
    return stored.row.id


def names(party: Party) -> list[str]:
    return sorted(row.name for row in party.store.rows(None, None, 99))


def test_one_damaged_record_keeps_no_other_from_a_new_device() -> None:
    world, ada = filled()
    record = damage(world, ada, "notes/3")
    bob = world.join("bob", ada)
    world.pass_time(60)
    assert names(bob) == [str(n) for n in range(RECORDS) if n != 3]
    assert bob.device.pipeline.durable.fetching is None
    assert not bob.reported("link_failed")
    assert record.hex() in {report.fields["record"] for report in ada.reported("record_damaged")}
    assert ada.verdict(bob) is bob.verdict(ada) is Verdict.CONTRADICTION, "never called the same"
    world.put(ada, "notes/after", n=1)
    world.put(bob, "notes/too", n=1)
    world.pass_time(5)
    assert world.value(bob, "notes/after") == {"n": 1}
    assert names(ada) == sorted([*names(bob), "3"])


def test_a_damaged_record_that_was_changed_behind_the_cut_is_left_out_too() -> None:
    world, ada = filled()
    cut = ada.device.pipeline.durable.cut
    world.put(ada, "notes/3", more=1)
    record = damage(world, ada, "notes/3")
    upto = tuple((each.author, each.n) for each in cut)
    vault = ada.device.members.vault
    load = LoadSnapshots(LinkId(1), upto, ada.device.pipeline.durable.last_arrival, None, 1 << 20)
    found = load_snapshots(ada.store, vault, load)
    assert found.damaged == (record,)
    assert len(found.snapshots) == RECORDS - 1


def test_a_third_device_gives_what_the_source_has_lost() -> None:
    world, ada = filled()
    cyd = world.join("cyd", ada)
    world.pass_time(3 * UPKEEP_PAUSE_S)
    assert_proved(world)
    world.offline(cyd)
    damage(world, ada, "notes/3")
    bob = world.join("bob", ada)
    world.pass_time(20)
    assert len(names(bob)) == RECORDS - 1
    world.heal()
    world.pass_time(4 * BACKOFF_MAX_S)
    assert bob.verdict(cyd) is bob.verdict(ada) is Verdict.EQUAL
    assert world.values(bob) == world.values(cyd)
    assert len(world.values(bob)) == RECORDS


class TornStore(MemoryStore):
    """One whose pages of one record cannot be read."""

    torn = RecordId(bytes(16))

    def records(self, ids: list[RecordId]) -> list[StoredRecord]:
        if self.torn in ids:
            raise StoreCorrupt("a torn page")
        return super().records(ids)

    def records_behind(self, after: RecordId | None, bytes_max: int) -> list[StoredRecord]:
        found = super().records_behind(after, bytes_max)
        if self.torn in {each.row.id for each in found}:
            raise StoreCorrupt("a torn page")
        return found


@pytest.mark.parametrize("bytes_max", [1, 1 << 20])
@pytest.mark.parametrize("which", [0, 3, RECORDS - 1])
def test_pages_that_cannot_be_read_take_only_their_record(which: int, bytes_max: int) -> None:
    _, ada = filled()
    ada.store.__class__ = TornStore
    ids = [record.row.id for record in MemoryStore.records_behind(ada.store, None, 1 << 20)]
    ada.store.torn = ids[which]
    content = ada.device.pipeline.durable
    upto = tuple((each.author, each.n) for each in content.cut)
    sent, damaged, after = [], [], None
    for _ in range(RECORDS + 1):
        load = LoadSnapshots(LinkId(1), upto, content.last_arrival, after, bytes_max)
        found = load_snapshots(ada.store, ada.device.members.vault, load)
        sent += [each.record for each in found.snapshots]
        damaged += found.damaged
        after = found.after
        if after is None:
            break
    assert after is None
    assert (sent, damaged) == ([each for each in ids if each != ids[which]], [ids[which]])
