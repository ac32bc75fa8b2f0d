"""What records really hold, as numbers, so that it can be compared with what devices claim.

A number for each collection, which follows from its records and from nothing else, and all that it
ever was on one disk.
"""

from collections.abc import Collection, Iterable, Mapping

from p2pvault.crypto.hashing import digest
from p2pvault.types import RecordRow

_MODULUS = 2**128

Truth = Mapping[str, int]
"""By collection, without those that hold nothing."""


def truth_after(truth: Truth, gone: Iterable[RecordRow], come: Iterable[RecordRow]) -> Truth:
    """Return what is true once some records went and others came; the same object if it is so."""
    after = dict(truth)
    for row in gone:
        after[row.collection] = (after.get(row.collection, 0) - _part(row)) % _MODULUS
    for row in come:
        after[row.collection] = (after.get(row.collection, 0) + _part(row)) % _MODULUS
    kept = {name: part for name, part in after.items() if part}
    return truth if kept == truth else kept


def truth_without(truth: Truth, collections: Collection[str]) -> int:
    """Return one number for all but some collections."""
    return sum(part for name, part in truth.items() if name not in collections) % _MODULUS


def _part(row: RecordRow) -> int:
    return int.from_bytes(digest(b"truth", row.id, *row.heads)[:16], "big")


class Past:
    """Everything that was ever true on one disk.

    Attributes:
        forgotten: The collections that its device did not keep at some time.
    """

    def __init__(
        self, truths: Iterable[Truth] = ({},), forgotten: frozenset[str] = frozenset()
    ) -> None:
        self.forgotten = forgotten
        self._truths = list(truths)
        self._totals: dict[frozenset[str], set[int]] = {}

    def add(self, truth: Truth) -> None:
        """Remember what is true from now on."""
        self._truths.append(truth)
        for without, totals in self._totals.items():
            totals.add(truth_without(truth, without))

    def knew(self, truth: Truth, without: frozenset[str] = frozenset()) -> bool:
        """Tell whether just this was true at some time, whatever stood in some collections."""
        totals = self._totals.get(without)
        if totals is None:
            totals = {truth_without(each, without) for each in self._truths}
            self._totals[without] = totals
        return truth_without(truth, without) in totals

    def knew_of(self, collection: str, part: int) -> bool:
        """Tell whether just this was true of a collection at some time."""
        return any(each.get(collection, 0) == part for each in reversed(self._truths))

    def copy(self) -> "Past":
        """Return what a copy of the disk has behind it."""
        return Past(self._truths, self.forgotten)

    def joined(self, other: "Past") -> "Past":
        """Return what was true here or there."""
        return Past((*self._truths, *other._truths), self.forgotten | other.forgotten)
