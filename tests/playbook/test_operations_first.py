"""What a device learned of the membership is durable before anything that was judged by it."""

import pytest

from harness.entropy import seeded
from harness.pairs import say, world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.kinds import Kind
from p2pvault.core.start import stored_members
from p2pvault.crdt.record import Record
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.protocol.entries import encode_entries
from p2pvault.protocol.introduction import encode_operations
from p2pvault.protocol.journal import Journal, Writer, decode_entry, write_entry
from p2pvault.protocol.membership import DeviceCard
from p2pvault.types import JournalId, RecordId, Role


def three() -> tuple[World, Party, Party, Party]:
    world, (ada, bob, cyd) = world_of(3)
    world.put(ada, "notes/first", n=1)
    assert_proved(world)
    return world, ada, bob, cyd


def rename(world: World, party: Party, name: str) -> None:
    asked = lambda request: asks.RenameRequested(request, party.id.hex(), name)  # noqa: E731
    world.ask(party, asked)


def assert_log_covers_entries(party: Party) -> None:
    """Check that a store holds every operation that an entry in it knows of."""
    log = stored_members(party.store.state()).log
    for stored in party.store.entries(0, 1 << 30):
        body = decode_entry(stored.data, log.vault).body
        assert set(body.heads) <= {operation.hash for operation in log.operations}
        assert stored_members(party.store.state()).membership.keys_of(body.device) is not None


def test_an_operation_that_did_not_fit_goes_before_the_entries_that_know_of_it() -> None:
    world, ada, bob, _ = three()
    bob.disk_full = True
    rename(world, ada, "anna")
    assert bob.reported("persist_failed")
    bob.disk_full = False
    world.put(ada, "notes/second", n=2)
    assert world.value(bob, "notes/second") == {"n": 2}, "before it tries again by itself"
    assert_log_covers_entries(bob)
    assert_proved(world)


def test_no_entry_is_taken_while_what_it_knows_of_does_not_fit() -> None:
    world, ada, bob, _ = three()
    bob.disk_full = True
    rename(world, ada, "anna")
    world.put(ada, "notes/second", n=2)
    assert world.value(bob, "notes/second") is None
    assert not bob.linked(ada)
    bob.disk_full = False
    world.pass_time(120)
    assert_log_covers_entries(bob)
    assert_proved(world)


@pytest.mark.parametrize("seed", range(8))
def test_entries_of_somebody_new_are_taken_right_behind_the_operations_that_admit_it(
    seed: int,
) -> None:
    """Both are under way to the disk then; which step is first depends on the seed."""
    world, (ada, bob) = world_of(2, seed, shuffled=True)
    keys, members = DeviceKeys.generate(seeded("dan")), ada.device.members
    card = DeviceCard(keys.public, "dan", "computer")
    learned = members.admit(world.now, seeded("admission"), card, Role.MEMBER)
    ada.device.handle = lambda now, given: []  # type: ignore[method-assign]  # it only listens
    journal = Journal(members.vault, card.id, JournalId(b"j" * 16))
    _, change = Record.create(journal.author, "notes", "new", {"by": "dan"})
    made = [(RecordId(b"r" * 16), change)]
    entry = write_entry(Writer(journal, keys), None, members.heads, world.now.wall_ms, made)
    said = [
        (Kind.OPERATIONS, body) for body in encode_operations(o.data for o in learned.operations)
    ]
    say(world, ada, bob, *said, (Kind.ENTRIES, encode_entries([entry.data])))
    world.run()
    assert world.value(bob, "notes/new") == {"by": "dan"}
    assert not bob.reported("link_failed")
    assert not bob.reported("entries_quarantined")
    assert_log_covers_entries(bob)
