"""A record as it travels whole: one document chunk, or changes, or changes behind a document.

That is how the store keeps a record too, so a sender needs no engine to send one. A receiver
looks at it with `inspect_snapshot`, which bounds what loading costs; `restore` then makes a record
of it, and `merge` brings what is new in it into a record that is there. Every change that enters
a record that way passes the same pre-filter as one that came by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from p2pvault.crdt.chunk import DOCUMENT, frame, split
from p2pvault.crdt.document import inspect_document, weigh_document
from p2pvault.crdt.prefilter import Change, inspect, weigh
from p2pvault.crdt.record import Record
from p2pvault.errors import ChangeRefused, CrdtError
from p2pvault.limits import SNAPSHOT_BYTES_MAX, SNAPSHOT_OPERATIONS_MAX, WORK_PER_CHANGE
from p2pvault.types import AuthorId, Heads


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A record's history that passed `inspect_snapshot`.

    Attributes:
        heads: What it is said to lead to; whether it does, loading shows.
        base: The heads of its document chunk, () where it has none.
        document: That chunk, or nothing.
        changes: The changes behind it.
        operations: How many operations all of it has.
        work: How much work it is, in the unit of `prefilter.weigh`.
        authors: Who wrote them, as far as it says.
    """

    heads: Heads
    base: Heads
    document: bytes = field(repr=False)
    changes: tuple[Change, ...]
    operations: int
    work: int
    authors: frozenset[AuthorId]

    @property
    def data(self) -> bytes:
        """All of it, as it travels and is stored."""
        return self.document + b"".join(change.chunk for change in self.changes)


def inspect_snapshot(data: bytes, heads: Heads) -> Snapshot:
    """Check a snapshot from a peer without the engine.

    Args:
        data: Whole chunks, one after the other.
        heads: What the peer says that they lead to.

    Raises:
        ChangeRefused: Malformed, above a bound of `limits`, or with content that no record has.
    """
    if len(data) > SNAPSHOT_BYTES_MAX:
        raise ChangeRefused(f"a snapshot of {len(data)} bytes")
    chunks = split(data)
    document, operations, work = b"", 0, WORK_PER_CHANGE
    base: Heads = ()
    authors: set[AuthorId] = set()
    if chunks and frame(chunks[0]).kind == DOCUMENT:
        document = chunks.pop(0)
        head = inspect_document(document)
        base, operations = head.heads, head.operations
        work += head.work
        authors.update(head.authors)
    changes = []
    for chunk in chunks:
        changes.append(inspect(chunk))
        authors.add(changes[-1].actor)
        operations += changes[-1].operations
        work += changes[-1].work
        if operations > SNAPSHOT_OPERATIONS_MAX:
            raise ChangeRefused(f"a snapshot of more than {SNAPSHOT_OPERATIONS_MAX} operations")
    return Snapshot(heads, base, document, tuple(changes), operations, work, frozenset(authors))


def weigh_stored(chunks: Iterable[bytes]) -> int:
    """Return about how much work a record is, as the store holds it, for a fraction of that.

    What is damaged counts for nothing: the engine does not load it.
    """
    try:
        return WORK_PER_CHANGE + sum(map(_weigh, split(b"".join(chunks))))
    except ChangeRefused:
        return 0


def _weigh(chunk: bytes) -> int:
    return weigh_document(chunk) if frame(chunk).kind == DOCUMENT else weigh(chunk)


def restore(actor: AuthorId, snapshot: Snapshot) -> Record:
    """Make a record of a snapshot.

    Args:
        actor: The author of later commits.
        snapshot: What passed the pre-filter.

    Raises:
        CrdtError: The engine refused, the heads differ, or it is no record.
    """
    if snapshot.document:
        record = Record.load(actor, (snapshot.document,), snapshot.base)
        record.apply(snapshot.changes)
    else:
        record = Record.receive(actor, snapshot.changes)
    if record.heads != snapshot.heads:
        raise CrdtError("a snapshot that does not lead to the heads it is said to")
    return record


def merge(actor: AuthorId, record: Record, snapshot: Snapshot) -> tuple[Change, ...]:
    """Bring what is new in a snapshot into a record.

    Args:
        actor: As for `restore`.
        record: What is here; it is as before when this raises.
        snapshot: What passed the pre-filter.

    Returns:
        The changes that were new, in causal order.

    Raises:
        CrdtError: As for `restore`, or another record under the same id.
    """
    if record.holds(snapshot.heads):
        return ()
    fresh = tuple(inspect(chunk) for chunk in restore(actor, snapshot).changes_for(record))
    record.apply(fresh)
    return fresh
