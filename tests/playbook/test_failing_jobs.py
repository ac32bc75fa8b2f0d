"""What a person asks to be repaired, and corrections that the disk does not take."""

from dataclasses import replace

import pytest

from harness.damage import held
from harness.pairs import world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World, put
from p2pvault.core.inquiries import RepairRequested
from p2pvault.core.io import Report
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import StoreFull
from p2pvault.node.inquiring import wrong_fingerprints
from p2pvault.types import Fingerprint, RecordId

Wrong = tuple[tuple[Fingerprint, Fingerprint], ...]


def two() -> tuple[World, Party, Party]:
    world, (ada, bob) = world_of(2)
    world.edit(ada, *[put(f"notes/{n}", n=n) for n in range(4)])
    world.run()
    assert_proved(world)
    return world, ada, bob


def miscount(party: Party) -> Wrong:
    """Have a store say another number of records than it has; return what an audit finds."""
    (counted,) = party.store.collections()
    party.store.miscount(replace(counted, total=counted.total ^ 1, count=99))
    found = wrong_fingerprints(party.store, fingerprint_key(party.device.members.vault))
    assert [(each.count, right) for each, right in found] == [(99, counted)]
    return found


def repair(world: World, party: Party, records: tuple[RecordId, ...], wrong: Wrong) -> object:
    return world.ask(party, lambda request: RepairRequested(request, records, wrong, 0))


def test_records_that_a_person_wants_repaired_come_from_the_peer() -> None:
    world, _, bob = two()
    good = [held(bob.store, f"notes/{n}") for n in range(2)]
    world.restart(bob)
    world.run()
    for record in good:
        bob.store.damage(replace(record, chunks=(b"\x00" * 9,)))
    assert repair(world, bob, tuple(record.row.id for record in good), ()) == ()
    assert [world.value(bob, f"notes/{n}") for n in range(2)] == [{"n": 0}, {"n": 1}]
    assert_proved(world)


def test_a_repair_that_nobody_can_help_with_is_answered_all_the_same() -> None:
    world, ada, bob = two()
    world.offline(bob)
    assert repair(world, ada, (held(ada.store, "notes/0").row.id,), ()) == ()


def test_fingerprints_are_written_right_when_a_person_asks() -> None:
    world, _, bob = two()
    world.restart(bob)
    wrong = miscount(bob)
    world.restart(bob)
    assert repair(world, bob, (), wrong) == ()
    assert bob.store.collections() == [right for _, right in wrong]


def test_a_full_disk_refuses_the_correction_that_a_person_asked_for() -> None:
    world, ada, _ = two()
    ada.disk_full = True
    wrong = ((Fingerprint("notes", 0, 0), Fingerprint("notes", 7, 1)),)
    before = ada.store.collections()
    with pytest.raises(StoreFull):
        repair(world, ada, (), wrong)
    failed = Report("error", "persist_failed", {"reason": "disk_full"})
    assert ada.reported("persist_failed") == [failed]
    ada.disk_full = False
    world.put(ada, "notes/more", n=1)
    assert ada.store.collections() != before
    assert_proved(world)


def test_a_full_disk_keeps_a_wrong_fingerprint_and_the_next_link_writes_it_right() -> None:
    world, _, bob = two()
    world.offline(bob)
    ((_, right),) = miscount(bob)
    world.restart(bob)
    bob.disk_full = True
    world.online(bob)
    world.pass_time(10)
    assert bob.reported("repair_begun")
    assert bob.reported("persist_failed")
    assert not bob.reported("fingerprints_corrected")
    assert bob.answers == {}, "nobody asked"
    assert [each.count for each in bob.store.collections()] == [99]
    bob.disk_full = False
    world.offline(bob)
    world.online(bob)
    world.pass_time(120)
    assert bob.store.collections() == [right]
    assert bob.reported("fingerprints_corrected")
    assert_proved(world)
