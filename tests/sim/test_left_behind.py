"""What is owed of an edit that its author forgot, and that a device holds which is removed."""

from collections.abc import Iterator

import pytest

from sim import fakes
from sim.fate import Fate
from sim.holdings import fields_of
from sim.plan import quiet_plan
from sim.simulation import SimParty, Simulation, setting
from sim.standins import StandIns
from sim.trace import Trace

ALL_ADMINS = 2
"""A seed in which all three devices may remove others."""


class Scene:
    """Three devices, and what befalls the third one."""

    def __init__(self) -> None:
        self.sim: Simulation = setting(quiet_plan(ALL_ADMINS), Trace(whole=False))
        self.fate = Fate(self.sim)
        self.ada, self.bob, self.cyd = self.sim.parties
        membership = self.cyd.device.members.membership
        assert membership.is_admin(self.cyd.id), "the roles follow from the seed"
        self.fate._setbacks.backup(self.cyd)

    def part(self, *others: SimParty) -> None:
        """Let nothing pass between these devices."""
        for one in others:
            for other in others:
                if one is not other:
                    self.sim.network.part(one, other, silent=False)

    def mend(self, one: SimParty, other: SimParty) -> None:
        """Let two devices find each other again."""
        for pair in ((one.name, other.name), (other.name, one.name)):
            del self.sim.network._barriers[pair]
        self.sim.pass_time(120)

    def edit(self) -> str:
        """Let the third device answer an edit, and others take it; return its field."""
        self.fate.edit(self.cyd)
        self.sim.pass_time(5)
        (field,) = self.owed
        return field

    def forget_and_remove(self) -> None:
        """Put the third device back to before it all; its person removes the first one there."""
        self.part(self.ada, self.cyd)
        self.part(self.bob, self.cyd)
        self.fate._setbacks.restore(self.cyd)
        self.sim.pass_time(60)
        assert not fields_of(self.cyd.disk)
        self.fate._removals.let_go(self.cyd, self.ada)
        self.sim.pass_time(5)

    @property
    def owed(self) -> set[str]:
        """What the third device answered and somebody has to hold."""
        return self.fate.acknowledged().get("cyd", set())


@pytest.fixture
def scene() -> Iterator[Scene]:
    with StandIns(ALL_ADMINS).installed(), fakes.installed():
        yield Scene()


def test_what_only_a_removed_device_holds_is_not_owed(scene: Scene) -> None:
    scene.part(scene.ada, scene.bob)
    scene.part(scene.bob, scene.cyd)
    field = scene.edit()
    scene.forget_and_remove()
    assert scene.owed == {field}, "it may yet reach another device"
    scene.mend(scene.bob, scene.cyd)
    scene.fate.play()
    assert field in fields_of(scene.ada.disk)
    assert field not in scene.owed


def test_what_nobody_holds_any_more_is_owed(scene: Scene) -> None:
    scene.sim.left_behind.note({"cyd": {scene.edit(), "gone"}})
    scene.ada.removed = scene.bob.removed = True
    assert not scene.sim.left_behind.fields


def test_what_others_hold_too_is_owed(scene: Scene) -> None:
    field = scene.edit()
    scene.forget_and_remove()
    scene.fate.play()
    assert field in scene.owed
    assert field in fields_of(scene.bob.disk) & fields_of(scene.cyd.disk)


def test_what_others_got_before_the_removal_did_is_owed_again(scene: Scene) -> None:
    scene.part(scene.ada, scene.bob)
    scene.part(scene.bob, scene.cyd)
    field = scene.edit()
    scene.forget_and_remove()
    scene.mend(scene.ada, scene.bob)
    assert field in fields_of(scene.bob.disk)
    scene.fate.play()
    assert field in scene.owed
    assert field in fields_of(scene.cyd.disk)


def test_a_removal_that_was_asked_for_at_the_last_moment_is_waited_for(scene: Scene) -> None:
    scene.fate._removals.let_go(scene.cyd, scene.ada)
    scene.fate.play()
    assert scene.ada.removed
