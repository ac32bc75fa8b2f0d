"""Stores that were put back or copied, and journals with two branches."""

from dataclasses import replace
from typing import Any

from p2pvault.core import pipeline, start
from p2pvault.core.clones import Clones
from p2pvault.core.commit import Commit
from p2pvault.core.content import Content
from p2pvault.core.forks import Forks
from p2pvault.core.io import Effect
from p2pvault.core.link import Link
from p2pvault.core.lookup import Lookup
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.replica import Replica
from p2pvault.core.rollback import Rollback
from p2pvault.crdt.record import Record
from p2pvault.types import AuthorId, Batch, Instant, StoreState
from sim.mutations.mutation import Mutation
from sim.plan import draw_plan
from sim.replacing import replaced

_content_of = start.content_of


def _forgets_own_journal(state: StoreState) -> Content:
    """A device that starts anew numbers its entries anew."""
    content = _content_of(state)
    own = {author for author, device in content.devices.items() if _is_first(content, author)}
    journals = {author: head for author, head in content.journals.items() if author not in own}
    return replace(content, journals=journals)


def _is_first(content: Content, author: Any) -> bool:
    return author == min(content.journals, default=None)


def _goes_on(state: StoreState, entropy: Any, doubt: Any) -> Batch:
    """A store that was put back writes on in its old journal."""
    return Batch()


def _greets(self: Clones, now: Instant, link: Link, run: bytes) -> list[Effect]:
    return []


def _sees_no_fork(self: Forks, link: Link) -> list[Effect]:
    return []


def _takes_no_notice(self: Rollback, job: Any) -> list[Effect]:
    return []


_stage = Pipeline._stage


def _stages_as_before(self: Pipeline, *given: Any) -> None:
    """Draw a new journal, and go on with the actor of the one before."""
    ours = self._writer.journal
    former = [author for author, owner in self._newest.devices.items() if owner == ours.device]
    actor = min(former, default=ours.author)
    with replaced(pipeline, "Lookup", lambda _, *rest: Lookup(actor, *rest)):
        _stage(self, *given)


def _repeats_nothing(self: Commit, replica: Replica, rebuilt: Record) -> None:
    replica.record = rebuilt
    self._staging.touch(replica, self._writer.journal.device).rewrite()


def _makes_nothing(self: Commit, now: Instant, was: Record) -> None:
    pass


def _gives_way_to_anybody(self: Forks, link: Link, author: AuthorId) -> list[Effect]:
    if author in self._retracting or author not in self._pipeline.newest.journals:
        return []
    return self._retract(link, author, 0)


_BACK = {"backup": 3, "restore": 3}
_OFTEN_CHANGED = {"names": 1, "edit": 20, "moves": 60}

BRANCHES = (
    Mutation("a journal starts anew", 10, ((start, "content_of", _forgets_own_journal),)),
    Mutation(
        "a store that was put back writes on in its journal",
        20,
        ((start, "renewed", _goes_on),),
        {"witness_share": 1.0, **_BACK, **_OFTEN_CHANGED},
        oracle="two entries",
    ),
    Mutation(
        "a store that was put back goes on with its actor",
        20,
        ((Pipeline, "_stage", _stages_as_before),),
        {"witness_share": 1.0, **_BACK, **_OFTEN_CHANGED},
        oracle="two changes",
    ),
    Mutation("a copy of a device is not refused", 6, ((Clones, "greeted", _greets),), {"clone": 3}),
    Mutation(
        "forks are not looked for",
        20,
        ((Forks, "examine", _sees_no_fork), (Rollback, "arrived", _takes_no_notice)),
        {"witness_share": 0.0, **_BACK},
        draw_plan,
        first=2,
    ),
    Mutation(
        "a branch goes, and what it did is not repeated",
        40,
        ((Commit, "repeat", _repeats_nothing), (Commit, "make_again", _makes_nothing)),
        {"witness_share": 0.0, **_BACK, **_OFTEN_CHANGED},
    ),
    Mutation(
        "a branch goes without a proof, whoever asks for it",
        40,
        ((Forks, "_told_to_give_way", _gives_way_to_anybody),),
        {"lie": 10},
        first=28,
    ),
)
