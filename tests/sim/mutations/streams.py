"""What is sent, and what is taken, on links that break and over disks that fail."""

from typing import Any

from p2pvault.core.content import Content
from p2pvault.core.intake import Intake
from p2pvault.core.io import Effect
from p2pvault.core.link import Feed, Link, Phase
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.replica import Replicas
from p2pvault.core.replication import Replication
from p2pvault.core.steps import Step
from p2pvault.errors import VaultError
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.reconcile import Peer
from p2pvault.types import Instant
from sim.mutations.mutation import Mutation
from sim.plan import draw_plan

_is_new = Intake._is_new


def _takes_again(self: Intake, entry: Entry) -> bool:
    head = self._staging.head(entry.author)
    return (head is not None and entry.body.n <= head.n) or _is_new(self, entry)


def _takes_what_follows(self: Intake, entry: Entry) -> bool:
    head = self._staging.head(entry.author)
    return head is None or entry.body.n > head.n


def _never_dead(self: Link, now: Instant) -> bool:
    return self.phase is not Phase.UP and now.monotonic >= self.deadline


def _keeps(self: Replicas) -> None:
    """Replicas that were changed by a batch that failed stay."""


_persist_failed = Pipeline.persist_failed


def _forgets_what_waits(self: Pipeline, batch: int, error: VaultError) -> Step:
    """What was staged behind a batch that failed goes with it, and nobody is told."""
    behind = self._waiting.jobs if self._waiting is not None else ()
    step = _persist_failed(self, batch, error)
    step.failed = [failed for failed in step.failed if failed.job not in behind]
    return step


_begin = Replication.begin


def _sent_is_delivered(self: Replication, link: Link, content: Content) -> list[Effect]:
    """What was sent on one link is not sent on the next."""
    delivered = vars(self).setdefault("_delivered", {})
    link.peer.covered = delivered.setdefault(link.device, {})
    return _begin(self, link, content)


_loaded = Replication.loaded


def _stops_feeding(self: Replication, link: Link, answer: Any, content: Content) -> list[Effect]:
    effects = _loaded(self, link, answer, content)
    if not link.feed.loading:
        link.feed.at_tail = True
    return effects


_window = property(lambda self: 1 << 40)
_unblocked = property(lambda self: False)

STREAMS = (
    Mutation("entries are taken twice", 30, ((Intake, "_is_new", _takes_again),)),
    Mutation(
        "a gap in a journal is accepted",
        30,
        ((Intake, "_is_new", _takes_what_follows),),
        {"lie": 6},
    ),
    Mutation("silence is not noticed", 20, ((Link, "is_dead", _never_dead),), {"cut": 4}),
    Mutation("replicas survive a batch that failed", 30, ((Replicas, "clear", _keeps),)),
    Mutation(
        "what waits behind a batch that fails is forgotten",
        40,
        ((Pipeline, "persist_failed", _forgets_what_waits),),
        {"persist_fault_rate": 0.1, "pause_s": 0.05, "disk_s": 0.1},
    ),
    Mutation(
        "what was sent counts as delivered", 20, ((Replication, "begin", _sent_is_delivered),)
    ),
    Mutation(
        "a feed stops after one load",
        30,
        ((Replication, "loaded", _stops_feeding),),
        {"edit_bulky": 2, "crash": 2},
    ),
    Mutation(
        "the window of a link is ignored",
        20,
        ((Peer, "window_bytes", _window), (Feed, "is_blocked", _unblocked)),
        {"edit_bulky": 2, "crash": 2},
        draw_plan,
        first=23,
    ),
)
