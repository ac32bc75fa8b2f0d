"""Record snapshots between two devices: one record whole, in as many pieces as it takes.

    SNAPSHOTS      = [[record, [head, ...], size, piece], ...]      at least one piece
    RECORDS_WANTED = [record, ...]                                  at least one
    RECORDS        = [SNAPSHOTS as bytes, or none, is this the last message of the answer?]

`size` is that of the whole snapshot in bytes; the pieces of a record follow one another without
another record in between, in one message or in several. What a snapshot contains is `crdt`'s
business, and who asked for which is `core`'s. docs/protocol/journal.md is the specification.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from p2pvault.errors import LimitExceeded, MalformedMessage, UnexpectedMessage
from p2pvault.limits import (
    CHANGE_DEPENDENCIES_MAX,
    MESSAGE_BYTES_MAX,
    RECORDS_WANTED_MAX,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_PIECE_BYTES_MAX,
    SNAPSHOTS_PER_MESSAGE_MAX,
    SNAPSHOTS_TOGETHER_BYTES_MAX,
)
from p2pvault.types import ChangeHash, Heads, RecordId
from p2pvault.wire.codec import Tree, pack, unpack
from p2pvault.wire.shape import binary, boolean, exactly, sequence, structure, unsigned

_HASH_BYTES = 32

_HEAD_BYTES = 2 + _HASH_BYTES
"""One head of a piece, packed."""

_PIECE_BYTES = 40
"""A piece without heads and data, packed, at most, and the list around it: 2 array heads of 3
bytes, 18 of the id, 5 of the size, 5 before the data, 1 of its own."""


@dataclass(frozen=True, slots=True)
class RecordSnapshot:
    """One record as it travels whole.

    Attributes:
        record: Its id.
        heads: What the chunks lead to, sorted.
        data: Its chunks, one after the other.
    """

    record: RecordId
    heads: Heads
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One piece of a snapshot, as it is packed."""

    record: RecordId
    heads: tuple[ChangeHash, ...]
    size: int
    data: bytes


_read_pieces = sequence(
    structure(
        _Piece,
        exactly(16),
        sequence(exactly(_HASH_BYTES), CHANGE_DEPENDENCIES_MAX),
        unsigned(SNAPSHOT_BYTES_MAX),
        binary(SNAPSHOT_PIECE_BYTES_MAX),
    ),
    SNAPSHOTS_PER_MESSAGE_MAX,
)


def encode_snapshots(snapshots: Iterable[RecordSnapshot]) -> Iterator[bytes]:
    """Return the bodies of the messages that carry snapshots, each of a handy size.

    Args:
        snapshots: None larger than SNAPSHOT_BYTES_MAX.
    """
    message: list[Tree] = []
    room = SNAPSHOTS_TOGETHER_BYTES_MAX
    for piece in (piece for snapshot in snapshots for piece in _pieces(snapshot)):
        size = _PIECE_BYTES + _HEAD_BYTES * len(piece.heads) + len(piece.data)
        if message and size > room:
            yield pack(message)
            message, room = [], SNAPSHOTS_TOGETHER_BYTES_MAX
        message.append([piece.record, list(piece.heads), piece.size, piece.data])
        room -= size
    if message:
        yield pack(message)


def _pieces(snapshot: RecordSnapshot) -> Iterator[_Piece]:
    data = snapshot.data
    assert 0 < len(data) <= SNAPSHOT_BYTES_MAX, "who sends keeps to the bound"
    for start in range(0, len(data), SNAPSHOT_PIECE_BYTES_MAX):
        piece = data[start : start + SNAPSHOT_PIECE_BYTES_MAX]
        yield _Piece(snapshot.record, snapshot.heads, len(data), piece)


@dataclass(frozen=True, slots=True)
class Records:
    """A RECORDS message: the body of a SNAPSHOTS message or nothing, and whether it is the last."""

    pieces: bytes
    is_last: bool


_read_wanted = sequence(exactly(16), RECORDS_WANTED_MAX)
_read_records = structure(Records, binary(MESSAGE_BYTES_MAX), boolean)


def encode_wanted(records: Sequence[RecordId]) -> bytes:
    """Return the body of a RECORDS_WANTED message."""
    return pack(list(records))


def decode_wanted(body: bytes) -> tuple[RecordId, ...]:
    """Read the body of a RECORDS_WANTED message; raises `RemoteProtocolError` kinds."""
    records = tuple(RecordId(record) for record in _read_wanted(unpack(body)))
    if not records or len(set(records)) != len(records):
        raise MalformedMessage("a wish for no record, or for one twice")
    return records


def encode_records(pieces: bytes, *, is_last: bool) -> bytes:
    """Return the body of a RECORDS message."""
    return pack([pieces, is_last])


def decode_records(body: bytes) -> Records:
    """Read the body of a RECORDS message; raises `RemoteProtocolError` kinds."""
    return _read_records(unpack(body))


@dataclass(slots=True)
class Assembly:
    """Puts the pieces that arrive on one link together.

    Attributes:
        pending: The first piece of the record that is not whole yet, if there is one.
        parts: Its pieces so far; at most SNAPSHOT_BYTES_MAX.
        missing: Bytes that it lacks still.
    """

    pending: _Piece | None = None
    parts: list[bytes] = field(default_factory=list)
    missing: int = 0

    def take(self, body: bytes) -> list[RecordSnapshot]:
        """Read a message; return the snapshots that it completes.

        Raises:
            MalformedMessage, LimitExceeded: No such message, above a bound, or in smaller pieces
                than a snapshot has. Many short ones could inflate to any size.
            UnexpectedMessage: Another record before one was whole.
        """
        pieces = _read_pieces(unpack(body))
        if not pieces:
            raise MalformedMessage("a message of no snapshots")
        if len(pieces) > 1 and len(body) > SNAPSHOTS_TOGETHER_BYTES_MAX:
            raise LimitExceeded("more than one piece in a message that has room for one")
        return [whole for piece in pieces if (whole := self._add(piece)) is not None]

    def _add(self, piece: _Piece) -> RecordSnapshot | None:
        if self.pending is None:
            self.pending, self.missing = piece, piece.size
        first = self.pending
        if (piece.record, piece.heads, piece.size) != (first.record, first.heads, first.size):
            raise UnexpectedMessage("a snapshot that begins inside another")
        if not piece.data or not piece.heads:
            raise MalformedMessage("a snapshot without content or without heads")
        if list(piece.heads) != sorted(set(piece.heads)):
            raise MalformedMessage("heads that are not sorted, or that name one twice")
        self.parts.append(piece.data)
        self.missing -= len(piece.data)
        if self.missing < 0:
            raise LimitExceeded("more of a snapshot than it says to have")
        if self.missing and len(piece.data) < SNAPSHOT_PIECE_BYTES_MAX:
            raise MalformedMessage("a piece that is smaller than it has to be")
        if self.missing:
            return None
        whole = RecordSnapshot(first.record, first.heads, b"".join(self.parts))
        self.pending, self.parts = None, []
        return whole
