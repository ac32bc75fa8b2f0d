"""Stores that were put back or copied, and journals with two branches."""

from dataclasses import replace
from typing import Any

from p2pvault.core import start
from p2pvault.core.clones import Clones
from p2pvault.core.content import Content
from p2pvault.core.forks import Forks
from p2pvault.core.io import Effect
from p2pvault.core.link import Link
from p2pvault.core.rollback import Rollback
from p2pvault.types import Batch, Instant, StoreState
from sim.mutations.mutation import Mutation
from sim.plan import draw_plan

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


BRANCHES = (
    Mutation("a journal starts anew", 10, ((start, "content_of", _forgets_own_journal),)),
    Mutation(
        "a store that was put back writes on in its journal",
        30,
        ((start, "renewed", _goes_on),),
        {"backup": 3, "restore": 3, "witness_share": 1.0},
    ),
    Mutation("a copy of a device is not refused", 6, ((Clones, "greeted", _greets),), {"clone": 3}),
    Mutation(
        "forks are not looked for",
        20,
        ((Forks, "examine", _sees_no_fork), (Rollback, "arrived", _takes_no_notice)),
        {"backup": 3, "restore": 3, "witness_share": 0.0},
        draw_plan,
        first=2,
    ),
)
