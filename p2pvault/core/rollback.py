"""A past that this device's store has lost: noticed by what peers hold of its own journals.

A peer that holds more of the journal that this device is writing knows entries that the store
forgot: it was rolled back. A new journal is drawn at once, and the forgotten entries come as any
others do. A peer's mere word is believed once; an entry with our own signature always is.
docs/protocol/journal.md, "Forks", has the rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2pvault.core.content import CLOSED, FORKED
from p2pvault.core.errands import NOTHING_LEARNED, Errand, Errands
from p2pvault.core.io import Effect, Report, StatusChanged
from p2pvault.core.jobs import EntriesJob, entries_of
from p2pvault.core.link import Link
from p2pvault.core.members import Members
from p2pvault.core.pipeline import Pipeline
from p2pvault.core.restore import SnapshotsJob
from p2pvault.errors import Refused
from p2pvault.limits import JOURNALS_ON_WORD_MAX
from p2pvault.protocol.journal import Entry
from p2pvault.types import AuthorId, Batch, DeviceId, Doubt, JournalHead


@dataclass(slots=True)
class Memory:
    """What is kept over restarts.

    Attributes:
        notice: Why the last new journal was drawn; None once content was proved equal after it.
        closed: For each journal of this device that another one replaced, and of which no other
            device's branch was taken up since, the number of the last entry held then.
    """

    notice: Doubt | None
    closed: dict[AuthorId, int]


def memory_of(meta: Mapping[str, bytes]) -> Memory:
    """Return what a store's named values say."""
    notice = meta.get(FORKED)
    closed = {
        AuthorId(bytes.fromhex(name.removeprefix(CLOSED))): int.from_bytes(n, "big")
        for name, n in meta.items()
        if name.startswith(CLOSED)
    }
    return Memory(None if notice is None else Doubt(notice.decode()), closed)


class Rollback:
    """Watches what peers hold of this device's own journals, and draws a new one where it must."""

    def __init__(
        self, members: Members, pipeline: Pipeline, errands: Errands, memory: Memory
    ) -> None:
        self._members = members
        self._pipeline = pipeline
        self._errands = errands
        self._memory = memory
        self._believed: dict[DeviceId, AuthorId] = {}
        self._headed: dict[AuthorId, int] = {}

    @property
    def notice(self) -> Doubt | None:
        """Why this device writes in a new journal, until content was proved equal since."""
        return self._memory.notice

    def check_room(self) -> None:
        """Insist that peers take what this device writes next.

        Raises:
            Refused: It would begin one journal more than a device may have.
        """
        if not self._pipeline.may_write():
            times = self._pipeline.journals
            raise Refused(
                f"this device was restored or copied {times} times, more than peers accept",
                hint="Pair it anew with another --home; what is here stays readable.",
            )

    def examine(self, link: Link) -> list[Effect]:
        """Draw a new journal if a peer holds more of ours than we ever wrote, as far as we know."""
        self._note_proofs()
        author = self._pipeline.author
        theirs, ours = link.peer.journals.get(author), self._pipeline.newest.journals.get(author)
        if theirs is None or theirs.n <= (0 if ours is None else ours.n):
            return []
        return self.believe(link, author)

    def believe(self, link: Link, author: AuthorId) -> list[Effect]:
        """Draw a new journal on a peer's mere word: once, until an entry shows that it was right.

        Any member can say it, and journals are bounded. Without one, nothing is lost either: what
        is written meanwhile may be a second branch, which is mended once it is proved.
        """
        assert link.device is not None, "only members are listened to"
        if link.device in self._believed or self._pipeline.journals >= JOURNALS_ON_WORD_MAX:
            return []
        self._believed[link.device] = author
        return self.renew(author)

    def _note_proofs(self) -> None:
        """Believe again whoever said that we forgot entries, since these are here by now."""
        durable = self._pipeline.durable.journals
        self._believed = {
            device: author
            for device, author in self._believed.items()
            if author not in durable or durable[author].n <= self._unproved(author)
        }

    def _unproved(self, author: AuthorId) -> int:
        """Return how far a journal of ours may reach without a proof that we wrote more of it."""
        return max(self._memory.closed.get(author, 0), self._headed.get(author, 0))

    def _note_headers(self, entries: Sequence[Entry]) -> None:
        """Count no header as a proof: anybody can put a number of our journal on what we signed."""
        for entry in entries:
            if entry.outside and entry.author in self._believed.values():
                n = max(entry.body.n, self._headed.get(entry.author, 0))
                self._headed[entry.author] = n

    def arrived(self, job: EntriesJob | SnapshotsJob) -> list[Effect]:
        """Draw a new journal if entries that we signed go on where ours ends: it forgot them.

        Raises:
            SealBroken: We did not.
        """
        author, entries = self._pipeline.author, entries_of([job])
        self._note_headers(entries)
        ours = self._pipeline.newest.journals.get(author)
        n = 0 if ours is None else ours.n
        whole = (entry for entry in entries if not entry.outside)
        forgotten = next((e for e in whole if e.author == author and e.body.n > n), None)
        if forgotten is None:
            return []
        forgotten.verify(self._members.keys.public.signing)
        return self.renew(author)

    def renew(self, author: AuthorId) -> list[Effect]:
        """Close the journal that is being written, and draw a new one."""
        effects = self._pipeline.renew(Doubt.PEER).effects
        head = self._pipeline.newest.journals.get(author)
        self._memory.notice = Doubt.PEER
        self._memory.closed[author] = 0 if head is None else head.n
        # Whether anybody edits or not, the new journal is durable soon.
        effects += self._errands.save(Batch(), Errand(NOTHING_LEARNED, self._members.log))
        fields = {"reason": Doubt.PEER.value}
        return [*effects, Report("warning", "journal_renewed", fields), StatusChanged()]

    def is_untouched(self, author: AuthorId, head: JournalHead | None) -> bool:
        """Tell whether what is held of a journal of ours is still what we wrote ourselves."""
        is_closed = head is not None and head.n <= self._memory.closed.get(author, -1)
        return is_closed or author == self._pipeline.author

    def retracted(self, author: AuthorId) -> None:
        """Take note that another device's branch of a journal may be taken up from here on."""
        self._memory.closed.pop(author, None)

    def proved(self) -> list[Effect]:
        """Take note that content was proved equal: what was lost is here again."""
        if self._memory.notice is None:
            return []
        self._memory.notice = None
        errand = Errand(NOTHING_LEARNED, self._members.log)
        return self._errands.save(Batch(meta={FORKED: None}), errand)
