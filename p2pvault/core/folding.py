"""Folding: one snapshot in the place of a record's many chunks, proved to be the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from p2pvault.core.lookup import Lookup
from p2pvault.core.staging import Staging
from p2pvault.types import RecordId


@dataclass(frozen=True, slots=True)
class FoldJob:
    """Records whose chunks become one; nothing that they hold changes."""

    records: tuple[RecordId, ...]
    alone: bool = True


def fold(records: Sequence[RecordId], staging: Staging, lookup: Lookup) -> None:
    """Fold records in a staging; one that was taken away meanwhile is passed over.

    Raises:
        CrdtError: One of them is damaged, or its snapshot cannot be proved; the staging is spoiled.
    """
    for record in records:
        replica = lookup.replica(record)
        # Since somebody found it crowded, it may have been forgotten, and erased.
        if replica is not None and replica.record.collection not in staging.interest.forgotten:
            staging.fold(replica)
