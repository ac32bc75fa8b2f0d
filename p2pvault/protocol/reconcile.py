"""Replication over one link: what the peer holds, what it lacks, and the proof of equality.

Messages, by kind on the channel (bodies are packed arrays):

    HAVE     [[[author, n, hash], ...], content]   at first all journals, later those that moved
    ENTRIES  see `protocol.entries`
    REFUSED  [[author, n], ...]                    entries up to n that need not be sent again

`content` is a digest over the fingerprints of all collections as of those journals. Both sides
send HAVE when the link comes up and whenever their durable state moves; a heartbeat is a HAVE
with nothing moved. Equal journals with equal content prove equal vaults; equal journals with
different content are a fault that is never kept quiet. While a device fetches record snapshots its
content is UNSETTLED: it holds more than its journals say.

A `Peer` is what one side knows of the other on one link. It decides which entries to send; loading
and storing them is the core's work. docs/protocol/journal.md is the specification.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from p2pvault.crypto.hashing import digest
from p2pvault.errors import LimitExceeded, UnexpectedMessage
from p2pvault.limits import (
    INTEGER_MAX,
    JOURNAL_ENTRIES_MAX,
    JOURNALS_MAX,
    UNACKNOWLEDGED_BYTES_MAX,
)
from p2pvault.types import AuthorId, Fingerprint, JournalHead, StoredEntry
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import exactly, pair, sequence, structure, to_tree, unsigned

UNSETTLED: Final = bytes(32)
"""Said instead of a content digest while snapshots are fetched: it proves nothing."""

Journals = Mapping[AuthorId, JournalHead]
"""What a device holds: the head of every journal."""


@dataclass(frozen=True, slots=True)
class Have:
    """What a device holds, or what moved since it last said so."""

    journals: tuple[JournalHead, ...]
    content: bytes


_read_have = structure(
    Have,
    sequence(
        structure(JournalHead, exactly(16), unsigned(JOURNAL_ENTRIES_MAX), exactly(32)),
        JOURNALS_MAX,
    ),
    exactly(32),
)
_read_refused = sequence(pair(exactly(16), unsigned(INTEGER_MAX)), JOURNALS_MAX)


def encode_have(have: Have) -> bytes:
    """Return the body of a HAVE message."""
    return pack(to_tree(have))


def decode_have(body: bytes) -> Have:
    """Read the body of a HAVE message; raises `RemoteProtocolError` kinds."""
    return _read_have(unpack(body))


def encode_refused(refused: Iterable[tuple[AuthorId, int]]) -> bytes:
    """Return the body of a REFUSED message: up to which number journals were refused."""
    return pack([[author, n] for author, n in refused])


def decode_refused(body: bytes) -> tuple[tuple[AuthorId, int], ...]:
    """Read the body of a REFUSED message; raises `RemoteProtocolError` kinds."""
    return tuple((AuthorId(author), n) for author, n in _read_refused(unpack(body)))


def content_digest(fingerprints: Iterable[Fingerprint]) -> bytes:
    """Return 32 bytes that are equal on two devices when all their collections are.

    A collection that never held a record has a total of zero and is left out, so that knowing of
    an empty collection makes no difference.
    """
    held = sorted((f.collection, f.total) for f in fingerprints if f.total)
    parts = (part for name, total in held for part in (name.encode(), total.to_bytes(32, "big")))
    return digest(b"p2pv-content", *parts)


class Verdict(Enum):
    """What comparing the peer's state with ours says."""

    EQUAL = auto()
    """Same journals and same content: proved."""

    APART = auto()
    """One side holds entries that the other lacks; they are on their way."""

    INCOMPLETE = auto()
    """Same journals and different content, as one side said: it is fetching what it lacks."""

    CONTRADICTION = auto()
    """Same journals and different content, or one entry number with two hashes: a fault."""


