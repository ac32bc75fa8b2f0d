"""Removed devices, and what they wrote."""

from p2pvault.core.intake import Intake
from p2pvault.core.io import Effect
from p2pvault.core.links import Links
from p2pvault.protocol.journal import Entry
from p2pvault.types import Instant
from sim.mutations.mutation import Mutation
from sim.plan import draw_plan

_REMOVING = {"remove": 3, "part": 3, "mend": 2}


def _counts_always(self: Intake, entry: Entry) -> bool:
    return True


def _ends_nothing(self: Links, now: Instant) -> list[Effect]:
    return []


OUTSIDE = (
    Mutation(
        "entries of a removed device count",
        50,
        ((Intake, "_counts", _counts_always),),
        {"lie": 10, **_REMOVING},
        draw_plan,
        first=34,
    ),
    Mutation("a removal leaves links up", 40, ((Links, "end_removed", _ends_nothing),), _REMOVING),
)
