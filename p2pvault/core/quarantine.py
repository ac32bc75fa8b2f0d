"""The quarantine: entries that do not count now, kept apart from the journals and never applied.

An entry is refused when its device was removed and it lies beyond what members stated to have
accepted, or when it needs something that is refused: the entry before it in its journal, or a
change to the same record. It is kept where there is room, and it is no part of journals, HAVE,
fingerprints or content. Each journal with refused entries has a mark: how far it was refused.
Peers are told the marks, so that nobody sends a refused entry again, whether it was kept or not.

A `Quarantine` never changes, like the `Content` that it belongs to; `holding` makes the next.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from p2pvault.errors import AmbiguousDevice, NoSuchDevice, Refused
from p2pvault.limits import DEVICE_PREFIX_DIGITS_MIN
from p2pvault.protocol.membership.state import Membership
from p2pvault.types import (
    AuthorId,
    DeviceId,
    EntryHash,
    JournalHead,
    QuarantinedRow,
    StoreState,
)

REFUSED: Final = "refused/"
"""Prefix of the store's named values that hold marks; the author in hex follows."""

_DEVICE_BYTES: Final = 32
_NUMBER_BYTES: Final = 8

Key = tuple[AuthorId, int]
"""Names a quarantined entry: its journal and its number there."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a journal was refused: whose it is, and the last refused entry."""

    device: DeviceId
    head: JournalHead

    def to_bytes(self) -> bytes:
        """Return the mark as the store keeps it."""
        return self.device + self.head.n.to_bytes(_NUMBER_BYTES, "big") + self.head.hash


def mark_of(name: str, value: bytes) -> tuple[AuthorId, Mark]:
    """Read a mark as the store keeps it."""
    author = AuthorId(bytes.fromhex(name.removeprefix(REFUSED)))
    device, rest = DeviceId(value[:_DEVICE_BYTES]), value[_DEVICE_BYTES:]
    n, hash_ = int.from_bytes(rest[:_NUMBER_BYTES], "big"), EntryHash(rest[_NUMBER_BYTES:])
    return author, Mark(device, JournalHead(author, n, hash_))


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What is refused, and what of it is kept.

    Attributes:
        rows: The kept entries, in their order of arrival here, which is causal.
        marks: How far each journal was refused.
    """

    rows: Mapping[Key, QuarantinedRow] = field(default_factory=dict)
    marks: Mapping[AuthorId, Mark] = field(default_factory=dict)

    @property
    def heads(self) -> tuple[JournalHead, ...]:
        """The last refused entry of each journal with a mark, sorted by author."""
        return tuple(self.marks[author].head for author in sorted(self.marks))

    def of(self, device: DeviceId | None) -> tuple[QuarantinedRow, ...]:
        """Return the rows of a device and all that hangs together with them, or every row.

        Entries hang together that are of one journal or change one record: one may need the
        other, and neither can be judged, repeated or dropped without it.
        """
        if device is None:
            return tuple(self.rows.values())
        ties: set[bytes] = set()
        found = [row for row in self.rows.values() if row.device == device]
        while found:
            ties.update(tie for row in found for tie in _ties(row))
            found = [
                row for row in self.rows.values() if _is_tied(row, ties) and not ties >= _ties(row)
            ]
        return tuple(row for row in self.rows.values() if _is_tied(row, ties))


def _ties(row: QuarantinedRow) -> set[bytes]:
    return {row.author, *row.records}


def _is_tied(row: QuarantinedRow, ties: Collection[bytes]) -> bool:
    return not _ties(row).isdisjoint(ties)


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """An entry in quarantine that is tried again; `alone` keeps it out of other jobs' batches."""

    row: QuarantinedRow
    alone: bool = False


@dataclass(frozen=True, slots=True)
class LiftJob:
    """Forget marks in front of entries that would be good now; see `Staging.lift`."""

    alone: bool = True


@dataclass(frozen=True, slots=True)
class SettleJob:
    """One local request about entries in quarantine: repeat their effect or not, and drop them."""

    request: int
    rows: tuple[QuarantinedRow, ...]
    repeat: bool
    alone: bool = True


def quarantine_of(state: StoreState) -> Quarantine:
    """Return what an opened store keeps in quarantine."""
    marks = (mark_of(name, value) for name, value in state.meta.items() if name.startswith(REFUSED))
    return Quarantine({(row.author, row.n): row for row in state.quarantine}, dict(marks))


def find_rows(
    quarantine: Quarantine, selector: str | None, name_of: Callable[[DeviceId], str]
) -> tuple[QuarantinedRow, ...]:
    """Return what a person means: everything, or a device by name, id or its beginning.

    Raises:
        Refused: Nothing is in quarantine.
        NoSuchDevice: Nothing of a device that goes by that.
        AmbiguousDevice: Several devices go by it.
    """
    devices = {row.device for row in quarantine.rows.values()}
    if not devices:
        raise Refused("nothing is in quarantine")
    if selector is None:
        return quarantine.of(None)
    found = [each for each in devices if selector in (name_of(each), each.hex())]
    if not found and len(selector) >= DEVICE_PREFIX_DIGITS_MIN:
        found = [each for each in devices if each.hex().startswith(selector.lower())]
    if not found:
        raise NoSuchDevice(
            f"nothing of a device called “{selector}” is in quarantine",
            hint="`p2pvault quarantine` shows of whom something is.",
        )
    if len(found) > 1:
        ids = ", ".join(sorted(each.hex()[:8] for each in found))
        raise AmbiguousDevice(f"“{selector}” means several devices: {ids}")
    return quarantine.of(found[0])


def counts(membership: Membership, device: DeviceId, author: AuthorId, n: int) -> bool:
    """Tell whether the entry with this number of a device's journal counts now."""
    last = membership.acceptance(device, author)
    return last is None or n <= last


def is_vouched_for(membership: Membership, device: DeviceId) -> bool:
    """Tell whether nothing that a device wrote, and that counts, follows what is beyond the bounds.

    A member that has stated how much it accepted of all who are out built on nothing else. What
    one who is out wrote, and a member still holds, follows what that member stated in its turn.
    """
    if membership.is_member(device):
        return not membership.owing.get(device)
    return not any(membership.owing.values())


def unblocked(rows: Iterable[QuarantinedRow], membership: Membership) -> tuple[QuarantinedRow, ...]:
    """Return the rows of entries that count by themselves, whatever else they may need."""
    return tuple(row for row in rows if counts(membership, row.device, row.author, row.n))