@dataclass(slots=True)
class Peer:
    """One side's knowledge of the other during one link.

    Attributes:
        journals: What the peer holds, as far as it said; `content` is as of this.
        content: Its content digest at its last HAVE, None before the first.
        in_flight: Entries sent and not yet acknowledged: what the journal ends with then, bytes.
        in_flight_bytes: Their sum; bounded by UNACKNOWLEDGED_BYTES_MAX plus one entry.
        covered: Highest number of each journal that we sent to the peer or have from it.
        refused: Highest number of each journal that the peer wants no more; it does not hold these.
        contested: Journals of which it holds another branch than we; none of their entries are
            sent or taken.
        agreed: How far it was seen to hold journals as we do; a number alone, without our hash,
            may be one of another branch.
    """

    journals: dict[AuthorId, JournalHead] = field(default_factory=dict)
    content: bytes | None = None
    in_flight: deque[tuple[JournalHead, int]] = field(default_factory=deque)
    in_flight_bytes: int = 0
    covered: dict[AuthorId, int] = field(default_factory=dict)
    refused: dict[AuthorId, int] = field(default_factory=dict)
    contested: set[AuthorId] = field(default_factory=set)
    agreed: dict[AuthorId, JournalHead] = field(default_factory=dict)

    def heard(self, have: Have) -> None:
        """Take in a HAVE: the peer's state moves forward and acknowledges what we sent.

        Raises:
            UnexpectedMessage: A journal went backwards or changed its hash at the same number.
            LimitExceeded: More journals than a vault can have.
        """
        for head in have.journals:
            known = self.journals.get(head.author)
            if known and (head.n < known.n or (head.n == known.n and head.hash != known.hash)):
                raise UnexpectedMessage("a journal of the peer went backwards")
            self.journals[head.author] = head
        if len(self.journals) > JOURNALS_MAX:
            raise LimitExceeded(f"more than {JOURNALS_MAX} journals")
        self.content = have.content
        self._acknowledge()

    def heard_refused(self, refused: Iterable[tuple[AuthorId, int]]) -> None:
        """Take in a REFUSED: these entries are settled without being held.

        Raises:
            LimitExceeded: More journals than a vault can have.
        """
        for author, n in refused:
            self.refused[author] = max(n, self.refused.get(author, 0))
        if len(self.refused) > JOURNALS_MAX:
            raise LimitExceeded(f"more than {JOURNALS_MAX} refused journals")
        self._acknowledge()

    def received(self, entry: StoredEntry) -> None:
        """Note that the peer sent us an entry, hence holds it; it will say so itself."""
        self._cover(entry)

    def agree(self, head: JournalHead) -> None:
        """Note that the peer holds a journal as we do, up to here."""
        known = self.agreed.get(head.author)
        if known is None or known.n < head.n:
            self.agreed[head.author] = head

    def lacks(self, entry: StoredEntry) -> bool:
        """Tell whether the peer neither holds nor refused this entry nor has it on its way."""
        return entry.author not in self.contested and entry.n > self.reached(entry.author)

    def continues(self, entries: Iterable[StoredEntry]) -> bool:
        """Tell whether entries continue what the peer holds, each journal without a gap."""
        reached: dict[AuthorId, int] = {}
        for entry in entries:
            if entry.n != reached.get(entry.author, self.reached(entry.author)) + 1:
                return False
            reached[entry.author] = entry.n
        return True

    def reached(self, author: AuthorId) -> int:
        """Return the highest number of a journal that is settled there or in flight."""
        return max(self._settled(author), self.covered.get(author, 0))

    def sent(self, entry: StoredEntry) -> None:
        """Note that an entry is on its way."""
        head = JournalHead(entry.author, entry.n, entry.hash)
        self.in_flight.append((head, len(entry.data)))
        self.in_flight_bytes += len(entry.data)
        self._cover(entry)

    def _settled(self, author: AuthorId) -> int:
        return max(_number(self.journals, author), self.refused.get(author, 0))

    def _cover(self, entry: StoredEntry) -> None:
        self.covered[entry.author] = max(entry.n, self.covered.get(entry.author, 0))

    @property
    def window_bytes(self) -> int:
        """How much more may be sent before an acknowledgement; not below zero."""
        return max(0, UNACKNOWLEDGED_BYTES_MAX - self.in_flight_bytes)

    def compare(self, journals: Journals, content: bytes) -> Verdict:
        """Compare the peer's last word with our durable state."""
        if self.content is None:
            return Verdict.APART
        for author, head in self.journals.items():
            ours = journals.get(author)
            if ours and ours.n == head.n and ours.hash != head.hash:
                return Verdict.CONTRADICTION
        if self.contested:
            return Verdict.CONTRADICTION
        if any(journals.get(author) != head for author, head in self.journals.items()):
            return Verdict.APART
        if len(journals) != len(self.journals) or UNSETTLED in (content, self.content):
            return Verdict.APART
        return Verdict.EQUAL if content == self.content else Verdict.CONTRADICTION

    def _acknowledge(self) -> None:
        while self.in_flight:
            head, size = self.in_flight[0]
            if head.n > self._settled(head.author):
                return
            if self.journals.get(head.author) == head:
                self.agree(head)
            self.in_flight.popleft()
            self.in_flight_bytes -= size


def missing_there(ours: Journals, theirs: Journals) -> int:
    """Count the entries that we hold and a peer, as far as it said, does not."""
    return sum(max(0, head.n - _number(theirs, author)) for author, head in ours.items())


def missing_here(ours: Journals, theirs: Journals) -> int:
    """Count the entries that a peer holds and we do not."""
    return missing_there(theirs, ours)


def _number(journals: Journals, author: AuthorId) -> int:
    head = journals.get(author)
    return head.n if head else 0


def first_missing(ours: Journals, peer: Peer) -> list[tuple[AuthorId, int]]:
    """Return, for each journal that the peer lacks something of, the first number it lacks."""
    return [
        (author, peer.reached(author) + 1)
        for author, head in sorted(ours.items())
        if head.n > peer.reached(author) and author not in peer.contested
    ]
