"""What repair asks the store, and its answers: part of the two unions in `io`."""

from dataclasses import dataclass, field

from p2pvault.protocol.ranges import Part, RangeState
from p2pvault.protocol.snapshot import RecordSnapshot
from p2pvault.types import Fingerprint, LinkId, RecordId


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """Count the fingerprints anew from the index, then say CountsLoaded.

    Attributes:
        link: The link on which content differs.
        key: The vault's fingerprint key, 32 bytes.
        corrections: `Content.corrections`; comes back with the answer.
    """

    link: LinkId
    key: bytes = field(repr=False)
    corrections: int


@dataclass(frozen=True, slots=True)
class LoadRanges:
    """Work out what the index holds in some ranges of record ids, then say RangesLoaded.

    Attributes:
        link: The link on which they are compared.
        key: The vault's fingerprint key, 32 bytes.
        parts: What the peer sent, sorted; they do not overlap.
        without: Collections that are no part of the comparison.
    """

    link: LinkId
    key: bytes = field(repr=False)
    parts: tuple[Part, ...]
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LoadWhole:
    """Read records to send them whole, then say WholeLoaded.

    Attributes:
        link: The link they are for.
        ids: Which, in the order in which they are sent.
        bytes_max: Read about this much, at least one record that is there and sound, and no more
            than ENTRY_WORK_MAX beside that one.
    """

    link: LinkId
    ids: tuple[RecordId, ...]
    bytes_max: int


@dataclass(frozen=True, slots=True)
class RepairRequested:
    """A local program found damage in the store.

    Attributes:
        request: Answered once the fingerprints are right; the records arrive in their time.
        records: Fetch these whole from linked devices.
        wrong: Stored and counted fingerprints that differ.
        corrections: `Content.corrections` as it was durable before they were counted.
    """

    request: int
    records: tuple[RecordId, ...]
    wrong: tuple[tuple[Fingerprint, Fingerprint], ...]
    corrections: int


@dataclass(frozen=True, slots=True)
class CountsLoaded:
    """The answer to LoadCounts: (stored, counted) for every collection where the two differ."""

    link: LinkId
    wrong: tuple[tuple[Fingerprint, Fingerprint], ...]
    corrections: int


@dataclass(frozen=True, slots=True)
class RangesLoaded:
    """The answer to LoadRanges, one state for each part."""

    link: LinkId
    parts: tuple[Part, ...]
    states: tuple[RangeState, ...]


@dataclass(frozen=True, slots=True)
class WholeLoaded:
    """The answer to LoadWhole.

    Attributes:
        link: The link they are for.
        records: The first of those asked for, each loaded as a test.
        damaged: Those among them that do not load; they are left out.
    """

    link: LinkId
    records: tuple[RecordSnapshot, ...]
    damaged: tuple[RecordId, ...]


Inquiry = LoadCounts | LoadRanges | LoadWhole
Finding = CountsLoaded | RangesLoaded | WholeLoaded
