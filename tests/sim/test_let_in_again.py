"""What is demanded of a device that was removed and that the recovery key let in again."""

from collections.abc import Iterator

import pytest

from harness.world import put
from p2pvault.core import asks
from sim import fakes
from sim.fate import Fate
from sim.judgement import is_settled, judge
from sim.mutations.table import MUTATIONS
from sim.oracles import Violation
from sim.plan import quiet_plan
from sim.simulation import SimParty, Simulation, setting
from sim.standins import StandIns
from sim.trace import Trace

ALL_ADMINS = 2
"""A seed in which all three devices may remove others."""

(BOXES_FOR_ALL,) = (
    each for each in MUTATIONS if each.name == "the key of an epoch is sent to a removed device"
)


class Scene:
    """Three devices that have met, one of which wrote, and a person who has the recovery key."""

    def __init__(self) -> None:
        self.sim: Simulation = setting(quiet_plan(ALL_ADMINS), Trace(whole=False))
        self.ada, self.bob, self.cyd = self.sim.parties
        edit = put("notes/a", f1="here")
        self.sim.give(self.ada, asks.EditRequested(next(self.sim._requests), (edit,)))
        self.sim.pass_time(5)

    def remove(self, party: SimParty, gone: SimParty) -> None:
        """Let a device remove another one, and all hear of it."""
        self.sim.give(party, asks.RevokeRequested(next(self.sim._requests), gone.id.hex()))
        self.sim.pass_time(60)
        assert not gone.device.members.is_member

    def use_key(self, party: SimParty, *restored: SimParty) -> None:
        """Let the person take the vault over on a device, which names all that stay."""
        names = tuple(each.id.hex() for each in restored)
        request, seed = next(self.sim._requests), self.sim.recovery_seed
        self.sim.give(party, asks.RecoveryRequested(request, seed, restored=names))

    def settle(self) -> None:
        """Wait until all devices are equal."""
        self.sim.pass_time(1_380)
        assert is_settled(self.sim)

    def judge(self) -> None:
        """Judge what became of them; no edit is looked for."""
        judge(self.sim, {}, {})


@pytest.fixture
def scene() -> Iterator[Scene]:
    with StandIns(ALL_ADMINS).installed(), fakes.installed():
        yield Scene()


def test_what_it_wrote_has_no_bound_any_more(scene: Scene) -> None:
    scene.remove(scene.cyd, scene.ada)
    scene.use_key(scene.ada)
    scene.settle()
    scene.judge()


def test_it_is_shut_out_of_what_was_started_before_anybody_knew_of_its_return(scene: Scene) -> None:
    with BOXES_FOR_ALL.installed():
        scene.remove(scene.cyd, scene.ada)
    scene.use_key(scene.ada)
    scene.settle()
    with pytest.raises(Violation, match="has a box for it"):
        scene.judge()


def test_if_it_is_removed_again_it_is_out_again(scene: Scene) -> None:
    scene.remove(scene.cyd, scene.ada)
    scene.use_key(scene.bob, scene.ada)
    scene.settle()
    scene.judge()
    with BOXES_FOR_ALL.installed():
        scene.remove(scene.bob, scene.ada)
    scene.ada.removed = True
    scene.settle()
    with pytest.raises(Violation, match="has a box for it"):
        scene.judge()


def test_who_let_itself_in_again_is_not_taken_for_lost(scene: Scene) -> None:
    removals = Fate(scene.sim)._removals
    removals._feud = {0: (scene.cyd, scene.ada), 1: (scene.ada, scene.cyd)}
    scene.remove(scene.cyd, scene.ada)
    scene.ada.leaving = scene.cyd.leaving = True
    for other in (scene.bob, scene.cyd):
        scene.sim.network.part(scene.ada, other, silent=False)
    scene.use_key(scene.ada)
    scene.sim.pass_time(5)
    removals.see_feud()
    scene.sim.network.mend(wholly=True)
    scene.settle()
    removals.see_feud()
    assert not scene.ada.removed
    scene.judge()
