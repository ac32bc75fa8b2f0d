"""What a batch in the making does to the quarantine: entries go in, or leave for their journal."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from p2pvault.core.quarantine import REFUSED, Key, Mark, Quarantine, counts, is_vouched_for
from p2pvault.limits import (
    QUARANTINE_BYTES_MAX,
    QUARANTINE_CHANGES_MAX,
    QUARANTINE_JOURNAL_ENTRIES_MAX,
    QUARANTINE_KEPT_MS,
    QUARANTINE_WORK_MAX,
)
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import (
    AuthorId,
    DeviceId,
    JournalHead,
    QuarantinedEntry,
    QuarantinedRow,
    RecordId,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch did to the quarantine.

    Attributes:
        refused: The marks that moved, which peers are told.
        kept: How many entries went into the quarantine.
        released: How many left it for their journal.
        lifted: Whether marks went, so that peers have to be asked anew.
    """

    refused: tuple[JournalHead, ...] = ()
    kept: int = 0
    released: int = 0
    lifted: bool = False


@dataclass(slots=True)
class _Usage:
    """How much is kept."""

    size: int = 0
    changes: int = 0
    work: int = 0
    journals: Counter[AuthorId] = field(default_factory=Counter)
    records: Counter[RecordId] = field(default_factory=Counter)

    def count(self, row: QuarantinedRow, sign: int = 1) -> None:
        self.size += sign * row.size
        self.changes += sign * len(row.records)
        self.work += sign * row.work
        self.journals[row.author] += sign
        for record in row.records:
            self.records[record] += sign

    @property
    def is_within(self) -> bool:
        return (
            self.size <= QUARANTINE_BYTES_MAX
            and self.changes <= QUARANTINE_CHANGES_MAX
            and self.work <= QUARANTINE_WORK_MAX
        )


