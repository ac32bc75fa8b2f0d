"""Keeping the store small: entries that all members hold go, crowded records are folded.

One short batch at a time, and only while nothing else waits; when something always does, a batch
every UPKEEP_PATIENCE_S all the same. What is dropped from the log stays in the records, and what
is folded is proved to be the same before the chunks go. Nothing here is urgent: a crash or a full
disk only means that it is found again later.
"""

from collections.abc import Callable, Iterable

from p2pvault.core.acknowledged import Acknowledged
from p2pvault.core.folding import FoldJob
from p2pvault.core.io import Effect, Report
from p2pvault.core.loads import LoadSurplus, SurplusLoaded, SurplusUnknown
from p2pvault.core.members import Members
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.steps import Done
from p2pvault.errors import CrdtError, VaultError
from p2pvault.limits import (
    CHUNKS_BEFORE_FOLD,
    CROWDED_NOTED_MAX,
    CROWDED_RECORDS_MAX,
    FOLD_BYTES,
    FOLD_RECORDS_MAX,
    FREE_PAGES_MAX,
    RELEASE_PAGES,
    UPKEEP_PATIENCE_S,
    UPKEEP_PAUSE_S,
    UPKEEP_STEP_S,
)
from p2pvault.types import AuthorId, Batch, Instant, JournalHead, RecordId, Surplus

Save = Callable[[Batch, Callable[[Instant], list[Effect]]], list[Effect]]
"""Makes a batch durable, sooner or later, and then calls back."""


class Upkeep:
    """What is to be done, and when.

    Attributes:
        wake_at: Monotonic time at which to call `wake`.
    """

    def __init__(
        self, members: Members, pipeline: Pipeline, acknowledged: Acknowledged, save: Save
    ) -> None:
        self.wake_at = float("inf")
        self._members = members
        self._pipeline = pipeline
        self._acknowledged = acknowledged
        self._save = save
        self._crowded: dict[RecordId, int] = {}
        self._searched = False
        self._busy = False
        self._due = False
        self._stepped_at = float("-inf")

    def arm(self, now: Instant) -> None:
        """See whether peers said something new about what they hold."""
        if not self._acknowledged.is_saved:
            self._wake_by(now.monotonic + UPKEEP_PAUSE_S)

    def done(self, now: Instant, done: Done) -> list[Effect]:
        """Take note of a durable batch; do what waited for it to be out of the way."""
        self._note(done.staged.crowded)
        if done.staged.entries or done.staged.crowded or done.erased:
            self._wake_by(now.monotonic + UPKEEP_PAUSE_S)
        return self._step(now) if self._due else []

    def wake(self, now: Instant) -> list[Effect]:
        """Do the next step, if it is time."""
        if now.monotonic < self.wake_at:
            return []
        self.wake_at, self._due = float("inf"), True
        return self._step(now)

    def failed(self, job: FoldJob, error: VaultError) -> list[Effect]:
        """Take note that records could not be folded: each is tried alone, once."""
        self._busy = False
        if not isinstance(error, CrdtError):
            self._searched = False
            return []
        if len(job.records) > 1:
            self._note((record, FOLD_BYTES) for record in job.records)
            return []
        fields = {"record": job.records[0].hex(), "reason": error.code}
        return [Report("error", "fold_failed", fields)]

    def answered(self, now: Instant, answer: SurplusLoaded | SurplusUnknown) -> list[Effect]:
        """Take what the store could do without out of it; where it cannot say, later."""
        self._busy = False
        return [] if isinstance(answer, SurplusUnknown) else self._thin_out(now, answer.surplus)

    def _thin_out(self, now: Instant, surplus: Surplus) -> list[Effect]:
        self._note(surplus.crowded)
        self._searched = self._searched or len(surplus.crowded) < CROWDED_RECORDS_MAX
        batch = Batch(
            acknowledged=self._acknowledged.take_unsaved(),
            dropped=self._still_droppable(surplus),
            release_pages=_excess(surplus),
        )
        if batch != Batch():
            self._busy = True
            return self._save(batch, self._saved)
        if self._crowded or not self._searched:
            self._wake_by(now.monotonic + UPKEEP_STEP_S)
        return []

    def _saved(self, now: Instant) -> list[Effect]:
        self._busy = False
        self._wake_by(now.monotonic + UPKEEP_STEP_S)
        return []

    def _step(self, now: Instant) -> list[Effect]:
        if self._busy:
            return []
        patience_ends = self._stepped_at + UPKEEP_PATIENCE_S
        if not self._pipeline.is_idle and now.monotonic < patience_ends:
            self._wake_by(patience_ends)
            return []
        self._due, self._stepped_at = False, now.monotonic
        if self._crowded:
            self._wake_by(now.monotonic + UPKEEP_STEP_S)
            return self._fold()
        self._busy = True
        return [LoadSurplus(self._upto(), None if self._searched else CHUNKS_BEFORE_FOLD)]

    def _fold(self) -> list[Effect]:
        records: list[RecordId] = []
        room_bytes = FOLD_BYTES
        for record, size in self._crowded.items():
            if records and (size > room_bytes or len(records) == FOLD_RECORDS_MAX):
                break
            records.append(record)
            room_bytes -= size
        for record in records:
            del self._crowded[record]
        return self._pipeline.submit(FoldJob(tuple(records))).effects

    def _note(self, crowded: Iterable[tuple[RecordId, int]]) -> None:
        self._crowded.update(crowded)
        while len(self._crowded) > CROWDED_NOTED_MAX:
            self._crowded.popitem()
            self._searched = False

    def _upto(self) -> tuple[tuple[AuthorId, int], ...]:
        content = self._pipeline.durable
        held = self._acknowledged.held_by_all(self._members.others, content.journals)
        # What lies before a base cannot be sent to anybody, whoever lacks it.
        return tuple(
            (author, max(n - self._is_last(author, n), content.bases.get(author, 0)))
            for author, n in held.items()
        )

    def _is_last(self, author: AuthorId, n: int) -> bool:
        """Tell whether an entry has to stay: should its author be rolled back, it proves that."""
        return bool(self._members.others) and n == self._pipeline.durable.journals[author].n

    def _still_droppable(self, surplus: Surplus) -> tuple[JournalHead, ...]:
        """Return what may go as of now: a peer may have come back with less meanwhile."""
        upto = dict(self._upto())
        return tuple(head for head in surplus.dropped if head.n <= upto.get(head.author, 0))

    def _wake_by(self, at: float) -> None:
        self.wake_at = min(self.wake_at, at)


def _excess(surplus: Surplus) -> int:
    """Return how many pages to release: some are kept, since what is written next takes them."""
    kept = max(FREE_PAGES_MAX, surplus.pages // 32)
    return max(0, min(RELEASE_PAGES, surplus.free_pages - kept))
