"""Late entries of one journal at one pipeline: what becomes of each, act by act.

The events are those of docs/protocol/membership.md, "Quarantine".
"""

from collections.abc import Callable
from random import Random

from harness.diagrams import Arrow
from harness.judge import Judge
from p2pvault.core.quarantine import LiftJob, ReleaseJob
from p2pvault.errors import VaultError
from p2pvault.limits import QUARANTINE_KEPT_MS
from p2pvault.protocol.journal import Entry
from p2pvault.types import Instant

ROOM = "another one needs its room"
ACCEPTED = "the person accepts it"
DROPPED = "the person drops it"


class Entries:
    """The entries of a removed device's journal, and the pipeline that judges them.

    Args:
        entries: All of the journal, in order.
        room: For how many entries there is room in the quarantine.
    """

    def __init__(self, entries: list[Entry], room: int) -> None:
        self.seen: set[Arrow] = {("[*]", "", "absent")}
        self._entries = entries
        self._author = entries[0].author
        self._room = room
        self._judge = Judge({})
        self._bound = 0
        self._links = 5

    def where(self, n: int) -> str:
        judge = self._judge
        if n <= judge.held(self._author):
            return "journal"
        if (self._author, n) in judge.quarantine.rows:
            return "kept"
        return "refused" if n <= (judge.marked(self._author) or 0) else "absent"

    def note(self, event: Callable[[int], str], act: Callable[[], object]) -> None:
        """Note what an act changed, with what it was to each entry."""
        numbers = range(1, len(self._entries) + 1)
        before = {n: (self.where(n), event(n) + self._unmarked(n, event(n))) for n in numbers}
        act()
        for n, (state, name) in before.items():
            if self.where(n) != state:
                self.seen.add((state, name, self.where(n)))

    def _unmarked(self, n: int, event: str) -> str:
        """Tell, of what leaves the quarantine, that no mark is on it any more."""
        leaves = event in (ROOM, ACCEPTED, DROPPED)
        return " with no mark on it" if leaves and n > (self._mark or 0) else ""

    @property
    def _mark(self) -> int | None:
        return self._judge.marked(self._author)

    def do_anything(self, random: Random) -> None:
        """Do one thing that a peer, the membership, the person or time can do."""
        acts: list[Callable[[], None]] = [
            *6 * [lambda: self.arrive(random.choice(self._entries))],
            *4 * [self.arrive_next],
            self.count_further,
            *2 * [self.try_again],
            *2 * [self.lift],
            lambda: self.settle(repeat=random.random() < 0.5),
            self.grow_old,
        ]
        random.choice(acts)()

    def arrive_next(self) -> None:
        """Let the entry come that follows what is here or refused."""
        n = max(self._judge.held(self._author), self._mark or 0)
        if n < len(self._entries):
            self.arrive(self._entries[n])

    def arrive(self, entry: Entry) -> None:
        self._links += 1
        arrival = self._arrival(entry)

        def event(n: int) -> str:
            if n == entry.body.n:
                return arrival
            return "a later one is refused" if n < entry.body.n else ""

        def named(n: int) -> str:
            kept = self.where(n) == "kept"
            return ROOM if kept and n != entry.body.n else event(n)

        steps = []
        self.note(named, lambda: steps.extend(self._judge.take(entry, link=self._links)))
        for step in steps:
            for failed in step.failed:
                assert isinstance(failed.error, VaultError), "a gap, which ends the link"

    def _arrival(self, entry: Entry) -> str:
        held, marked = self._judge.held(self._author), self._mark
        n = entry.body.n
        if n <= self._bound and n == held + 1 and marked is None:
            return "it arrives and counts"
        old = self._judge.now.wall_ms - QUARANTINE_KEPT_MS
        rows = list(self._judge.quarantine.rows.values())
        has_room = sum(row.since_ms >= old for row in rows) < self._room
        follows = n == (marked or held) + 1
        return (
            "it arrives and has to wait"
            if has_room and follows
            else "it arrives and cannot be kept"
        )

    def count_further(self) -> None:
        """Let members state that one entry more of the journal counts."""
        self._bound = min(self._bound + 1, len(self._entries))
        self._judge.bound({self._author: self._bound})

    def try_again(self) -> None:
        for row in list(self._judge.quarantine.rows.values()):
            job = ReleaseJob(row)
            self.note(
                lambda _: "it counts and is tried again",
                lambda job=job: self._judge.run(self._judge.pipeline.submit(job)),
            )

    def lift(self) -> None:
        submit = self._judge.pipeline.submit
        self.note(lambda _: "the mark is lifted", lambda: self._judge.run(submit(LiftJob())))

    def settle(self, *, repeat: bool) -> None:
        name = ACCEPTED if repeat else DROPPED
        self.note(lambda _: name, lambda: self._judge.settle(repeat=repeat))

    def grow_old(self) -> None:
        now = self._judge.now
        self._judge.now = Instant(now.monotonic, now.wall_ms + QUARANTINE_KEPT_MS + 1)
