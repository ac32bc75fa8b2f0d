"""Two branches of one journal: what linked devices say about them, and where they part.

A store that was rolled back without noticing writes entries under numbers that it has used before.
From then on its journal has two branches, each signed by its author, and every device holds at
most one of them. Message on the channel (a packed array):

    FORK   [word, author, [n, ...], [hash, ...], entry]

    CONTESTED  the sender holds another branch of this journal than the receiver
    ASK        for the hashes of the entries with these numbers
    ANSWER     those hashes, in the same order; empty bytes for an entry that is not held
    GIVE_WAY   by the journal's own author: its branch stands, the receiver's does not
    PROVE      for the entry with this one number, by whoever would give way to it
    PROOF      that entry; empty bytes where it is not kept

A `Narrowing` finds the last entry that two branches share, by asking for PROBES_MAX hashes at a
time. docs/protocol/journal.md, "Forks", is the specification.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from p2pvault.errors import MalformedMessage
from p2pvault.limits import ENTRY_BYTES_MAX, FORK_PROBES_MAX, INTEGER_MAX
from p2pvault.types import AuthorId
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import binary, exactly, sequence, structure, to_tree, unsigned

_HASH_BYTES: Final = 32


class Word(IntEnum):
    """What a FORK message is."""

    CONTESTED = 0
    ASK = 1
    ANSWER = 2
    GIVE_WAY = 3
    PROVE = 4
    PROOF = 5


_NUMBERS: Final = {
    Word.ASK: (1, FORK_PROBES_MAX),
    Word.ANSWER: (1, FORK_PROBES_MAX),
    Word.PROVE: (1, 1),
    Word.PROOF: (1, 1),
}
"""The least and the most numbers in each word that takes any."""


@dataclass(frozen=True, slots=True)
class Fork:
    """One message about one journal."""

    word: int
    author: AuthorId
    numbers: tuple[int, ...] = ()
    hashes: tuple[bytes, ...] = ()
    entry: bytes = b""


_read = structure(
    Fork,
    unsigned(max(Word)),
    exactly(16),
    sequence(unsigned(INTEGER_MAX), FORK_PROBES_MAX),
    sequence(binary(_HASH_BYTES), FORK_PROBES_MAX),
    binary(ENTRY_BYTES_MAX),
)


def encode_fork(fork: Fork) -> bytes:
    """Return the body of a FORK message."""
    return pack(to_tree(fork))


def decode_fork(body: bytes) -> Fork:
    """Read the body of a FORK message; raises `RemoteProtocolError` kinds."""
    fork = _read(unpack(body))
    least, most = _NUMBERS.get(Word(fork.word), (0, 0))
    if not least <= len(fork.numbers) <= most:
        raise MalformedMessage("a word about a fork with numbers that it does not take")
    if len(fork.hashes) != (len(fork.numbers) if fork.word == Word.ANSWER else 0):
        raise MalformedMessage("a word about a fork with other hashes than numbers")
    if fork.entry and fork.word != Word.PROOF:
        raise MalformedMessage("a word about a fork with an entry that it does not take")
    return fork


class Narrowing:
    """Looks for the last entry that our branch of a journal shares with a peer's.

    Attributes:
        asked: The numbers that the peer was asked about last.
        ours, theirs: The numbers of our last entry and of the peer's when the search began.
        ours_there: Our hash of the entry with that number; empty where we hold none.
        apart: Our hash and the peer's of the first entry that is known to differ; empty before one
            is, and where one is not held.
        shown: The number of the entry that the peer was asked to prove its branch with.
    """

    def __init__(self, ours: int, theirs: int) -> None:
        """Begin.

        Args:
            ours: The number of our last entry.
            theirs: The number of the peer's.
        """
        self._same = 0
        self._differs = min(ours, theirs) + 1
        self.asked: tuple[int, ...] = ()
        self.ours, self.theirs = ours, theirs
        self.ours_there = b""
        self.apart = b"", b""
        self.shown = 0

    @property
    def common(self) -> int | None:
        """The number of the last shared entry, 0 for none; None while it is not found."""
        return self._same if self._differs == self._same + 1 else None

    def ask(self) -> tuple[int, ...]:
        """Return the numbers to ask for next, evenly spread over what is open."""
        span = self._differs - self._same - 1
        count = min(span, FORK_PROBES_MAX)
        self.asked = tuple(self._same + span * step // count for step in range(1, count + 1))
        return self.asked

    def learn(self, ours: Sequence[bytes], theirs: Sequence[bytes]) -> None:
        """Take in both sides' hashes of what was asked.

        An entry that we hold no more was acknowledged by every member, so it is shared. One that
        only the peer holds no more tells nothing: we may have acknowledged another one there,
        before we were rolled back.
        """
        asked = list(zip(self.asked, ours, theirs, strict=True))
        self.ours_there = next((our for n, our, _ in asked if n == self.theirs), self.ours_there)
        self._same = max([self._same, *(n for n, our, their in asked if our in (b"", their))])
        for n, our, their in asked:
            if self._same < n < self._differs and our not in (b"", their):
                self._differs, self.apart = n, (our, their)