class Holding:
    """The quarantine of a batch in the making."""

    def __init__(self, before: Quarantine) -> None:
        self._before = before
        self._rows = dict(before.rows)
        self._marks = dict(before.marks)
        self._added: dict[Key, QuarantinedEntry] = {}
        self._left: list[int] = []
        self._usage: _Usage | None = None
        self._released = 0
        self._lifted = False

    @property
    def is_refusing(self) -> bool:
        """Whether anything is refused, so that others may need what is not here."""
        return bool(self._marks)

    def awaits(self, journals: Mapping[AuthorId, JournalHead], membership: Membership) -> bool:
        """Tell whether any refused entry would be good now, but for what it needs in its turn."""
        return any(
            counts(membership, mark.device, author, _next(journals, author))
            for author, mark in self._marks.items()
        )

    def mark(self, author: AuthorId) -> JournalHead | None:
        """Return how far a journal was refused, or None."""
        mark = self._marks.get(author)
        return None if mark is None else mark.head

    def keeps(self, author: AuthorId, n: int) -> bool:
        """Tell whether an entry is kept here."""
        return (author, n) in self._rows

    def concerns(self, record: RecordId) -> bool:
        """Tell whether a record may be missing because what made it is kept here."""
        return self._counted().records[record] > 0

    def journals_of(self, device: DeviceId) -> frozenset[AuthorId]:
        """Return the refused journals of a device."""
        return frozenset(author for author, mark in self._marks.items() if mark.device == device)

    def refuse(self, entry: Entry, head: JournalHead | None, work: int, now_ms: int) -> None:
        """Refuse an entry; keep it if it continues what is refused and there is room.

        A header is not kept: there is nothing in it that a person could accept.

        Args:
            entry: A checked entry, beyond the journal's mark if it has one.
            head: Where the journal stands in the log.
            work: How much its changes are.
            now_ms: The wall clock, for people and for what gives way.
        """
        before = self.mark(entry.author) or head
        if entry.follows(before) and not entry.outside:
            self._keep(self._row(entry, work, now_ms), entry.data, now_ms)
        self._marks[entry.author] = Mark(entry.body.device, entry.head)

    def _keep(self, row: QuarantinedRow, data: bytes, now_ms: int) -> None:
        key = (row.author, row.n)
        if key in self._rows:
            # A mark was lifted in front of it, so it comes again, now behind what it follows.
            self.drop(key)
        if self._make_room(row, now_ms):
            self._rows[key] = row
            self._added[key] = QuarantinedEntry(row, data)

    def entered(self, head: JournalHead) -> None:
        """Take note that an entry is in its journal now; it leaves the quarantine with that."""
        if (head.author, head.n) in self._rows:
            self._released += 1
            self.drop((head.author, head.n))
        self._pass(head)

    def adopted(self, head: JournalHead) -> None:
        """Take note that a journal is held up to here now, by what records contain."""
        for key in [key for key in self._rows if key[0] == head.author and key[1] <= head.n]:
            self._released += 1
            self.drop(key)
        self._pass(head)

    def cut(self, author: AuthorId) -> None:
        """Forget how far a journal was refused: another branch of it comes now.

        What is kept of the old branch stays, for the person to decide about.
        """
        self._lifted = self._marks.pop(author, None) is not None or self._lifted

    def _pass(self, head: JournalHead) -> None:
        mark = self.mark(head.author)
        if mark is not None and mark.n <= head.n:
            del self._marks[head.author]

    def drop(self, key: Key) -> None:
        """Keep an entry no longer; its journal stays refused as far as it was."""
        assert key not in self._added, "nothing comes and goes with one batch"
        row = self._rows.pop(key)
        self._left.append(row.position)
        if self._usage is not None:
            self._usage.count(row, -1)

    def lift(self, journals: Mapping[AuthorId, JournalHead], membership: Membership) -> None:
        """Forget marks in front of entries that would be good now and are not here.

        They come from peers again, on links that begin without these marks. So do entries that
        are kept and have had their turn, where what they follow cannot be beyond the bounds: it
        comes before them then, or was lost here, which is no reason to wait.
        """
        for author, mark in list(self._marks.items()):
            n = _next(journals, author)
            if not counts(membership, mark.device, author, n):
                continue
            if not self.keeps(author, n) or is_vouched_for(membership, mark.device):
                del self._marks[author]
                self._lifted = True

    def _row(self, entry: Entry, work: int, now_ms: int) -> QuarantinedRow:
        last = next(reversed(self._rows.values()), None)
        return QuarantinedRow(
            position=1 if last is None else last.position + 1,
            author=entry.author,
            n=entry.body.n,
            hash=entry.hash,
            device=entry.body.device,
            since_ms=now_ms,
            size=len(entry.data),
            work=work,
            records=tuple(dict.fromkeys(record for record, _ in entry.body.changes)),
        )

    def _counted(self) -> _Usage:
        """Return how much is kept, which few batches need to know."""
        if self._usage is None:
            self._usage = _usage_of(self._rows.values())
        return self._usage

    def _make_room(self, row: QuarantinedRow, now_ms: int) -> bool:
        """Count a new row in; let old ones give way until it fits, or take it back."""
        usage = self._counted()
        if usage.journals[row.author] >= QUARANTINE_JOURNAL_ENTRIES_MAX:
            return False
        usage.count(row)
        old = (each for each in list(self._rows.values()) if _is_old(each, now_ms))
        while not usage.is_within and (oldest := next(old, None)) is not None:
            self.drop((oldest.author, oldest.n))
        if not usage.is_within:
            usage.count(row, -1)
            return False
        return True

    # What came of it ---------------------------------------------------------------------

    @property
    def after(self) -> Quarantine:
        """The quarantine as it is after the batch."""
        return Quarantine(self._rows, self._marks)

    @property
    def added(self) -> tuple[QuarantinedEntry, ...]:
        """What the store keeps from now on."""
        return tuple(self._added.values())

    @property
    def left(self) -> tuple[int, ...]:
        """The positions that the store keeps no longer."""
        return tuple(self._left)

    @property
    def meta(self) -> dict[str, bytes | None]:
        """The marks that moved or went, as the store keeps them."""
        moved = {REFUSED + head.author.hex(): self._marks[head.author] for head in self._moved()}
        gone = self._before.marks.keys() - self._marks.keys()
        return {
            **{name: mark.to_bytes() for name, mark in moved.items()},
            **{REFUSED + author.hex(): None for author in gone},
        }

    @property
    def outcome(self) -> Outcome:
        """What peers and the log are told."""
        return Outcome(self._moved(), len(self._added), self._released, lifted=self._lifted)

    def _moved(self) -> tuple[JournalHead, ...]:
        return tuple(
            mark.head
            for author, mark in sorted(self._marks.items())
            if self._before.marks.get(author) != mark
        )


def _next(journals: Mapping[AuthorId, JournalHead], author: AuthorId) -> int:
    """Return the number that continues a journal."""
    head = journals.get(author)
    return head.n + 1 if head is not None else 1


def _usage_of(rows: Iterable[QuarantinedRow]) -> _Usage:
    usage = _Usage()
    for row in rows:
        usage.count(row)
    return usage


def _is_old(row: QuarantinedRow, now_ms: int) -> bool:
    return row.since_ms < now_ms - QUARANTINE_KEPT_MS
