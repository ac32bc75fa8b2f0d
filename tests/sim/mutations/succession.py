"""New devices that take a vault over from a backup: whom they remove, and what of theirs counts."""

from collections.abc import Mapping

from p2pvault.core import takeover
from p2pvault.core.content import Content
from p2pvault.core.members import Members
from p2pvault.core.takeover import Takeover
from p2pvault.types import AuthorId, DeviceId
from sim.mutations.mutation import Mutation

_TAKEN_OVER = {"succeed": 6, "edit": 12, "backup": 1}


def _nobody_lost(members: Members, wanted: Takeover) -> set[DeviceId]:
    return set()


def _nothing_seen(content: Content, device: DeviceId) -> Mapping[AuthorId, int]:
    return {}


SUCCESSION = (
    Mutation(
        "a takeover removes nobody",
        10,
        ((takeover, "_lost", _nobody_lost),),
        _TAKEN_OVER,
        oracle="lost devices were removed",
    ),
    Mutation(
        "a takeover says nothing of what it holds of lost devices",
        10,
        ((takeover, "accepted", _nothing_seen),),
        _TAKEN_OVER,
    ),
)
