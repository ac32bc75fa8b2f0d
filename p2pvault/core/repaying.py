"""Repeating what a retraction had to leave undone, once the record has been fetched.

What is repeated is the difference that the edits made: the record, as it came, is taken back to
where they began, and they are applied to that. So nothing that others have done since is undone.
"""

from collections.abc import Iterable, Mapping

from p2pvault.core.arrears import Arrear, changes_in
from p2pvault.core.asks import FieldPath
from p2pvault.core.commit import Commit, patched
from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.pieces import without_rivals
from p2pvault.crdt.values import Value, freeze
from p2pvault.errors import BadValue, CrdtError
from p2pvault.types import RecordId


class Repaying:
    """Repeats arrears within one staging."""

    def __init__(self, staging: Staging, lookup: Lookup, commit: Commit) -> None:
        self._staging = staging
        self._lookup = lookup
        self._commit = commit

    def repay(self, records: Iterable[RecordId]) -> None:
        """Repeat what is owed of records that have just come whole.

        Where one is not whole enough it stays owed, and another copy may be better.
        """
        for record in records:
            owed = self._staging.arrears.get(record)
            replica = None if owed is None else self._kept(record)
            if owed is None or replica is None:
                continue
            try:
                if owed.own:
                    self._repeat(replica, owed)
            except (CrdtError, BadValue):
                self._staging.leave_out(record)
            else:
                self._staging.settle(record)

    def _kept(self, record: RecordId) -> Replica | None:
        """Return a record, unless it is not kept, so that nothing that came of it was taken."""
        row = self._lookup.stored_row(record)
        if row is not None and row.collection in self._staging.interest.forgotten:
            return None
        return self._lookup.replica(record)

    def _repeat(self, replica: Replica, owed: Arrear) -> None:
        shared, own = changes_in(owed.shared), changes_in(owed.own)
        base = without_rivals(replica.record, [*shared, *own])
        before = base.copy()
        before.apply(shared)
        after = before.copy()
        after.apply(own)
        puts: list[tuple[FieldPath, Value]] = []
        deletes: list[FieldPath] = []
        _compare((), before.value(), after.value(), puts, deletes)
        value = patched(replica.record.value(), puts, deletes)
        deleted = after.deleted and (not before.deleted or replica.record.deleted)
        self._commit.bring_to(replica, value, deleted=deleted)


def _compare(
    steps: FieldPath,
    before: Mapping[str, Value],
    after: Mapping[str, Value],
    puts: list[tuple[FieldPath, Value]],
    deletes: list[FieldPath],
) -> None:
    deletes += [(*steps, name) for name in sorted(before.keys() - after.keys())]
    for name, value in after.items():
        old, here = before.get(name), (*steps, name)
        if isinstance(old, dict) and isinstance(value, dict):
            _compare(here, old, value, puts, deletes)
        elif name not in before or freeze(old) != freeze(value):
            puts.append((here, value))
