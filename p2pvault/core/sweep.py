"""When entries in quarantine are tried again, and what peers are told about the quarantine.

There is a reason when members state that more of a journal counts, when a device is admitted
again, or when something is applied that others waited for. A round tries every entry that counts
by itself, in the order in which they arrived; what still waits stays. A round that let something
go, or that new statements began, ends with lifting marks (see `Holding.lift`), and every link
then begins anew, since peers were told that these entries are not wanted.
"""

from collections import deque

from p2pvault.core.content import Content
from p2pvault.core.io import Effect, Report
from p2pvault.core.links import Links
from p2pvault.core.quarantine import (
    LiftJob,
    Quarantine,
    ReleaseJob,
    counts,
    is_vouched_for,
    unblocked,
)
from p2pvault.core.replication import Replication
from p2pvault.core.steps import Done
from p2pvault.errors import StoreError, VaultError
from p2pvault.limits import RELEASE_ENTRIES_MAX, RETRY_S
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import Instant


class Sweep:
    """The rounds of one device.

    Attributes:
        retry_at: Monotonic time at which to call `due` again, after a round that did not fit.
    """

    def __init__(self, links: Links, replication: Replication) -> None:
        self.retry_at = float("inf")
        self._links = links
        self._replication = replication
        self._judged_by: Membership | None = None
        self._wanted = False
        self._lifts = False
        self._round: deque[ReleaseJob | LiftJob] = deque()
        self._pending = 0
        self._released = 0

    def due(
        self, now: Instant, content: Content, membership: Membership
    ) -> list[ReleaseJob | LiftJob]:
        """Return the next jobs of a round, if there is a reason for one and none are under way."""
        if membership is not self._judged_by:
            before, self._judged_by = self._judged_by, membership
            self._compare(content.quarantine, before, membership)
        if now.monotonic >= self.retry_at:
            self.retry_at, self._wanted = float("inf"), True
        if self._pending or not (self._wanted or self._round):
            return []
        if not self._round:
            self._begin(content.quarantine, membership)
        jobs = [self._round.popleft() for _ in range(min(len(self._round), RELEASE_ENTRIES_MAX))]
        self._pending = len(jobs)
        return jobs

    def _begin(self, quarantine: Quarantine, membership: Membership) -> None:
        rows = unblocked(quarantine.rows.values(), membership)
        self._round.extend(ReleaseJob(row) for row in rows)
        if self._lifts:
            self._round.append(LiftJob())
        self._wanted = self._lifts = False
        self._released = 0

    def done(self, now: Instant, done: Done, membership: Membership) -> list[Effect]:
        """Take note that a batch is durable; tell peers what was refused in it."""
        content, outcome = done.staged.content, done.staged.quarantine
        for judge in done.judged_by:
            if judge is not membership:
                self._compare(content.quarantine, judge, membership)
        self._released += outcome.released
        self._retried(done.retried)
        if self._frees(done, membership):
            self._wanted = True
        effects: list[Effect] = []
        for link in self._links.up():
            effects += self._replication.refuse(link, outcome.refused)
        if outcome.refused:
            fields = {"entries": outcome.kept}
            effects.append(Report("warning", "entries_quarantined", fields))
        if outcome.lifted:
            for link in self._links.up():
                effects += self._links.close(now, link)
        return effects

    def failed(self, now: Instant, error: VaultError) -> list[Effect]:
        """Take note that a job of a round came to nothing; its entry stays in quarantine."""
        self._retried(1)
        report = Report("error", "release_failed", {"reason": error.code})
        if not isinstance(error, StoreError):
            return [report]
        known, self._lifts = self.retry_at < float("inf"), True
        self._round.clear()
        self.retry_at = now.monotonic + RETRY_S
        return [] if known else [report]

    def _retried(self, jobs: int) -> None:
        self._pending -= jobs
        if jobs and not self._pending and not self._round and self._released:
            self._wanted = self._lifts = True

    def _compare(
        self, quarantine: Quarantine, before: Membership | None, after: Membership
    ) -> None:
        """Begin a round if more may be good of a journal with a mark than was."""
        if any(
            before is None
            or before.acceptance(mark.device, author) != after.acceptance(mark.device, author)
            or is_vouched_for(before, mark.device) != is_vouched_for(after, mark.device)
            for author, mark in quarantine.marks.items()
        ):
            self._wanted = self._lifts = True

    def _frees(self, done: Done, membership: Membership) -> bool:
        """Tell whether a batch changed something that the first entry of a journal waits for."""
        content, quarantine = done.staged.content, done.staged.content.quarantine
        moved = {entry.author for entry in done.staged.entries}
        for author in quarantine.marks if moved else ():
            head = content.journals.get(author)
            row = quarantine.rows.get((author, head.n + 1 if head is not None else 1))
            if row is None or not counts(membership, row.device, author, row.n):
                continue
            if author in moved or not done.staged.touched.isdisjoint(row.records):
                return True
        return False
