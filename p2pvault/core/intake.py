"""Entries from a peer become part of a staging: checked first, then applied record by record.

An entry is good when it continues its journal, a device of the vault signed it, that device may
write up to this number, and every change in it passes the pre-filter under the author's own actor.
Who relayed it never matters.

One that a removed device wrote later than members accepted is refused, and so is one that needs a
refused one: docs/protocol/membership.md, "Which entries of a removed device count". Refusing an
entry is no fault of the peer and changes no record.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2pvault.core.lookup import Lookup
from p2pvault.core.quarantine import counts
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import LimitExceeded, UnexpectedMessage, UnknownDevice
from p2pvault.limits import JOURNALS_PER_DEVICE_MAX
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import AuthorId, DeviceId, RecordId


@dataclass(slots=True)
class Arrived:
    """The changes of one record that came with a batch of entries."""

    device: DeviceId
    changes: list[Change]


Arrivals = dict[RecordId, Arrived]
Inspected = Sequence[tuple[RecordId, Change]]


def records_of(entries: Iterable[Entry]) -> tuple[RecordId, ...]:
    """Return the ids of all records that entries touch, each once."""
    ids = (record for entry in entries for record, _ in entry.body.changes)
    return tuple(dict.fromkeys(ids))


class Intake:
    """Takes entries into a staging: those of one peer, or those that waited in quarantine."""

    def __init__(
        self, staging: Staging, lookup: Lookup, actor: AuthorId, membership: Membership
    ) -> None:
        self._staging = staging
        self._lookup = lookup
        self._actor = actor
        self._membership = membership

    def take(self, entries: Sequence[Entry], now_ms: int) -> None:
        """Check entries, and apply or refuse them; those that are held already are passed over.

        Raises:
            RemoteProtocolError, AuthenticationError, SealBroken, CrdtError: One of them is not
                good; the staging is spoiled then.
        """
        arrived: Arrivals = {}
        for entry in entries:
            if self._is_new(entry):
                check_author(entry, self._membership)
                self._check_room(entry)
                changes = inspected(entry)
                if self._is_refused(entry) or self._lacks(changes, arrived):
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
        head, mark = self._staging.head(entry.author), self._staging.holding.mark(entry.author)
        n, last = entry.body.n, head.n if head is not None else 0
        if head is not None and n == last and entry.hash != head.hash:
            raise UnexpectedMessage("two different entries with one number in one journal")
        if n <= last or mark is not None:
            return n > (last if mark is None else mark.n)
        if not entry.follows(head) and self._counts(entry):
            raise UnexpectedMessage("an entry that leaves a gap in its journal")
        return True

    def _check_room(self, entry: Entry) -> None:
        """Bound the journals of one device, or it could make our HAVE too long for everybody."""
        journals = self._staging.journals_of(entry.body.device)
        if entry.author not in journals and len(journals) >= JOURNALS_PER_DEVICE_MAX:
            raise LimitExceeded(f"more than {JOURNALS_PER_DEVICE_MAX} journals of one device")

    def _is_refused(self, entry: Entry) -> bool:
        """Tell whether an entry does not count, or comes behind one that was refused."""
        return self._staging.holding.mark(entry.author) is not None or not self._counts(entry)

    def _counts(self, entry: Entry) -> bool:
        return counts(self._membership, entry.body.device, entry.author, entry.body.n)

    def _lacks(self, changes: Inspected, arrived: Arrivals) -> bool:
        """Tell whether changes follow others that are not here, while anything is refused.

        Otherwise nothing can be missing but by a fault of the peer, which the engine finds.
        """
        if not self._staging.holding.is_refusing:
            return False
        coming: dict[RecordId, set[bytes]] = {}
        for record, change in changes:
            if record not in coming:
                of_it = arrived[record].changes if record in arrived else ()
                coming[record] = {each.hash for each in of_it}
            replica = self._lookup.replica(record)
            missing = set(change.deps) - coming[record]
            if missing and (replica is None or not replica.record.knows(missing)):
                return True
            coming[record].add(change.hash)
        return False

    # Taking in ---------------------------------------------------------------------------

    def _refuse(self, entry: Entry, changes: Inspected, now_ms: int) -> None:
        operations = sum(change.operations for _, change in changes)
        head = self._staging.head(entry.author)
        self._staging.holding.refuse(entry, head, operations, now_ms)

    def _accept(self, entry: Entry, changes: Inspected, arrived: Arrivals) -> None:
        self._staging.append(entry)
        for record, change in changes:
            what = arrived.setdefault(record, Arrived(entry.body.device, []))
            what.device = entry.body.device
            what.changes.append(change)

    def _apply_all(self, arrived: Arrivals) -> None:
        for record, what in arrived.items():
            self._apply(record, what)

    def _apply(self, record: RecordId, what: Arrived) -> None:
        replica = self._lookup.replica(record)
        if replica is None:
            replica = Replica(record, Record.receive(self._actor, what.changes))
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
