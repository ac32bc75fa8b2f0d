"""Batches that need no record (operations, keys, addresses) and what follows once they are durable.

What was learned is in force at once, so it has to become durable sooner or later: a batch that did
not fit is tried again. The pipeline keeps it, and sees to it that nothing overtakes it that must
not.
"""

from collections.abc import Callable
from dataclasses import dataclass

from p2pvault.core.at_once import PlainJob
from p2pvault.core.io import Answer, Effect, Refuse, Report
from p2pvault.core.members import Learned, Members
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.steps import Step
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import VaultError
from p2pvault.limits import RETRY_S
from p2pvault.protocol.membership import MembershipLog
from p2pvault.types import Batch, Instant

Then = Callable[[Instant], list[Effect]]
"""What follows once a batch is durable."""

NOTHING_LEARNED = Learned((), {})


@dataclass(slots=True)
class Errand:
    """What to do when a batch is durable.

    Attributes:
        learned: What peers are told then.
        log: The membership log as the store holds it then.
        answer: A local request to answer, with the device that it was about.
        then: What else follows; where nothing was learned, nothing that `status` shows, unless it
            says so.
    """

    learned: Learned
    log: MembershipLog
    answer: Answer | None = None
    then: Then | None = None


class Errands:
    """Every batch of this kind that is not durable yet, in the order in which they were given.

    Attributes:
        retry_at: Monotonic time at which to call `retry`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.retry_at = float("inf")
        self._pipeline = pipeline
        self._awaited: dict[int, Errand] = {}
        self._serial = 0

    @property
    def joining(self) -> bool:
        """Whether somebody became a member, which is not durable here yet."""
        return any(errand.learned.joined for errand in self._awaited.values())

    def save(
        self, batch: Batch, errand: Errand, lacks: frozenset[str] = frozenset()
    ) -> list[Effect]:
        """Make a batch durable, behind all that were given before; `lacks`: see `PlainJob`."""
        self._serial += 1
        self._awaited[self._serial] = errand
        job = PlainJob(self._serial, batch, lacks, errand.log, errand.learned.joined)
        return _begun(self._pipeline.submit(job))

    def settle(self, now: Instant, members: Members, entropy: Entropy) -> list[Effect]:
        """Write what this device owes the vault; at a start too, as a crash may take it."""
        settled = members.settle(now, entropy, self._pipeline.newest)
        if settled.is_nothing:
            return []
        return self.save(settled.batch, Errand(settled, members.log))

    def done(self, name: int) -> Errand:
        """Take note that a batch is durable; return what follows."""
        return self._awaited.pop(name)

    def failed(self, now: Instant, job: PlainJob, error: VaultError) -> list[Effect]:
        """Take note that a batch did not fit; whoever waits for an answer is told."""
        self.retry_at = now.monotonic + RETRY_S
        report = Report("error", "persist_failed", {"reason": error.code})
        errand = self._awaited[job.name]
        answer, errand.answer = errand.answer, None
        return [report] if answer is None else [report, Refuse(answer.request, error)]

    def retry(self, now: Instant) -> list[Effect]:
        """Try again what did not fit, if it is time."""
        if now.monotonic < self.retry_at:
            return []
        self.retry_at = float("inf")
        return _begun(self._pipeline.retry())


def _begun(step: Step) -> list[Effect]:
    assert step.done is None, "nothing is durable the moment it is asked for"
    assert not step.failed, "and nothing fails before it is tried"
    return step.effects
