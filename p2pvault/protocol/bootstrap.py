"""How a device that lacks entries nobody keeps any more becomes equal: from record snapshots.

Messages, by kind on the channel (bodies are packed arrays):

    BEHIND            [[author, device, n, hash], ...]      the sender's journals: the cut
    SNAPSHOTS_WANTED  [taken, after, [[author, device, n, hash], ...]]
    SNAPSHOTS         see `snapshot`: every record as of the cut, sorted by id
    SNAPSHOTS_END     []

BEHIND says that the peer lacks entries which the sender does not keep. SNAPSHOTS_WANTED with
`taken` 0 asks for the records behind the id `after` (empty: from the first) as of a cut; with a
higher number it acknowledges so many bytes, and `after` and the cut are left empty. A cut names
the device of each journal, which an entry would have said. docs/protocol/journal.md is the
specification.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from p2pvault.errors import MalformedMessage
from p2pvault.limits import INTEGER_MAX, JOURNAL_ENTRIES_MAX, JOURNALS_MAX
from p2pvault.types import AuthorId, DeviceId, EntryHash, JournalHead, RecordId
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import binary, exactly, sequence, structure, to_tree, unsigned

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class CutHead:
    """One journal of a cut, and whose it is."""

    author: AuthorId
    device: DeviceId
    n: int
    hash: EntryHash

    @property
    def head(self) -> JournalHead:
        """The journal's head."""
        return JournalHead(self.author, self.n, self.hash)


Cut = tuple[CutHead, ...]
"""All journals of a device at one moment, sorted by author."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A SNAPSHOTS_WANTED message.

    Attributes:
        taken: How many bytes of snapshot messages are durable since that was asked for, or are
            pieces of a record that is not whole yet, which would not fit the window otherwise.
        after: The last record that is there already, or None.
        cut: As of when the records are wanted.
    """

    taken: int
    after: RecordId | None
    cut: Cut


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a device has come with the snapshots of one cut.

    Attributes:
        cut: As of when the records are; empty where all of a cut are here, and `ahead` is left.
        after: The last record that is durable, or None.
        ahead: Journals of cuts that were left for this one, where those reach further: some
            records may hold what this cut knows nothing of.
    """

    cut: Cut
    after: RecordId | None
    ahead: Cut = ()

    @property
    def heads(self) -> Cut:
        """How far records may reach in every journal, sorted by author."""
        return furthest((*self.cut, *self.ahead))


@dataclass(frozen=True, slots=True)
class _Wanted:
    taken: int
    after: RecordId
    cut: Cut


_cut_shape = sequence(
    structure(CutHead, exactly(16), exactly(32), unsigned(JOURNAL_ENTRIES_MAX), exactly(32)),
    JOURNALS_MAX,
)
_read_progress = structure(Fetching, _cut_shape, binary(_ID_BYTES), _cut_shape)
_read_wanted = structure(_Wanted, unsigned(INTEGER_MAX), binary(_ID_BYTES), _cut_shape)


def encode_cut(cut: Cut) -> bytes:
    """Return the body of a BEHIND message."""
    return pack(to_tree(cut))


def decode_cut(body: bytes) -> Cut:
    """Read the body of a BEHIND message.

    Raises:
        MalformedMessage: No cut, or one that says nothing, is not sorted or names a journal twice.
    """
    cut = _checked(_cut_shape(unpack(body)))
    if not cut:
        raise MalformedMessage("a cut of no journals")
    return cut


def encode_wanted(wanted: Wanted) -> bytes:
    """Return the body of a SNAPSHOTS_WANTED message."""
    return pack(to_tree(_Wanted(wanted.taken, wanted.after or RecordId(b""), wanted.cut)))


def decode_wanted(body: bytes) -> Wanted:
    """Read the body of a SNAPSHOTS_WANTED message; raises `MalformedMessage` and its like."""
    read = _read_wanted(unpack(body))
    if len(read.after) not in (0, _ID_BYTES):
        raise MalformedMessage("an id of another length than ids have")
    if (read.taken == 0) != bool(read.cut):
        raise MalformedMessage("a request without a cut, or an acknowledgement with one")
    return Wanted(read.taken, read.after or None, _checked(read.cut))


def encode_end() -> bytes:
    """Return the body of a SNAPSHOTS_END message."""
    return pack([])


def decode_end(body: bytes) -> None:
    """Read the body of a SNAPSHOTS_END message; raises `MalformedMessage`."""
    if unpack(body) != []:
        raise MalformedMessage("an end of snapshots that says more")


def encode_progress(fetching: Fetching) -> bytes:
    """Return what a store keeps while snapshots are fetched."""
    return pack(to_tree(replace(fetching, after=fetching.after or RecordId(b""))))


def decode_progress(kept: bytes) -> Fetching:
    """Read it again; raises `MalformedMessage` where `encode_progress` did not write it."""
    read = _read_progress(unpack(kept))
    return Fetching(_checked(read.cut), read.after or None, _checked(read.ahead))


def beginning(left: Fetching | None, cut: Cut) -> Fetching:
    """Return the beginning of another cut; what was fetched of the one before stays here."""
    known = {each.author: each.n for each in cut}
    heads = left.heads if left is not None else ()
    return Fetching(cut, None, tuple(each for each in heads if each.n > known.get(each.author, 0)))


def furthest(heads: Iterable[CutHead]) -> Cut:
    """Return the furthest head of each journal, sorted by author."""
    found: dict[AuthorId, CutHead] = {}
    for each in heads:
        if each.author not in found or found[each.author].n < each.n:
            found[each.author] = each
    return tuple(found[author] for author in sorted(found))


def _checked(cut: Sequence[CutHead]) -> Cut:
    authors = [each.author for each in cut]
    if authors != sorted(set(authors)) or any(each.n == 0 for each in cut):
        raise MalformedMessage("a cut that is not sorted, or has an empty journal")
    return tuple(cut)
