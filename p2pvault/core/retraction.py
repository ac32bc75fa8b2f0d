"""Taking one branch of a journal out again, without losing what it did.

A record's changes build on each other, so with the entries of the branch goes every entry, of
whatever journal, that has a change which depends on one of theirs; and with an entry goes the rest
of its journal. Each record is then rebuilt from what stays, and brought back to the value that it
had by one new change of this device. All of it is one batch, so the value never changes.

A device that does not hold the branch holds nothing that depends on it. So devices that retract
the same branch, each by itself, are left with the same entries.

A record whose copy here is damaged is put together again from what is sound of it and from the
entries at hand. Where that is not enough it is left as it is: whoever holds it sound repeats what
goes, and the repair that follows fetches it. What nobody else holds is kept until then (`arrears`).
A record that began in the branch is nowhere afterwards.
"""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from p2pvault.core.arrears import Arrear
from p2pvault.core.commit import Commit
from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.pieces import began
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.errors import CrdtError, LimitExceeded
from p2pvault.limits import FORK_CHANGES_MAX, FORK_RECORDS_MAX
from p2pvault.protocol.journal import decode_entry, outside_of
from p2pvault.types import (
    AuthorId,
    ChangeHash,
    Instant,
    JournalHead,
    RecordId,
    RecordRow,
    StoredEntry,
    VaultId,
)


@dataclass(frozen=True, slots=True)
class Branch:
    """What goes.

    Attributes:
        cuts: How much stays of each journal that loses something.
        changes: The changes that go.
        records: The records that they are in.
        outside: Collections of which headers go; what these changed is not known.
        entries: Everything that arrived from its first entry on, in order of arrival.
        vault: To read them with.
    """

    cuts: tuple[JournalHead, ...]
    changes: Set[ChangeHash]
    records: tuple[RecordId, ...]
    outside: Set[str]
    entries: Sequence[StoredEntry]
    vault: VaultId

    def goes(self, stored: StoredEntry) -> bool:
        """Tell whether an entry is among those that go."""
        return any(cut.author == stored.author and cut.n < stored.n for cut in self.cuts)


def branch_of(entries: Sequence[StoredEntry], author: AuthorId, n: int, vault: VaultId) -> Branch:
    """Find all that goes with one branch.

    Args:
        entries: Everything that arrived from the branch's first entry on, in order of arrival.
        author: The journal.
        n: The number of the branch's first entry.
        vault: The vault, to read entries with.

    Raises:
        LimitExceeded: It is more work than one step may be.
    """
    inspected = 0
    cuts: dict[AuthorId, JournalHead] = {}
    gone: set[ChangeHash] = set()
    records: dict[RecordId, None] = {}
    outside: set[str] = set()
    for stored in entries:
        body = decode_entry(stored.data, vault).body
        inspected += max(1, len(body.changes))
        if inspected > FORK_CHANGES_MAX:
            raise LimitExceeded(f"a branch with more than {FORK_CHANGES_MAX} changes behind it")
        changes = [inspect(chunk) for _, chunk in body.changes]
        goes = stored.author in cuts or (stored.author == author and stored.n >= n)
        # Arrival is a causal order, so one look at each entry is enough.
        if not goes and all(gone.isdisjoint(change.deps) for change in changes):
            continue
        cuts.setdefault(stored.author, JournalHead(stored.author, body.n - 1, body.previous))
        gone.update(change.hash for change in changes)
        records |= dict.fromkeys(record for record, _ in body.changes)
        if len(records) > FORK_RECORDS_MAX:
            raise LimitExceeded(f"a branch in more than {FORK_RECORDS_MAX} records")
        outside.update(outside_of(stored.data))
    return Branch(tuple(cuts.values()), gone, tuple(records), outside, entries, vault)


class Retraction:
    """Takes a branch out of a staging and repeats what it did.

    Args:
        branch: What goes.
        staging: Has nothing else in it yet.
        lookup: Knows the records of the branch.
        commit: Takes the repeated changes, in a journal that the branch does not touch.
        held: How far each journal is known to be held by another member, just as here.
    """

    def __init__(
        self,
        branch: Branch,
        staging: Staging,
        lookup: Lookup,
        commit: Commit,
        held: Mapping[AuthorId, int],
    ) -> None:
        self._branch = branch
        self._staging = staging
        self._lookup = lookup
        self._commit = commit
        self._held = held

    def carry_out(self, now: Instant) -> None:
        """Do it.

        Args:
            now: For the ids of records that began in the branch. They are made anew under new ids:
                their first change may come back, should the branch be taken up again after all.

        Raises:
            CrdtError: A record cannot be rebuilt although it can be read.
        """
        self._staging.cut(self._branch.cuts)
        for record in self._branch.records:
            row = self._lookup.stored_row(record)
            # One is not there whose changes were left out, since what they need is not.
            if row is not None:
                self._take_out_of(row, now)

    def _take_out_of(self, row: RecordRow, now: Instant) -> None:
        if row.collection in self._staging.interest.forgotten:
            # It is about to be erased; whoever keeps it repeats what goes.
            self._staging.erase(row)
            return
        replica = self._readable(row.id)
        if replica is None:
            self._leave(row)
            return
        rebuilt = replica.record.without(self._branch.changes)
        if rebuilt is not None:
            self._commit.repeat(replica, rebuilt)
        else:
            self._staging.drop(row)
            self._commit.make_again(now, replica.record)

    def _readable(self, record: RecordId) -> Replica | None:
        """Return a record as it is stored, or else put together again; None where neither works."""
        with suppress(CrdtError):
            return self._lookup.replica(record)
        with suppress(CrdtError):
            return self._lookup.pieced_together(record, self._changes_to(record))
        return None

    def _changes_to(self, record: RecordId) -> list[Change]:
        return [change for _, change in self._arrived[record]]

    def _leave(self, row: RecordRow) -> None:
        """Go past a record that is damaged beyond what is at hand.

        Its row still says what it held, so the next comparison shows it, and it is fetched whole;
        but nobody has one any more that began in the branch.
        """
        self._staging.leave_out(row.id)
        if began(self._changes_to(row.id)):
            self._staging.drop(row)
            return
        owed = self._owed(row.id)
        # Also where nothing is to be repeated: what is sound of the copy has more than it should.
        self._staging.owe(row.id, owed if owed.own else Arrear())

    def _owed(self, record: RecordId) -> Arrear:
        """Return what goes of a record, and what of that goes nowhere else."""
        shared: list[bytes] = []
        own: list[bytes] = []
        for stored, change in self._arrived[record]:
            if self._branch.goes(stored):
                is_shared = stored.n <= self._held.get(stored.author, 0)
                (shared if is_shared else own).append(change.chunk)
        return Arrear(b"".join(shared), b"".join(own))

    @cached_property
    def _arrived(self) -> Mapping[RecordId, Sequence[tuple[StoredEntry, Change]]]:
        """All changes that came since the branch began, by record; few branches need to know."""
        found: dict[RecordId, list[tuple[StoredEntry, Change]]] = {}
        for stored in self._branch.entries:
            for record, chunk in decode_entry(stored.data, self._branch.vault).body.changes:
                found.setdefault(record, []).append((stored, inspect(chunk)))
        return found
