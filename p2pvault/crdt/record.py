"""One record: a mergeable value with a path, and the changes that made it.

A record is created by one change, edited by commits that hold the least that leads to the wanted
value, and brought up to date by applying other devices' changes, always all at once. Changes are
a pure function of the edits and the author: the engine's change time stays at zero.

Every write happens on a fork, which becomes the record when all went well. So whatever fails, the
record is what it was before. This module must not know who sent a change or where it is stored.

Deletion is a flag that merges like any value, and a record counts as deleted when the flag is
true at every head. An edit that did not know of a deletion is a head without the flag, so the
edit wins; whoever edits on top of both writes the flag back to false.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence, Set
from typing import Final

from p2pvault.crdt import engine, schema, values
from p2pvault.crdt.document import inspect_document
from p2pvault.crdt.engine import MAP, Document, Entry, ObjectId, shield
from p2pvault.crdt.history import following
from p2pvault.crdt.layout import Layout, flag, read_layout, write_layout
from p2pvault.crdt.prefilter import Change, inspect, weigh
from p2pvault.crdt.reader import read, read_entries, read_map
from p2pvault.crdt.values import Value, freeze
from p2pvault.crdt.writer import Writer
from p2pvault.errors import BadValue, ChangeRefused, CrdtError
from p2pvault.limits import (
    CHANGE_BYTES_MAX,
    CHANGE_INFLATED_BYTES_MAX,
    ENTRY_WORK_MAX,
    RECORD_BYTES_MAX,
    RECORD_OPERATIONS_MAX,
    VALUE_DEPTH_MAX,
)
from p2pvault.types import AuthorId, ChangeHash, Heads

_TOO_LARGE: Final = "Make it in several steps, or keep large content in a file."


class Record:
    """One automerge document with the layout of `schema`."""

    __slots__ = ("_actor", "_document", "_heads", "_history", "_layout", "_size")

    def __init__(
        self,
        actor: AuthorId,
        document: Document,
        layout: Layout,
        size: int,
        history: dict[ChangeHash, int] | None = None,
    ) -> None:
        self._actor = actor
        self._history = history
        self._adopt(document, layout, size)

    @classmethod
    def create(
        cls, actor: AuthorId, collection: str, name: str, data: dict[str, Value]
    ) -> tuple["Record", bytes]:
        """Make a record, in one change.

        Args:
            actor: The author of this and of every later commit.
            collection: 1 to COLLECTION_CHARACTERS_MAX characters, no slash.
            name: 1 to NAME_CHARACTERS_MAX characters.
            data: The fields.

        Returns:
            The record, and the change chunk that made it.

        Raises:
            BadPath: A collection or a name outside its bounds.
            BadValue: Fields that a record cannot hold, or too large for one change.
        """
        schema.check_path_parts(collection, name)
        values.check(data)
        document = engine.new(actor)
        layout = write_layout(document, collection, name, data)
        _, chunk = _last_change(document)
        return cls(actor, document, layout, len(chunk)), chunk

    @classmethod
    def load(cls, actor: AuthorId, chunks: Iterable[bytes], heads: Heads) -> "Record":
        """Load a record from what the store holds.

        Args:
            actor: The author of later commits.
            chunks: A snapshot, changes, or both.
            heads: What the chunks must add up to.

        Raises:
            CrdtError: The engine refused, the heads differ, or it is no record.
        """
        whole = b"".join(chunks)
        document = engine.load(actor, whole)
        if engine.heads(document) != heads:
            raise CrdtError("the chunks of a record do not add up to its heads")
        with shield:
            layout = read_layout(document)
        return cls(actor, document, layout, len(whole))

    @classmethod
    def receive(cls, actor: AuthorId, changes: Sequence[Change]) -> "Record":
        """Make a record from another device's changes, the one that created it among them.

        Raises:
            CrdtError: Not one creating change, missing dependencies, or no record.
        """
        history = following({}, changes)
        whole = b"".join(change.chunk for change in changes)
        document = engine.load(actor, whole)
        return cls(actor, document, _checked(document, (), history), len(whole), history)

    @property
    def heads(self) -> Heads:
        """The changes that nothing follows yet, sorted."""
        return self._heads

    @property
    def collection(self) -> str:
        """The collection that the record belongs to."""
        return self._layout.collection

    @property
    def name(self) -> str:
        """Its name there."""
        return self._layout.name

    @property
    def size(self) -> int:
        """Bytes of the chunks that it was made of, which is what loading it reads."""
        return self._size

    @property
    def deleted(self) -> bool:
        """Whether the record is deleted: at every head, not only when merged."""
        if not self._layout.flagged or len(self._heads) == 1:
            return self._layout.flagged
        with shield:
            return all(self._flag_at(head) for head in self._heads)

    def _flag_at(self, head: ChangeHash) -> bool:
        return flag(self._document.get(self._layout.meta, schema.DELETED, [head]))

    def value(self) -> dict[str, Value]:
        """Return the fields.

        Raises:
            CrdtError: The engine failed, or a change from elsewhere nested values too deep.
        """
        with shield:
            return read_map(self._document, self._layout.data)

    def snapshot(self) -> bytes:
        """Return the whole history, after loading it as a test.

        It is one document chunk, or, where that is larger than a peer would take, changes.

        Raises:
            CrdtError: What was saved does not load to the same heads and the same fields, or the
                fields cannot be read.
        """
        with shield:
            saved = self._document.save()
        try:
            inspect_document(saved)
        except ChangeRefused:
            saved = b"".join(engine.changes(self._document, ()).values())
        proof = Record.load(self._actor, (saved,), self._heads)
        if freeze(proof.value()) != freeze(self.value()):
            raise CrdtError("a snapshot that reads otherwise than the record")
        return saved

    def holds(self, heads: Heads) -> bool:
        """Tell whether all of these changes are in this record's history."""
        return heads == self._heads or self._known().keys() >= set(heads)

    def changes_for(self, other: "Record") -> tuple[bytes, ...]:
        """Return the change chunks that another replica of this record lacks, in causal order."""
        mine = engine.changes(self._document, other.heads)
        return tuple(chunk for name, chunk in mine.items() if not other.holds((name,)))

    def history_without(self, later: Collection[ChangeHash]) -> tuple[Heads, bytes]:
        """Return the history before some changes.

        Args:
            later: Changes to leave out; whatever follows one of them is one of them.

        Returns:
            Its heads, none if nothing is left, and its changes, one after the other.

        Raises:
            CrdtError: The engine cannot give a change back.
        """
        everything = engine.changes(self._document, ())
        kept = {name: chunk for name, chunk in everything.items() if name not in later}
        followed = {dep for chunk in kept.values() for dep in inspect(chunk).deps}
        return tuple(sorted(kept.keys() - followed)), b"".join(kept.values())

    def without(self, changes: Set[ChangeHash]) -> "Record | None":
        """Return the record as it would be without some changes.

        Args:
            changes: What to leave out, with all that depends on it.

        Returns:
            Another record; None where the change that created it is among them.

        Raises:
            CrdtError: Something depends on what was left out.
        """
        kept = [
            chunk
            for name, chunk in engine.changes(self._document, ()).items()
            if name not in changes
        ]
        if not kept:
            return None
        document = engine.load(self._actor, b"".join(kept))
        with shield:
            layout = read_layout(document)
        return Record(self._actor, document, layout, sum(map(len, kept)))

    def changed_fields(self, before: Heads, after: Heads) -> tuple[str, ...]:
        """Return which fields differ between two moments of this record's history.

        Args:
            before: Heads that this record had, or () for before it was created.
            after: Heads that it had later.

        Returns:
            Names, sorted; those of nested maps joined by dots (`address.city`). What is nested
            deeper than VALUE_DEPTH_MAX, which no honest device writes, is not told apart.
        """
        old, new = list[bytes](before), list[bytes](after)
        with shield:
            return tuple(sorted(self._differing(self._layout.data, old, new, ())))

    def _differing(
        self, obj: ObjectId, before: list[bytes], after: list[bytes], steps: tuple[str, ...]
    ) -> Iterator[str]:
        old = read_entries(self._document, obj, before)
        new = read_entries(self._document, obj, after)
        for key in old.keys() | new.keys():
            left, right = old.get(key), new.get(key)
            if left is not None and left == right and left[0] == MAP:
                if len(steps) < VALUE_DEPTH_MAX:
                    yield from self._differing(left[1], before, after, (*steps, key))
            elif (
                left is None
                or right is None
                or self._frozen(left, before) != self._frozen(right, after)
            ):
                yield ".".join((*steps, key))

    def _frozen(self, entry: Entry, heads: list[bytes]) -> Hashable:
        try:
            return freeze(read(self._document, entry, heads))
        except CrdtError:
            # Too deep to be read. A record must not be refused because somebody watches it.
            return tuple(heads)

    def commit(self, wanted: dict[str, Value], *, deleted: bool = False) -> bytes | None:
        """Bring the fields to the wanted value with as few operations as possible.

        Args:
            wanted: All fields; one that is missing is removed.
            deleted: Whether the record is deleted afterwards; a deleted one is there again if not.

        Returns:
            The change chunk, or None when there was nothing to change.

        Raises:
            BadValue: Values that a record cannot hold, or an edit too large for one change.
        """
        values.check(wanted)
        return self._write(lambda writer: self._bring(writer, wanted, deleted=deleted))

    def _bring(self, writer: Writer, wanted: dict[str, Value], *, deleted: bool) -> bool:
        writer.change_map(self._layout.data, wanted)
        if deleted:
            return self.deleted or self._flag(writer)
        if self._layout.flagged and (writer.operations or self.deleted):
            writer.put(self._layout.meta, schema.DELETED, value=False)
            return False
        return self._layout.flagged

    def delete(self) -> bytes | None:
        """Delete the record; its fields stay readable, and a commit brings it back.

        Returns:
            The change chunk, or None when it is deleted already.
        """
        if self.deleted:
            return None
        return self._write(self._flag)

    def _flag(self, writer: Writer) -> bool:
        if self._layout.flagged:
            # The merged flag is true already, and the engine drops a put that changes nothing.
            writer.put(self._layout.meta, schema.DELETED, value=False)
        writer.put(self._layout.meta, schema.DELETED, value=True)
        return True

    def _write(self, edit: Callable[[Writer], bool]) -> bytes | None:
        """Run an edit, which returns the new merged flag, as one change on a fork."""
        document = engine.fork(self._actor, self._document)
        with engine.transaction(document) as transaction:
            flagged = edit(Writer(transaction))
        if engine.heads(document) == self._heads:
            return None
        change, chunk = _last_change(document)
        size = self._size + len(chunk)
        if size > RECORD_BYTES_MAX:
            raise BadValue(f"a record of more than {RECORD_BYTES_MAX} bytes")
        if change.max_op > RECORD_OPERATIONS_MAX:
            raise BadValue(
                f"a record of more than {RECORD_OPERATIONS_MAX} operations",
                hint="Go on in a new record.",
            )
        self._adopt(document, self._layout._replace(flagged=flagged), size)
        if self._history is not None:
            self._history[ChangeHash(change.hash)] = change.max_op
        return chunk

    def apply(self, changes: Sequence[Change]) -> list[Change]:
        """Apply other devices' changes, all or none; those that are in it already do nothing.

        Args:
            changes: All there are for this record, in any order.

        Returns:
            Those that were new, in the same order.

        Raises:
            CrdtError: Missing dependencies, a second creation, a broken layout, or the engine
                refused. The record is then what it was before.
        """
        known = self._known()
        fresh = [change for change in changes if change.hash not in known]
        if not fresh:
            return []
        added = following(known, fresh)
        document = engine.fork(self._actor, self._document)
        engine.receive(document, [change.chunk for change in fresh])
        layout = _checked(document, self._heads, added)
        self._adopt(document, layout, self._size + sum(len(change.chunk) for change in fresh))
        known.update(added)
        return fresh

    def copy(self) -> "Record":
        """Return a record that holds the same and goes its own way from here.

        It costs next to nothing: whatever changes one of the two works on a fork.
        """
        history = None if self._history is None else dict(self._history)
        return Record(self._actor, self._document, self._layout, self._size, history)

    def knows(self, changes: Iterable[ChangeHash]) -> bool:
        """Tell whether all of some changes are in this record."""
        return self._known().keys() >= set(changes)

    def _known(self) -> dict[ChangeHash, int]:
        """Return the history; it takes 4 us a change to ask for, so not before it is needed."""
        if self._history is None:
            self._history = engine.history(self._document, ())
        return self._history

    def _adopt(self, document: Document, layout: Layout, size: int) -> None:
        self._document = document
        self._heads = engine.heads(document)
        self._layout = layout
        self._size = size


