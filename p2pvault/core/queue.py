"""The jobs that wait, in their order, and the plain ones that failed and are to be tried again.

What was learned of the membership is in force before it is durable. So what is judged by it must
not be durable first: it goes behind a plain job that failed, or fails with it.
"""

from collections import deque
from collections.abc import Callable, Sequence

from p2pvault.core.at_once import PlainJob
from p2pvault.core.jobs import (
    EditJob,
    Job,
    RecordJob,
    goes_with,
    is_judged,
    size_of,
    stored_bytes_of,
    work_of,
)
from p2pvault.limits import EDIT_RECORDS_MAX, ENTRY_CHANGES_MAX, ENTRY_WORK_MAX, FEED_BYTES_MAX


class Queue:
    """First in, first out, but for what failed."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._held: list[PlainJob] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, jobs: Sequence[Job]) -> None:
        """Add jobs at the end; plain ones wait behind those that failed."""
        for job in jobs:
            if self._held and isinstance(job, PlainJob):
                self._held.append(job)
            else:
                self._jobs.append(job)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Put jobs in front, the first of them first."""
        self._jobs.extendleft(reversed(jobs))

    def hold(self, failed: Sequence[Job]) -> None:
        """Keep the plain ones of jobs that failed, to be tried again."""
        self._held += [job for job in failed if isinstance(job, PlainJob)]

    def retry(self) -> None:
        """Put those in front that failed, and those that wait behind them."""
        self.put_back(self._held)
        self._held = []

    def withdraw(self, is_concerned: Callable[[Job], bool]) -> list[Job]:
        """Take out and return the jobs of one kind."""
        queued = list(self._jobs)
        self._jobs = deque(job for job in queued if not is_concerned(job))
        return [job for job in queued if is_concerned(job)]

    def take(self) -> Job:
        """Take out the next job. One that failed comes before what is judged by it."""
        if self._held and is_judged(self._jobs[0]):
            self.retry()
        return self._jobs.popleft()

    def take_companions(self, first: RecordJob) -> list[RecordJob]:
        """Take out the jobs right behind that go into the same batch: fewer, larger commits."""
        room = EDIT_RECORDS_MAX if isinstance(first, EditJob) else ENTRY_CHANGES_MAX
        room -= size_of(first)
        work = ENTRY_WORK_MAX - work_of(first)
        room_bytes = FEED_BYTES_MAX - stored_bytes_of(first)
        companions: list[RecordJob] = []
        while self._jobs:
            companion = self._jobs[0]
            work -= work_of(companion)
            room_bytes -= stored_bytes_of(companion)
            if not goes_with(companion, first) or size_of(companion) > room:
                break
            if work < 0 or room_bytes < 0:
                break
            self._jobs.popleft()
            companions.append(companion)
            room -= size_of(companion)
        return companions
