"""What a device owes about a removal it still owes after a restart."""

from harness.pairs import world_of
from p2pvault.core import asks
from p2pvault.limits import BACKOFF_MAX_S
from p2pvault.protocol.reconcile import Verdict


def test_a_statement_that_a_crash_took_is_made_at_the_next_start():
    world, (ada, bob, cyd) = world_of(3)
    world.part(ada, bob)
    world.part(bob, cyd)
    world.run()
    world.put(ada, "notes/one", text="a")
    world.run()
    assert world.value(cyd, "notes/one") == {"text": "a"}
    world.offline(ada)
    world.ask(bob, lambda n: asks.RevokeRequested(n, ada.id.hex()))
    before = len(cyd.store.state().operations)
    world.mend()
    for party in (bob, cyd):
        world.online(party)
    world.until(lambda: len(cyd.store.state().operations) > before)
    world.restart(cyd)
    world.pass_time(2 * BACKOFF_MAX_S)
    assert world.value(bob, "notes/one") == {"text": "a"}
    assert bob.verdict(cyd) is cyd.verdict(bob) is Verdict.EQUAL
