"""Inputs and effects about the store as a whole: all records in order, and what could go.

`io` has them in its two unions, with all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from p2pvault.errors import VaultError
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.types import AuthorId, LinkId, RecordId, RecordRow, StoredEntry, Surplus


@dataclass(frozen=True, slots=True)
class SnapshotsLoaded:
    """The answer to LoadSnapshots.

    Attributes:
        link: The link they are for.
        after: The last record that was looked at; None when none is left.
        snapshots: Records as of the cut, by id.
        damaged: Records that are left out, since the copies here do not load.
        unknown: It cannot be told how they were: of an entry behind the cut there is a header only,
            and what it changed may be in them by now.
    """

    link: LinkId
    after: RecordId | None
    snapshots: Sequence[RecordSnapshot]
    damaged: tuple[RecordId, ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class SurplusLoaded:
    """The answer to LoadSurplus."""

    surplus: Surplus


@dataclass(frozen=True, slots=True)
class SurplusUnknown:
    """The store could not answer LoadSurplus."""

    error: VaultError


@dataclass(frozen=True, slots=True)
class LoadSnapshots:
    """Read records for a link, as they were as of a cut, then say SnapshotsLoaded.

    Attributes:
        link: The link they are for.
        upto: How far each journal counts; a journal that is not named does not.
        last_arrival: The last entry that is known to be durable.
        after: The last record that is not wanted, or None to start with the first.
        bytes_max: Read about this much, at least one record, and no more than ENTRY_WORK_MAX.
        without: Records of these collections are not wanted.
    """

    link: LinkId
    upto: tuple[tuple[AuthorId, int], ...]
    last_arrival: int
    after: RecordId | None
    bytes_max: int
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LoadSurplus:
    """Look for what the store could do without, then say SurplusLoaded.

    Attributes:
        upto: For each journal, the number up to which its entries are not needed.
        chunks_min: Also look for records of so many chunks, all over the store.
    """

    upto: tuple[tuple[AuthorId, int], ...]
    chunks_min: int | None


@dataclass(frozen=True, slots=True)
class LoadForgotten:
    """Look for what is still stored of a forgotten collection, then say ForgottenLoaded.

    Attributes:
        turn: Of the interest, for the answer.
        collection: Which.
        forgotten: All collections that are not kept.
        after: The last entry that was looked at.
        upto: The last entry that is to be a header.
    """

    turn: int
    collection: str
    forgotten: frozenset[str]
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class ForgottenLoaded:
    """The answer to LoadForgotten: headers as long as there are entries, then records.

    Attributes:
        asked: What was asked.
        after: The last entry that was looked at.
        headers: What is to stand in the place of entries.
        rows: Records to erase; looked for behind the last entry only.
        is_last: Nothing is left.
    """

    asked: LoadForgotten
    after: int
    headers: Sequence[StoredEntry] = ()
    rows: Sequence[RecordRow] = ()
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ForgottenUnknown:
    """The store could not answer LoadForgotten."""

    error: VaultError


Load = LoadSnapshots | LoadSurplus | LoadForgotten
"""What can be asked."""

Loaded = SnapshotsLoaded | SurplusLoaded | SurplusUnknown | ForgottenLoaded | ForgottenUnknown
"""What can be answered."""