def _last_change(document: Document) -> tuple[engine.LocalChange, bytes]:
    """Return the change that was just committed, and its chunk, deflated where that is worth it.

    Raises:
        BadValue: Longer than a change may be, or more work.
    """
    with shield:
        change = document.get_last_local_change()
        assert change is not None, "something was committed"
        if len(change.raw_bytes) > CHANGE_INFLATED_BYTES_MAX:
            raise BadValue(f"an edit of {len(change.raw_bytes)} bytes", hint=_TOO_LARGE)
        chunk = engine.chunk_of(change)
    if len(chunk) > CHANGE_BYTES_MAX:
        raise BadValue(f"an edit of {len(chunk)} bytes, deflated", hint=_TOO_LARGE)
    if weigh(chunk) > ENTRY_WORK_MAX:
        raise BadValue("an edit of too many fields and values at once", hint=_TOO_LARGE)
    return change, chunk


def _checked(document: Document, before: Heads, added: dict[ChangeHash, int]) -> Layout:
    """Insist that a document took new changes, gives them back as they were, and is a record.

    The engine stores columns of its own and encodes a change anew when asked for it. One that was
    encoded otherwise gets another hash then: a snapshot with it inside would never load again.

    Raises:
        CrdtError: It did not, or is none.
    """
    if engine.history(document, before) != added:
        raise CrdtError("changes that the engine did not take as they are")
    with shield:
        return read_layout(document)
