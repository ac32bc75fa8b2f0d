"""Known bugs, put into the core for the time of a run: the simulator has to find each of them.

Every one is a mistake that somebody could make: an effect too early, a check left out, a state kept
too long. The core knows nothing of them; functions are replaced from outside, and put back.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from p2pvault.core import start
from p2pvault.core.clones import Clones
from p2pvault.core.content import Content, Tally
from p2pvault.core.device import Device
from p2pvault.core.forks import Forks
from p2pvault.core.intake import Intake
from p2pvault.core.io import Answer, Effect, Input, Persist
from p2pvault.core.link import Feed, Link, Phase
from p2pvault.core.links import Links
from p2pvault.core.members import Learned
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.repair import Repair
from p2pvault.core.replica import Replicas
from p2pvault.core.replication import Replication
from p2pvault.core.rollback import Rollback
from p2pvault.core.steps import Circumstances, Done, Step
from p2pvault.errors import VaultError
from p2pvault.node import audit
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.reconcile import Journals, Peer, Verdict
from p2pvault.types import Batch, DeviceId, Instant, RecordRow, StoredRecord, StoreState
from sim.plan import Plan, draw_plan, draw_short_plan
from sim.replacing import replaced

Replacement = tuple[object, str, Any]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One bug.

    Attributes:
        name: What is wrong.
        seeds: Within how many seeds it has to be found, wherever one begins to look.
        replacements: Owners, names of their attributes, and what stands there instead.
        plan: What is played besides what a seed drew, for bugs that few seeds can meet.
        draw: What draws plans: short ones, unless those hardly ever meet the bug.
        first: The seed to begin with, where looking from 0 on takes long.
    """

    name: str
    seeds: int
    replacements: tuple[Replacement, ...]
    plan: Mapping[str, float] = field(default_factory=dict)
    draw: Callable[[int], Plan] = draw_short_plan
    first: int = 0

    def plan_of(self, seed: int) -> Plan:
        """Return the plan of a seed, with what this bug needs and without what takes long."""
        return replace(self.draw(seed), **{**_CALM, **self.plan})

    @property
    def plans(self) -> Iterator[Plan]:
        """The plans of which one has to find it."""
        return (self.plan_of(self.first + each) for each in range(self.seeds))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the core have the bug within the block."""
        with ExitStack() as stack:
            for owner, name, new in self.replacements:
                stack.enter_context(replaced(owner, name, new))
            yield


# Too early -----------------------------------------------------------------------------------


def _then(more: Callable[[Device, Instant, Done], list[Effect]]) -> Replacement:
    """Do something as soon as a batch was handed to the disk."""
    handle = Device.handle

    def mutated(self: Device, now: Instant, given: Input) -> list[Effect]:
        effects = handle(self, now, given)
        if any(isinstance(effect, Persist) for effect in effects):
            prepared = self.pipeline._persisting
            assert prepared is not None, "it was just handed over"
            effects += more(self, now, prepared.done)
        return effects

    return Device, "handle", mutated


def _announce(device: Device, now: Instant, done: Done) -> list[Effect]:
    return device._announce(now, done) if done.staged.entries else []


def _acknowledge(device: Device, now: Instant, done: Done) -> list[Effect]:
    link = device.links[done.link] if done.link is not None else None
    if link is None or link.phase is not Phase.UP:
        return []
    content = done.staged.content
    heads = tuple(content.journals[author] for author in sorted(content.journals))
    return device._replication._have(link, heads, content)


def _answer(_: Device, __: Instant, done: Done) -> list[Effect]:
    return [Answer(request, edited) for request, edited in done.answers]


_done = Device._done


def _done_without_answers(self: Device, now: Instant, done: Done) -> list[Effect]:
    return _done(self, now, replace(done, answers=()))


_learn = Device._learn


def _learn_aloud(
    self: Device,
    now: Instant,
    learned: Learned,
    answer: Answer | None = None,
    *,
    admits: DeviceId | None = None,
) -> list[Effect]:
    effects = []
    for link in self.links.introduced():
        effects += self._introductions.tell(link, learned.operations)
    return effects + _learn(self, now, learned, answer, admits=admits)


# Left out ------------------------------------------------------------------------------------


_replace = Tally.replace


def _count_new_records_only(self: Tally, old: RecordRow | None, new: RecordRow) -> None:
    if old is None:
        _replace(self, old, new)


def _never_take_away(self: Tally, old: RecordRow | None, new: RecordRow) -> None:
    _replace(self, None, new)


_is_new = Intake._is_new


def _takes_again(self: Intake, entry: Entry) -> bool:
    head = self._staging.head(entry.author)
    return (head is not None and entry.body.n <= head.n) or _is_new(self, entry)


def _takes_what_follows(self: Intake, entry: Entry) -> bool:
    head = self._staging.head(entry.author)
    return head is None or entry.body.n > head.n


def _counts_always(self: Intake, entry: Entry) -> bool:
    return True


def _ends_nothing(self: Links, now: Instant) -> list[Effect]:
    return []


def _contains(self: Peer, journals: Journals, content: bytes) -> Verdict:
    """Equal where the peer holds nothing that we lack."""
    if self.content is None:
        return Verdict.APART
    lacking = any(journals.get(author) != head for author, head in self.journals.items())
    return Verdict.APART if lacking else Verdict.EQUAL


def _announces_only(
    self: Replication, now: Instant, link: Link, content: Content, entries: Any
) -> list[Effect]:
    effects = self._send_live(link, content, entries) if link.feed.at_tail else []
    moved = sorted({entry.author for entry in entries})
    heads = tuple(content.journals[author] for author in moved)
    return [*effects, *self._have(link, heads, content)]


def _never_dead(self: Link, now: Instant) -> bool:
    return self.phase is not Phase.UP and now.monotonic >= self.deadline


# Kept too long -------------------------------------------------------------------------------


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


_note_up = Links._note_up


def _keeps_verdict(self: Links, now: Instant, link: Link, standing: Any) -> None:
    verdict = standing.verdict
    _note_up(self, now, link, standing)
    standing.verdict = verdict


_content_of = start.content_of


def _forgets_own_journal(state: StoreState) -> Content:
    """A device that starts anew numbers its entries anew."""
    content = _content_of(state)
    own = {author for author, device in content.devices.items() if _is_first(content, author)}
    journals = {author: head for author, head in content.journals.items() if author not in own}
    return replace(content, journals=journals)


def _is_first(content: Content, author: Any) -> bool:
    return author == min(content.journals, default=None)


_CALM = {"edit_bulky": 0, "restore": 0, "clone": 0, "flip": 0, "feud": 0}
"""What mutations do not need unless they say so; large values also take long."""


def _goes_on(state: StoreState, entropy: Any, doubt: Any) -> Batch:
    """A store that was put back writes on in its old journal."""
    return Batch()


def _greets(self: Clones, now: Instant, link: Link, run: bytes) -> list[Effect]:
    return []


def _sees_no_fork(self: Forks, link: Link) -> list[Effect]:
    return []


def _takes_no_notice(self: Rollback, job: Any) -> list[Effect]:
    return []


def _finds_all_sound(stored: StoredRecord) -> bool:
    return True


def _asks_nobody(self: Repair, link: Link) -> list[Effect]:
    return []


def _knows_too_early(self: Device, now: Instant) -> Circumstances:
    members = self.members
    return Circumstances(now, members.membership, members.membership, members.heads)


_window = property(lambda self: 1 << 40)
_unblocked = property(lambda self: False)

_REMOVING = {"remove": 3, "part": 3, "mend": 2}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("entries are announced before they are durable", 10, (_then(_announce),)),
    Mutation("entries are acknowledged before they are durable", 20, (_then(_acknowledge),)),
    Mutation(
        "edits are answered before they are durable",
        20,
        (_then(_answer), (Device, "_done", _done_without_answers)),
    ),
    Mutation(
        "membership operations are told before they are durable",
        60,
        ((Device, "_learn", _learn_aloud),),
        {"rename": 6, "crash_rate": 0.02},
        draw_plan,
        first=52,
    ),
    Mutation(
        "fingerprints count new records only", 10, ((Tally, "replace", _count_new_records_only),)
    ),
    Mutation("fingerprints keep old states", 10, ((Tally, "replace", _never_take_away),)),
    Mutation("entries are taken twice", 30, ((Intake, "_is_new", _takes_again),)),
    Mutation(
        "a gap in a journal is accepted",
        30,
        ((Intake, "_is_new", _takes_what_follows),),
        {"lie": 6},
    ),
    Mutation(
        "entries of a removed device count",
        50,
        ((Intake, "_counts", _counts_always),),
        {"lie": 10, **_REMOVING},
        draw_plan,
        first=34,
    ),
    Mutation("a removal leaves links up", 40, ((Links, "end_removed", _ends_nothing),), _REMOVING),
    Mutation("“same” means that the peer has nothing new", 3, ((Peer, "compare", _contains),)),
    Mutation(
        "a local edit leaves “same” standing", 3, ((Replication, "announce", _announces_only),)
    ),
    Mutation("a new link begins with the old verdict", 20, ((Links, "_note_up", _keeps_verdict),)),
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
    Mutation("a journal starts anew", 10, ((start, "content_of", _forgets_own_journal),)),
    Mutation(
        "a feed stops after one load",
        30,
        ((Replication, "loaded", _stops_feeding),),
        {"edit_bulky": 2, "crash": 2},
    ),
    Mutation(
        "the window of a link is ignored",
        6,
        ((Peer, "window_bytes", _window), (Feed, "is_blocked", _unblocked)),
        {"edit_bulky": 2, "crash": 2},
        draw_plan,
    ),
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
    Mutation(
        "a flipped bit is not noticed", 30, ((audit, "is_sound", _finds_all_sound),), {"flip": 6}
    ),
    Mutation("damage is not fetched again", 20, ((Repair, "_ask", _asks_nobody),), {"flip": 6}),
    Mutation(
        "entries name operations that are not durable",
        60,
        ((Device, "_circumstances", _knows_too_early),),
        {"remove": 4, "persist_fault_rate": 0.1},
        draw_plan,
        first=35,
    ),
)
