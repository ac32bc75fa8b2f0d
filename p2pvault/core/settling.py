"""What the person decides about entries in quarantine: repeat their effect, or drop them.

Repeating never lets a refused change into a record. It is applied to a copy, and what the copy then
says is committed here as an ordinary edit, in this device's own name.
"""

from collections.abc import Iterable

from p2pvault.core.commit import Commit
from p2pvault.core.intake import Arrivals, Arrived, collect, inspected, lacks
from p2pvault.core.io import Edited, QuarantineSettled
from p2pvault.core.lookup import Lookup
from p2pvault.core.staging import Staging
from p2pvault.crdt.record import Record
from p2pvault.protocol.journal import Entry
from p2pvault.types import AuthorId, Instant, RecordId


class Settling:
    """Settles entries within one staging."""

    def __init__(self, staging: Staging, lookup: Lookup, commit: Commit, actor: AuthorId) -> None:
        self._staging = staging
        self._lookup = lookup
        self._commit = commit
        self._actor = actor

    def settle(self, now: Instant, entries: Iterable[Entry], *, repeat: bool) -> QuarantineSettled:
        """Settle entries; what cannot be repeated stays where it is.

        Args:
            now: For the ids of records that are made anew.
            entries: In their order of arrival in quarantine.
            repeat: Whether their effect is to be repeated.

        Raises:
            CrdtError: The engine does not take one of them; the staging is spoiled then.
            BadValue: A record would become too large.
        """
        held = [e for e in entries if self._staging.holding.keeps(e.author, e.body.n)]
        whole: Arrivals = {}
        settled = [entry for entry in held if not repeat or self._fits(entry, whole)]
        edited = [self._repeat(now, record, what) for record, what in whole.items()]
        for entry in settled:
            self._staging.holding.drop((entry.author, entry.body.n))
        changed = tuple(each for each in edited if each is not None)
        return QuarantineSettled(len(settled), len(held) - len(settled), changed)

    def _fits(self, entry: Entry, whole: Arrivals) -> bool:
        """Add an entry to those that can be repeated, unless something that it needs is missing."""
        changes = inspected(entry)
        if lacks(self._lookup, changes, whole):
            return False
        collect(entry, changes, whole)
        return True

    def _repeat(self, now: Instant, record: RecordId, what: Arrived) -> Edited | None:
        replica = self._lookup.replica(record)
        if replica is None:
            wanted = Record.receive(self._actor, what.changes)
        else:
            wanted = replica.record.copy()
            wanted.apply(what.changes)
        return self._commit.bring(now, record, wanted)
