"""A batch in the making: what one commit or one load of entries changes, all or nothing.

A staging works on the shared replicas and on the newest content. If it fails half way, the
pipeline throws it and the replicas away; nothing of it was durable or visible.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from p2pvault.core.arrears import ARREARS, Arrear, check_room
from p2pvault.core.content import FETCHING, JOURNAL_OWNER, Content, Tally
from p2pvault.core.holding import Holding, Outcome
from p2pvault.core.interest import Interest
from p2pvault.core.io import Change
from p2pvault.core.replica import Replica, Replicas
from p2pvault.core.selector import path_of
from p2pvault.protocol.bootstrap import Fetching, beginning, encode_progress
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import (
    AuthorId,
    Batch,
    DeviceId,
    Heads,
    JournalHead,
    RecordId,
    RecordRow,
    RecordWrite,
    StoredEntry,
)


@dataclass(slots=True)
class Touched:
    """One record within a batch: where it stood before, and what came since."""

    replica: Replica
    before: RecordRow | None
    heads_before: Heads
    device: DeviceId
    changes: list[bytes] = field(default_factory=list)

    def rewrite(self) -> None:
        """Write the whole record anew; its value is what it was, so nobody is to be told."""
        self.replica.chunks = 0
        self.changes = [self.replica.record.snapshot()]


@dataclass(frozen=True, slots=True)
class Staged:
    """A finished staging.

    Attributes:
        batch: What to persist.
        content: What the device holds once that is durable.
        entries: The new entries, in order of arrival.
        changes: For watchers; empty when nobody watches.
        touched: The records that stay pinned until the batch is durable.
        made: Paths of records that nobody finds in the store before, being new or deleted there.
        crowded: Records that should be folded, and their bytes.
        quarantine: What became of the quarantine.
        damaged: Records whose changes were left out, since the copy here is damaged.
        diminished: Records whose damaged copy had changes that the one in its place lacks.
    """

    batch: Batch
    content: Content
    entries: tuple[StoredEntry, ...]
    changes: tuple[Change, ...]
    touched: frozenset[RecordId]
    made: tuple[tuple[str, RecordId], ...]
    crowded: tuple[tuple[RecordId, int], ...] = ()
    quarantine: Outcome = field(default_factory=Outcome)
    damaged: tuple[RecordId, ...] = ()
    diminished: tuple[RecordId, ...] = ()


class Staging:
    """Collects entries and record changes on top of a content.

    Attributes:
        holding: The quarantine on top of that content.
        interest: Which collections are kept.
        arrears: Edits that are to be repeated once their record is whole again.
    """

    def __init__(self, content: Content, replicas: Replicas, fingerprint_key: bytes) -> None:
        self.holding = Holding(content.quarantine)
        self.interest: Interest = content.interest
        self.arrears: dict[RecordId, Arrear] = dict(content.arrears)
        self._content = content
        self._replicas = replicas
        self._tally = Tally(fingerprint_key, content.fingerprints)
        self._journals: dict[AuthorId, JournalHead] = dict(content.journals)
        self._owners: dict[AuthorId, DeviceId] = {}
        self._entries: list[StoredEntry] = []
        self._touched: dict[RecordId, Touched] = {}
        self._damaged: list[RecordId] = []
        self._diminished: list[RecordId] = []
        self._folded: dict[RecordId, RecordWrite] = {}
        self._fetching = content.fetching
        self._cuts: tuple[JournalHead, ...] = ()
        self._erased: list[RecordId] = []

    def head(self, author: AuthorId) -> JournalHead | None:
        """Return where a journal stands, entries of this batch included."""
        return self._journals.get(author)

    @property
    def journals(self) -> int:
        """Number of journals, those of this batch included."""
        return len(self._journals)

    def journals_of(self, device: DeviceId) -> frozenset[AuthorId]:
        """Return a device's journals, refused ones and those of this batch included."""
        owners = [*self._content.devices.items(), *self._owners.items()]
        held = frozenset(author for author, owner in owners if owner == device)
        return held | self.holding.journals_of(device)

    def append(self, entry: Entry) -> None:
        """Add an entry to the log; its changes are applied by the caller."""
        arrival = self._content.last_arrival + len(self._entries) + 1
        self._journals[entry.author] = entry.head
        self.holding.entered(entry.head)
        if entry.author not in self._content.devices:
            self._owners[entry.author] = entry.body.device
        self._entries.append(
            StoredEntry(arrival, entry.author, entry.body.n, entry.hash, entry.data)
        )

    def awaits(self, membership: Membership) -> bool:
        """Tell whether a refused entry would be good now, but for others; see `Holding.awaits`."""
        return self.holding.awaits(self._journals, membership)

    def lift(self, membership: Membership) -> None:
        """Forget marks in front of entries that would be good now; see `Holding.lift`."""
        self.holding.lift(self._journals, membership)

    def cut(self, cuts: tuple[JournalHead, ...]) -> None:
        """Take the ends of journals away, before anything else; their changes are the caller's."""
        self._cuts = cuts
        for cut in cuts:
            self.holding.cut(cut.author)
            del self._journals[cut.author]
            self._journals |= {cut.author: cut} if cut.n else {}

    def drop(self, row: RecordRow) -> None:
        """Take a whole record away that is in the store."""
        self._erased.append(row.id)
        self._replicas.drop((row.id,))
        self._tally.drop(row)

    def erase(self, row: RecordRow) -> None:
        """Take a record away that is not kept, in front of the step of erasing that would."""
        self.drop(row)
        self.interest = self.interest.moved()

    def touch(self, replica: Replica, device: DeviceId) -> Touched:
        """Take a record into the batch before it changes."""
        touched = self._touched.get(replica.id)
        if touched is None:
            row = replica.row
            touched = Touched(replica, row, row.heads if row else (), device)
            self._touched[replica.id] = touched
            self._replicas.put(replica)
        touched.device = device
        return touched

    def leave_out(self, record: RecordId) -> None:
        """Leave a record as it is: the copy here is damaged.

        Its changes are in the log then and not in its content, so the next comparison with a
        peer shows it, and repair fetches the record whole.
        """
        self._damaged.append(record)

    def note_diminished(self, record: RecordId) -> None:
        """Take note that what is put in the place of a damaged copy lacks something of it."""
        self._diminished.append(record)

    def owe(self, record: RecordId, more: Arrear) -> None:
        """Keep edits of a damaged record, to repeat them later.

        Raises:
            LimitExceeded: They are more than a device keeps.
        """
        self.arrears[record] = self.arrears.get(record, Arrear()).joined(more)
        check_room(self.arrears.values())

    def settle(self, record: RecordId) -> None:
        """Take note that nothing of a record is owed any more."""
        del self.arrears[record]

    def fold(self, replica: Replica) -> None:
        """Put a snapshot in the place of a record's chunks; what it holds stays the same.

        Raises:
            CrdtError: The snapshot cannot be proved to be the same.
        """
        self._folded[replica.id] = replica.fold()

    def note_lacking(self, collections: Iterable[str]) -> None:
        """Take note that something of these collections is not here.

        Raises:
            LimitExceeded: They are more than a device remembers.
        """
        self.interest = self.interest.lacking(frozenset(collections))

    def fetched(self, begins: Fetching, last: RecordId) -> None:
        """Note how far the snapshots of a cut have come with this batch.

        Args:
            begins: The cut, and the record that those in this batch follow.
            last: The last of them. It does not count where what comes before them is not here,
                because a batch in between has failed.
        """
        current = self._fetching
        if current is None or (current.cut != begins.cut and begins.after is None):
            self._fetching = current = beginning(current, begins.cut)
        reached = current.after or RecordId(b"")
        if current.cut == begins.cut and (begins.after or b"") <= reached:
            self._fetching = replace(current, after=max(reached, last))

    def finish(self, *, watched: bool) -> Staged:
        """Return the batch and what it leads to."""
        writes = list(self._folded.values())
        changed = [each for each in self._touched.values() if each.changes]
        for touched in changed:
            writes.append(touched.replica.write(b"".join(touched.changes)))
            self._tally.replace(touched.before, writes[-1].row)
        entries = tuple(self._entries)
        return Staged(
            batch=Batch(
                entries=entries,
                records=tuple(writes),
                fingerprints=self._tally.touched(),
                cuts=self._cuts,
                erased=tuple(self._erased),
                meta=self._meta(),
                quarantined=self.holding.added,
                left_quarantine=self.holding.left,
            ),
            content=replace(
                self._content,
                journals=self._journals,
                devices={**self._content.devices, **self._owners},
                fingerprints=self._tally.merged(),
                last_arrival=self._content.last_arrival + len(entries),
                fetching=self._fetching,
                quarantine=self.holding.after,
                interest=self.interest,
                arrears=self.arrears,
            ),
            entries=entries,
            changes=tuple(_changes(changed)) if watched else (),
            touched=frozenset((*self._touched, *self._folded)),
            made=tuple(
                (path_of(each.replica.state()), each.replica.id)
                for each in changed
                if each.before is None or each.before.deleted
            ),
            crowded=tuple(
                (each.replica.id, each.replica.record.size)
                for each in changed
                if each.replica.is_crowded
            ),
            quarantine=self.holding.outcome,
            damaged=tuple(self._damaged),
            diminished=tuple(self._diminished),
        )

    def _meta(self) -> dict[str, bytes | None]:
        meta: dict[str, bytes | None] = {
            **{JOURNAL_OWNER + a.hex(): device for a, device in self._owners.items()},
            **self.holding.meta,
            **self.interest.meta(self._content.interest),
        }
        if self._fetching is not None and self._fetching != self._content.fetching:
            meta[FETCHING] = encode_progress(self._fetching)
        before = self._content.arrears
        for record in before.keys() | self.arrears.keys():
            owed = self.arrears.get(record)
            if owed != before.get(record):
                meta[ARREARS + record.hex()] = None if owed is None else owed.to_bytes()
        return meta


def _changes(touched: Iterable[Touched]) -> Iterable[Change]:
    for each in touched:
        row = each.replica.state()
        fields = tuple(each.replica.record.changed_fields(each.heads_before, row.heads))
        yield Change(row.id, path_of(row), _kind(each.before, row), each.device, fields)


def _kind(before: RecordRow | None, row: RecordRow) -> Literal["new", "edit", "delete"]:
    if row.deleted:
        return "delete"
    return "edit" if before and not before.deleted else "new"
