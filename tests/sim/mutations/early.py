"""Effects that come before what they speak of is durable."""

from collections.abc import Callable
from dataclasses import replace

from p2pvault.core.device import Device
from p2pvault.core.errands import Then
from p2pvault.core.io import Answer, Effect, Input, Persist
from p2pvault.core.learning import Learning
from p2pvault.core.link import Phase
from p2pvault.core.members import Learned
from p2pvault.core.steps import Circumstances, Done
from p2pvault.types import Instant
from sim.mutations.mutation import Mutation, Replacement


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


_take = Learning.take


def _take_aloud(
    self: Learning,
    now: Instant,
    learned: Learned,
    answer: Answer | None = None,
    then: Then | None = None,
) -> list[Effect]:
    effects = []
    for link in self.links.introduced():
        effects += self.introductions.tell(link, learned.operations)
    return effects + _take(self, now, learned, answer, then)


def _knows_too_early(self: Device, now: Instant) -> Circumstances:
    members = self.members
    return Circumstances(now, members.membership, members.membership, members.heads)


_HASTE = {"rename": 8, "persist_fault_rate": 0.1, "disk_s": 0.1, "pause_s": 0.05}
"""Much is written to the membership log while a slow disk refuses some of it."""

EARLY = (
    Mutation("entries are announced before they are durable", 10, (_then(_announce),)),
    Mutation("entries are acknowledged before they are durable", 20, (_then(_acknowledge),)),
    Mutation(
        "edits are answered before they are durable",
        20,
        (_then(_answer), (Device, "_done", _done_without_answers)),
    ),
    Mutation(
        "membership operations are told before they are durable",
        20,
        ((Learning, "take", _take_aloud),),
        _HASTE,
        oracle="may yet forget",
    ),
    Mutation(
        "entries name operations that are not durable",
        10,
        ((Device, "_circumstances", _knows_too_early),),
        _HASTE,
        oracle="names an operation",
    ),
)
