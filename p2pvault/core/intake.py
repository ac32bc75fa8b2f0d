"""Entries from a peer become part of a staging: checked first, then applied record by record.

An entry is good when it continues its journal, a device of the vault signed it, that device may
write up to this number, and every change in it passes the pre-filter under the author's own actor.
Who relayed it never matters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import LimitExceeded, RevokedDevice, UnexpectedMessage, UnknownDevice
from p2pvault.limits import JOURNALS_PER_DEVICE_MAX
from p2pvault.protocol.journal import Entry
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import AuthorId, DeviceId, RecordId


@dataclass(slots=True)
class Arrived:
    """The changes of one record that came with a batch of entries."""

    device: DeviceId
    changes: list[Change]


def records_of(entries: Iterable[Entry]) -> tuple[RecordId, ...]:
    """Return the ids of all records that entries touch, each once."""
    ids = (record for entry in entries for record, _ in entry.body.changes)
    return tuple(dict.fromkeys(ids))


class Intake:
    """Takes entries of one peer into a staging."""

    def __init__(self, staging: Staging, lookup: Lookup, actor: AuthorId) -> None:
        self._staging = staging
        self._lookup = lookup
        self._actor = actor

    def take(self, entries: Sequence[Entry], membership: Membership) -> None:
        """Check entries and apply them; those that are held already are passed over.

        Raises:
            RemoteProtocolError, AuthenticationError, SealBroken, CrdtError: One of them is not
                good; the staging is spoiled then.
        """
        arrived: dict[RecordId, Arrived] = {}
        for entry in entries:
            if self._is_new(entry):
                check_author(entry, membership)
                self._check_room(entry)
                self._staging.append(entry)
                _collect(entry, arrived)
        for record, what in arrived.items():
            self._apply(record, what)

    def _is_new(self, entry: Entry) -> bool:
        head = self._staging.head(entry.author)
        if entry.follows(head):
            return True
        if head is None or entry.body.n > head.n:
            raise UnexpectedMessage("an entry that leaves a gap in its journal")
        if entry.body.n == head.n and entry.hash != head.hash:
            raise UnexpectedMessage("two different entries with one number in one journal")
        return False

    def _check_room(self, entry: Entry) -> None:
        """Bound the journals of one device, or it could make our HAVE too long for everybody."""
        journals = self._staging.journals_of(entry.body.device)
        if entry.body.n == 1 and len(journals) >= JOURNALS_PER_DEVICE_MAX:
            raise LimitExceeded(f"more than {JOURNALS_PER_DEVICE_MAX} journals of one device")

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
    """Insist that a device of the vault wrote an entry and may have.

    Raises:
        UnknownDevice: No operation admits its author.
        RevokedDevice: It lies behind what members accepted before they learned of the removal.
        SealBroken: The signature is not the author's.
    """
    device = entry.body.device
    public = membership.keys_of(device)
    if public is None:
        raise UnknownDevice("an entry by a device that the vault does not know")
    last = membership.acceptance(device, entry.author)
    if last is not None and entry.body.n > last:
        raise RevokedDevice("an entry by a device that was removed before")
    entry.verify(public.signing)


def _collect(entry: Entry, arrived: dict[RecordId, Arrived]) -> None:
    for record, change in entry.body.changes:
        inspected = inspect(change)
        if inspected.actor != entry.author:
            raise UnexpectedMessage("a change under an actor that is not its author's")
        what = arrived.setdefault(record, Arrived(entry.body.device, []))
        what.device = entry.body.device
        what.changes.append(inspected)
