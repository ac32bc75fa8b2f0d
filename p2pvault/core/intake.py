"""Entries from a peer become part of a staging: checked first, then applied record by record.

An entry is good when it continues its journal, a device of the vault signed it, that device may
write up to this number, and every change in it passes the pre-filter under the author's own actor.
Who relayed it never matters.

One that a removed device wrote later than members accepted is refused, and so is one that needs a
refused one: docs/protocol/membership.md, "Which entries of a removed device count". Refusing an
entry is no fault of the peer and changes no record.

Of an entry that is not only about what is kept here, the other changes are passed over. A header
brings none, and what it leaves out of a collection that is kept here is missing from then on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from p2pvault.core.lookup import Lookup
from p2pvault.core.quarantine import counts, is_vouched_for
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import (
    CrdtError,
    LimitExceeded,
    MissingChanges,
    UnexpectedMessage,
    UnknownDevice,
)
from p2pvault.limits import JOURNALS_MAX, JOURNALS_PER_DEVICE_MAX
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import AuthorId, ChangeHash, DeviceId, RecordId


@dataclass(slots=True)
class Arrived:
    """The changes of one record that came with a batch of entries, and their hashes."""

    device: DeviceId
    changes: list[Change] = field(default_factory=list)
    hashes: set[ChangeHash] = field(default_factory=set)


Arrivals = dict[RecordId, Arrived]
Inspected = Sequence[tuple[RecordId, Change]]


def records_of(entries: Iterable[Entry]) -> tuple[RecordId, ...]:
    """Return the ids of all records that entries touch, each once."""
    ids = (record for entry in entries for record, _ in entry.body.changes)
    return tuple(dict.fromkeys(ids))


@dataclass(frozen=True, slots=True)
class Rules:
    """What entries are judged by.

    Attributes:
        membership: Who may write, and up to where.
        certain: The same as far as it will be durable before the entries are. What counts by an
            operation that a crash could still take back waits in quarantine.
        contested: Journals of which nothing is taken; grows. As long as there is one, what is
            missing may be on the other branch.
        whole: It may be, for another reason. Then it was perhaps not lost from a damaged copy, and
            the entry cannot be taken.
    """

    membership: Membership
    certain: Membership
    contested: set[AuthorId]
    whole: bool


class Intake:
    """Takes entries into a staging: those of one peer, or those that waited in quarantine."""

    def __init__(
        self,
        staging: Staging,
        lookup: Lookup,
        actor: AuthorId,
        rules: Rules,
    ) -> None:
        self._staging = staging
        self._lookup = lookup
        self._actor = actor
        self._membership = rules.membership
        self._certain = rules.certain
        self._contested = rules.contested
        self._whole = rules.whole

    def take(self, entries: Sequence[Entry], now_ms: int) -> None:
        """Check entries, and apply or refuse them; those that are held already are passed over.

        So are those of a contested journal. An entry of another branch than ours that its author
        did sign makes its journal one: whoever relays it does nothing wrong.

        Raises:
            RemoteProtocolError, AuthenticationError, SealBroken, CrdtError: One of them is not
                good; the staging is spoiled then.
        """
        arrived: Arrivals = {}
        for entry in entries:
            if entry.author not in self._contested and self._is_new(entry):
                check_author(entry, self._certain)
                self._check_room(entry)
                changes = inspected(entry)
                if self._is_refused(entry) or self._waits(entry, changes, arrived):
                    self._refuse(entry, changes, now_ms)
                else:
                    self._accept(entry, changes, arrived)
        self._apply_all(arrived)

    def retry(self, entries: Sequence[Entry]) -> None:
        """Apply entries out of the quarantine that are good by now; the others stay there.

        Raises:
            CrdtError: The engine does not take one of them; the staging is spoiled then.
        """
        arrived: Arrivals = {}
        for entry in entries:
            changes = inspected(entry)
            if (
                entry.follows(self._staging.head(entry.author))
                and self._counts(entry)
                and not self._lacks(changes, arrived)
            ):
                self._accept(entry, changes, arrived)
        self._apply_all(arrived)

    # Checking ----------------------------------------------------------------------------

    def _is_new(self, entry: Entry) -> bool:
        if entry.outside and entry.author == self._actor:
            # Nothing of it was written here, and its number is not signed.
            return False
        head, n = self._staging.head(entry.author), entry.body.n
        if head is not None and n == head.n and entry.hash != head.hash:
            return self._contest(entry)
        last = self._staging.holding.mark(entry.author) or head
        if last is not None and n <= last.n:
            return False
        if entry.follows(last):
            if entry.author == self._actor:
                raise UnexpectedMessage("an entry of the journal that is being written here")
            return True
        if not self._counts(entry):
            return True
        if last is None or last is not head or n > last.n + 1:
            raise UnexpectedMessage("an entry that leaves a gap in its journal")
        return self._contest(entry)

    def _contest(self, entry: Entry) -> bool:
        """Take note of another branch, if its author signed it; return that it is not taken."""
        check_author(entry, self._certain)
        self._contested.add(entry.author)
        return False

    def _check_room(self, entry: Entry) -> None:
        """Bound the journals, of one device too, or our HAVE becomes too long for everybody."""
        if self._staging.head(entry.author) is not None:
            return
        if self._staging.journals >= JOURNALS_MAX:
            raise LimitExceeded(f"more than {JOURNALS_MAX} journals")
        journals = self._staging.journals_of(entry.body.device)
        if entry.author not in journals and len(journals) >= JOURNALS_PER_DEVICE_MAX:
            raise LimitExceeded(f"more than {JOURNALS_PER_DEVICE_MAX} journals of one device")

    def _is_refused(self, entry: Entry) -> bool:
        """Tell whether an entry does not count, or comes behind one that was refused."""
        return self._staging.holding.mark(entry.author) is not None or not self._counts(entry)

    def _counts(self, entry: Entry) -> bool:
        device, author, n = entry.body.device, entry.author, entry.body.n
        return all(counts(each, device, author, n) for each in (self._membership, self._certain))

    def _waits(self, entry: Entry, changes: Inspected, arrived: Arrivals) -> bool:
        """Tell whether a new entry needs what is not here and may be refused.

        Where all that it follows counts, and nothing that counts is still to come, what is missing
        was lost here, or never was.
        """
        vouched = is_vouched_for(self._membership, entry.body.device)
        may_come = not vouched or self._staging.awaits(self._membership)
        return may_come and self._lacks(changes, arrived)

    def _lacks(self, changes: Inspected, arrived: Arrivals) -> bool:
        """Tell whether an entry needs what is not here, while anything is refused.

        Otherwise nothing can be missing but by a fault of the peer, which the engine finds.
        """
        refusing = self._staging.holding.is_refusing
        return refusing and lacks(self._lookup, changes, arrived, self._is_elsewhere)

    def _is_elsewhere(self, record: RecordId) -> bool:
        """Tell whether a record may be missing because its collection is not kept."""
        holding, interest = self._staging.holding, self._staging.interest
        return interest.is_limited and not holding.concerns(record)

    # Taking in ---------------------------------------------------------------------------

    def _refuse(self, entry: Entry, changes: Inspected, now_ms: int) -> None:
        work = sum(change.work for _, change in changes)
        head = self._staging.head(entry.author)
        self._staging.holding.refuse(entry, head, work, now_ms)

    def _accept(self, entry: Entry, changes: Inspected, arrived: Arrivals) -> None:
        self._staging.append(entry)
        self._staging.note_lacking(entry.outside)
        collect(entry, changes, arrived)

    def _apply_all(self, arrived: Arrivals) -> None:
        for record, what in arrived.items():
            self._apply(record, what)

    def _apply(self, record: RecordId, what: Arrived) -> None:
        """Apply the changes of one record, unless it has lost what they build on.

        A sender keeps the causal order, so what is missing was here once: the copy is damaged, or
        older than the journals say. The entry counts all the same, or nothing would ever arrive
        again; the record is fetched whole by the repair that follows. But nothing is taken that may
        build on a branch which is not here: whoever takes that one out could not count on it.
        """
        try:
            replica = self._lookup.replica(record)
        except CrdtError:
            if self._whole or self._contested:
                raise
            self._staging.leave_out(record)
            return
        try:
            self._bring(record, replica, what)
        except MissingChanges:
            if self._may_lack(replica):
                return
            if self._whole or self._contested:
                raise
            self._staging.leave_out(record)

    def _may_lack(self, replica: Replica | None) -> bool:
        """Tell whether what changes build on may be missing without a fault.

        The record is then in a collection that is not kept, or of which something is missing.
        """
        interest = self._staging.interest
        if replica is None:
            return interest.is_limited
        return replica.record.collection in interest.partial

    def _bring(self, record: RecordId, replica: Replica | None, what: Arrived) -> None:
        is_new = replica is None
        if replica is None:
            replica = Replica(record, Record.receive(self._actor, what.changes))
        if replica.record.collection in self._staging.interest.forgotten:
            return
        if is_new:
            touched, fresh = self._staging.touch(replica, what.device), what.changes
        else:
            touched = self._staging.touch(replica, what.device)
            # A snapshot may have brought some of them before.
            fresh = replica.record.apply(what.changes)
        touched.changes.extend(change.chunk for change in fresh)


def check_author(entry: Entry, membership: Membership) -> None:
    """Insist that a device that the vault knows wrote an entry.

    Raises:
        UnknownDevice: No operation admits its author.
        SealBroken: The signature is not the author's.
    """
    public = membership.keys_of(entry.body.device)
    if public is None:
        raise UnknownDevice("an entry by a device that the vault does not know")
    entry.verify(public.signing)


def inspected(entry: Entry) -> Inspected:
    """Return the changes of an entry after the pre-filter.

    Raises:
        ChangeRefused: It turned one away.
        UnexpectedMessage: One is under another actor than its author's.
    """
    changes = [(record, inspect(change)) for record, change in entry.body.changes]
    if any(change.actor != entry.author for _, change in changes):
        raise UnexpectedMessage("a change under an actor that is not its author's")
    return changes


def collect(entry: Entry, changes: Inspected, arrived: Arrivals) -> None:
    """Add the changes of an entry to what came before, by record."""
    for record, change in changes:
        what = arrived.setdefault(record, Arrived(entry.body.device))
        what.device = entry.body.device
        what.changes.append(change)
        what.hashes.add(change.hash)


def _is_nowhere_else(_: RecordId) -> bool:
    return False


def lacks(
    lookup: Lookup,
    changes: Inspected,
    arrived: Arrivals,
    is_elsewhere: Callable[[RecordId], bool] = _is_nowhere_else,
) -> bool:
    """Tell whether changes follow others that are neither in their record nor came before.

    Args:
        lookup: Knows the records.
        changes: What is looked at.
        arrived: What came before.
        is_elsewhere: Tells whether a record may be missing for another reason; it does not count.
    """
    coming: dict[RecordId, set[ChangeHash]] = {}
    for record, change in changes:
        own = coming.setdefault(record, set())
        missing = set(change.deps) - own
        if missing and record in arrived:
            missing -= arrived[record].hashes
        if missing and not _knows(lookup, record, missing, is_elsewhere):
            return True
        own.add(change.hash)
    return False


def _knows(
    lookup: Lookup,
    record: RecordId,
    changes: set[ChangeHash],
    is_elsewhere: Callable[[RecordId], bool],
) -> bool:
    """Tell whether a record has changes. Of a damaged copy nobody can say that it lacks any.

    To wait for what was lost would be to wait for ever: it is mended once journals are equal.
    """
    try:
        replica = lookup.replica(record)
    except CrdtError:
        return True
    return is_elsewhere(record) if replica is None else replica.record.knows(changes)
