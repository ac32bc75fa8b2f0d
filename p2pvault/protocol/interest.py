"""What a device keeps, as it tells its peers.

    INTEREST  [serial, heard, [collection, ...], [collection, ...], [collection, ...]]

The three lists are the collections that the sender does not keep, those of which it may lack
something, and those that it is about to keep no longer. `serial` counts the sender's statements on
this link from 1; `heard` is the last one of the receiver's that it took in. A content digest is
comparable once both have heard the other's last statement, since both leave out the same then.
Whoever never sends this keeps everything. docs/protocol/journal.md is the specification.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from p2pvault.errors import UnexpectedMessage
from p2pvault.limits import INTEGER_MAX, INTEREST_COLLECTIONS_MAX, PARTIAL_COLLECTIONS_MAX
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.collections import collections_shape
from p2pvault.wire.shape import structure, to_tree, unsigned


@dataclass(frozen=True, slots=True)
class Statement:
    """What a device says of its collections.

    Attributes:
        forgotten: Those that it does not keep.
        partial: Those of which it may lack something.
        leaving: Those that it is about to keep no longer.
    """

    forgotten: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()

    def vouches_for(self, collection: str) -> bool:
        """Tell whether the device holds all of a collection, and goes on to."""
        return collection not in self.forgotten | self.partial | self.leaving


@dataclass(frozen=True, slots=True)
class _Message:
    serial: int
    heard: int
    forgotten: tuple[str, ...]
    partial: tuple[str, ...]
    leaving: tuple[str, ...]


_read = structure(
    _Message,
    unsigned(INTEGER_MAX),
    unsigned(INTEGER_MAX),
    collections_shape(INTEREST_COLLECTIONS_MAX),
    collections_shape(PARTIAL_COLLECTIONS_MAX),
    collections_shape(INTEREST_COLLECTIONS_MAX),
)


@dataclass(slots=True)
class Interests:
    """What was said on one link, in both directions.

    Attributes:
        theirs: The peer's last statement.
        ours: Our last one.
        their_serial: The number of the peer's last statement, 0 before the first.
        our_serial: That of ours.
        heard: The last of ours that the peer has taken in.
        told: The last of theirs that we have said to have taken in.
    """

    theirs: Statement = field(default_factory=Statement)
    ours: Statement = field(default_factory=Statement)
    their_serial: int = 0
    our_serial: int = 0
    heard: int = 0
    told: int = 0

    def say(self, ours: Statement) -> bytes | None:
        """Return the message that brings the peer up to date; None if it is."""
        if ours == self.ours and self.told == self.their_serial:
            return None
        self.our_serial += ours != self.ours
        self.ours, self.told = ours, self.their_serial
        names = (tuple(sorted(each)) for each in (ours.forgotten, ours.partial, ours.leaving))
        return pack(to_tree(_Message(self.our_serial, self.told, *names)))

    def hear(self, body: bytes) -> None:
        """Take in the peer's message.

        Raises:
            RemoteProtocolError: It does not parse, or contradicts what was said before.
        """
        said = _read(unpack(body))
        theirs = Statement(*map(frozenset, (said.forgotten, said.partial, said.leaving)))
        if not self.heard <= said.heard <= self.our_serial:
            raise UnexpectedMessage("an answer to a statement that was not made")
        if said.serial != self.their_serial + (theirs != self.theirs):
            raise UnexpectedMessage("statements about collections out of order")
        self.theirs, self.their_serial, self.heard = theirs, said.serial, said.heard

    def is_settled(self, ours: Statement) -> bool:
        """Tell whether both sides know what the other one leaves out."""
        return ours == self.ours and self.heard == self.our_serial

    @property
    def without(self) -> Set[str]:
        """The collections that are no part of a comparison."""
        return self.theirs.forgotten | self.ours.forgotten
