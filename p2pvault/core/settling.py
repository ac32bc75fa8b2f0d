"""What the person decides about entries in quarantine: repeat their effect, or drop them.

Repeating never lets a refused change into a record. It is applied to a scratch copy, and what the
copy then says is committed here as an ordinary edit, in this device's own name.
"""

from collections.abc import Iterable, Mapping, Sequence

from p2pvault.core.commit import Commit
from p2pvault.core.intake import Inspected, inspected
from p2pvault.core.io import QuarantineSettled
from p2pvault.core.lookup import Lookup
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import Change
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
        scratch: dict[RecordId, Record] = {}
        settled = [e for e in held if not repeat or self._try(inspected(e), scratch)]
        edited = [self._commit.bring(now, record, scratch[record]) for record in scratch]
        for entry in settled:
            self._staging.holding.drop((entry.author, entry.body.n))
        changed = tuple(each for each in edited if each is not None)
        return QuarantineSettled(len(settled), len(held) - len(settled), changed)

    def _try(self, changes: Inspected, scratch: dict[RecordId, Record]) -> bool:
        """Apply an entry to the scratch copies, whole or not at all."""
        parts: dict[RecordId, list[Change]] = {}
        for record, change in changes:
            parts.setdefault(record, []).append(change)
        bases = {record: scratch.get(record) or self._copy(record) for record in parts}
        if not all(_fits(bases[record], parts[record]) for record in parts):
            return False
        self._apply(parts, bases, scratch)
        return True

    def _apply(
        self,
        parts: Mapping[RecordId, Sequence[Change]],
        bases: Mapping[RecordId, Record | None],
        scratch: dict[RecordId, Record],
    ) -> None:
        for record, changes in parts.items():
            base = bases[record]
            if base is None:
                scratch[record] = Record.receive(self._actor, changes)
            else:
                base.apply(changes)
                scratch[record] = base

    def _copy(self, record: RecordId) -> Record | None:
        replica = self._lookup.replica(record)
        if replica is None:
            return None
        return Record.load(self._actor, (replica.record.snapshot(),), replica.record.heads)


def _fits(base: Record | None, changes: Sequence[Change]) -> bool:
    """Tell whether nothing is missing that changes follow, the record itself included."""
    own = {change.hash for change in changes}
    missing = {dep for change in changes for dep in change.deps} - own
    if base is None:
        return not missing and any(not change.deps for change in changes)
    return base.knows(missing)
