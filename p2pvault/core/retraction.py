"""Taking one branch of a journal out again, without losing what it did.

A record's changes build on each other, so with the entries of the branch goes every entry, of
whatever journal, that has a change which depends on one of theirs; and with an entry goes the rest
of its journal. Each record is then rebuilt from what stays, and brought back to the value that it
had by one new change of this device. All of it is one batch, so the value never changes.

A device that does not hold the branch holds nothing that depends on it. So devices that retract
the same branch, each by itself, are left with the same entries.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from p2pvault.core.commit import Commit
from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replica
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import inspect
from p2pvault.errors import LimitExceeded
from p2pvault.limits import FORK_CHANGES_MAX, FORK_RECORDS_MAX
from p2pvault.protocol.journal import decode_entry, outside_of
from p2pvault.types import (
    AuthorId,
    ChangeHash,
    Instant,
    JournalHead,
    RecordId,
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
    """

    cuts: tuple[JournalHead, ...]
    changes: Set[ChangeHash]
    records: tuple[RecordId, ...]
    outside: Set[str] = frozenset()


def branch_of(entries: Iterable[StoredEntry], author: AuthorId, n: int, vault: VaultId) -> Branch:
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
    return Branch(tuple(cuts.values()), gone, tuple(records), outside)


def retract(
    branch: Branch,
    staging: Staging,
    lookup: Lookup,
    commit: Commit,
    now: Instant,
) -> None:
    """Take a branch out of a staging and repeat what it did.

    Args:
        branch: What goes.
        staging: Has nothing else in it yet.
        lookup: Knows the records of the branch.
        commit: Takes the repeated changes, in a journal that the branch does not touch.
        now: For the ids of records that began in the branch. They are made anew under new ids:
            their first change may come back, should the branch be taken up again after all.

    Raises:
        CrdtError: A record cannot be rebuilt.
    """
    staging.cut(branch.cuts)
    for replica in _held(branch.records, lookup):
        if replica.record.collection in staging.interest.forgotten:
            # It is about to be erased; whoever keeps it repeats what goes.
            staging.erase(replica)
            continue
        rebuilt = replica.record.without(branch.changes)
        if rebuilt is not None:
            commit.repeat(replica, rebuilt)
        else:
            staging.drop(replica)
            commit.make_again(now, replica.record)


def _held(records: Sequence[RecordId], lookup: Lookup) -> Iterable[Replica]:
    """Find records; one is not there whose changes were left out, since what they need is not."""
    return filter(None, map(lookup.replica, records))
