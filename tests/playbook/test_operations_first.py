"""What a device learned of the membership is durable before anything that was judged by it."""

from harness.pairs import world_of
from harness.party import Party
from harness.proofs import assert_proved
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.start import stored_members
from p2pvault.protocol.journal import decode_entry


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
