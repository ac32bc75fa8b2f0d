"""Erasing what is stored of collections that are not kept, one short batch after the other.

First the entries that only concern them become headers, while the records still say which ones
those are; then the records go, and with each batch their part of the fingerprint. So the store
checks out after every step, and a crash in between means that it goes on where it was.
"""

from p2pvault.core.at_once import EraseJob, InterestJob
from p2pvault.core.interest import Interest
from p2pvault.core.io import Effect, Report
from p2pvault.core.loads import ForgottenLoaded, ForgottenUnknown, LoadForgotten
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.steps import Done
from p2pvault.errors import VaultError
from p2pvault.limits import ERASE_RETRY_S
from p2pvault.types import Instant


class Erasing:
    """One step at a time, and none while the store refuses.

    Attributes:
        retry_at: Monotonic time at which to call `go_on`, whatever else happens; a step failed.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.retry_at = float("inf")
        self._pipeline = pipeline
        self._busy = False
        self._turn = -1
        self._after = 0

    def go_on(self, now: Instant) -> list[Effect]:
        """Ask for the next things to erase, if there are any and no step is under way."""
        interest = self._pipeline.durable.interest
        if now.monotonic >= self.retry_at:
            self.retry_at = float("inf")
        is_resting = self.retry_at < float("inf")
        if self._busy or is_resting or not interest.erasing:
            return []
        if self._pipeline.newest.interest.turn != interest.turn:
            return []
        if self._turn != interest.turn:
            self._turn, self._after = interest.turn, 0
        self._busy = True
        collection, upto = min(interest.erasing.items())
        return [LoadForgotten(self._turn, collection, interest.forgotten, self._after, upto)]

    def loaded(self, now: Instant, answer: ForgottenLoaded | ForgottenUnknown) -> list[Effect]:
        """Take what the store found."""
        if isinstance(answer, ForgottenUnknown):
            return self.failed(now, answer.error)
        collection = answer.asked.collection
        if answer.asked.turn != self._pipeline.newest.interest.turn:
            self._busy = False
            return []
        self._after = answer.after
        if answer.is_last:
            turn = answer.asked.turn
            job: EraseJob | InterestJob = InterestJob(lambda it: _erased(it, collection, turn))
            self._busy = False
        else:
            job = EraseJob(answer.asked.turn, tuple(answer.rows), tuple(answer.headers))
        return self._pipeline.submit(job).effects

    def done(self, done: Done) -> None:
        """Take note of a durable batch, whose ever it is: the store takes them again."""
        self.retry_at = float("inf")
        if done.erased:
            self._busy = False

    def rest(self, now: Instant) -> None:
        """Wait until the store has taken something else, or for a while where nothing comes."""
        self._busy, self.retry_at = False, now.monotonic + ERASE_RETRY_S

    def failed(self, now: Instant, error: VaultError) -> list[Effect]:
        """Take note that a step came to nothing."""
        self.rest(now)
        return [Report("error", "erasing_failed", {"reason": error.code})]


def _erased(interest: Interest, collection: str, turn: int) -> Interest:
    """Return an interest without the mark, unless it has changed since the store was asked."""
    return interest.erased(collection) if interest.turn == turn else interest
