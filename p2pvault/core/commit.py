"""Local edits become changes: read the record, patch its value, commit the difference."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from p2pvault.core.asks import Edit, FieldPath
from p2pvault.core.interest import check_kept
from p2pvault.core.io import Edited
from p2pvault.core.lookup import Lookup
from p2pvault.core.replica import Replica
from p2pvault.core.selector import Path, Selector, parse_selector, path_of, pick
from p2pvault.core.staging import Staging
from p2pvault.crdt.prefilter import weigh
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Value
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import BadValue
from p2pvault.protocol.journal import RecordChange, Writer, split_changes, write_entry
from p2pvault.types import Instant, OperationHash, RecordId

Fields = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Wish:
    """An edit whose selector was read."""

    edit: Edit
    selector: Selector


def read_wishes(edits: Iterable[Edit]) -> tuple[Wish, ...]:
    """Read the selectors of a request.

    Raises:
        BadPath: One of them is neither a path nor an id.
    """
    return tuple(Wish(edit, parse_selector(edit.selector)) for edit in edits)


class Commit:
    """One commit in the making, over any number of records."""

    def __init__(self, staging: Staging, lookup: Lookup, writer: Writer, entropy: Entropy) -> None:
        self._staging = staging
        self._lookup = lookup
        self._writer = writer
        self._entropy = entropy
        self._changes: list[RecordChange] = []

    def edit(self, now: Instant, wish: Wish) -> Edited:
        """Carry out one wish on the staging.

        Raises:
            RequestError: It cannot be carried out; the staging is spoiled then.
            CrdtError: The engine refused.
        """
        found = self._lookup.matching(wish.selector)
        if not found and isinstance(wish.selector, Path) and _may_create(wish.edit):
            return self._create(now, wish.selector, wish.edit)
        replica = self._lookup.replica(pick(wish.selector, found))
        assert replica is not None, "what matched can be loaded"
        return self.change(replica, wish.edit)

    def bring(self, now: Instant, record: RecordId, wanted: Record) -> Edited | None:
        """Bring a record to what another one says, which may have merged more.

        One that is not here is made under an id of its own: if the change that made it counts one
        day, two changes would have made one record otherwise.

        Returns:
            The edit, or None when there was nothing to change, or it is not kept here.
        """
        if wanted.collection in self._staging.interest.forgotten:
            return None
        replica, value = self._lookup.replica(record), wanted.value()
        if replica is not None:
            before = replica.record.heads
            edited = self.bring_to(replica, value, deleted=wanted.deleted)
            return None if replica.record.heads == before else edited
        if wanted.deleted:
            return None
        path = Path(wanted.collection, wanted.name)
        return self._create(now, path, Edit(str(path), [((name,), value[name]) for name in value]))

    def repeat(self, replica: Replica, rebuilt: Record) -> None:
        """Put a rebuilt record in the place of one, and bring it to the same value again."""
        was, replica.record = replica.record, rebuilt
        touched = self._staging.touch(replica, self._writer.journal.device)
        change = rebuilt.commit(was.value(), deleted=was.deleted)
        if change is not None:
            self._changes.append((replica.id, change))
        touched.rewrite()

    def make_again(self, now: Instant, was: Record) -> None:
        """Make a record that has lost its beginning again, with the value that it had."""
        actor = self._writer.journal.author
        record, made = Record.create(actor, was.collection, was.name, was.value())
        changes = [made, *filter(None, [record.delete() if was.deleted else None])]
        again = Replica(new_record_id(now, self._entropy), record)
        self._changes += [(again.id, change) for change in changes]
        self._staging.touch(again, self._writer.journal.device).rewrite()

    def seal(self, now: Instant, heads: Sequence[OperationHash]) -> None:
        """Write the entries of all that changed, in as few as their bounds allow."""
        author = self._writer.journal.author
        for part in split_changes(self._changes, weigh):
            after = self._staging.head(author)
            self._staging.append(write_entry(self._writer, after, heads, now.wall_ms, part))

    def _create(self, now: Instant, path: Path, edit: Edit) -> Edited:
        value = patched({}, edit.puts, ())
        actor = self._writer.journal.author
        check_kept(path.collection, self._staging.interest.forgotten)
        record, change = Record.create(actor, path.collection, path.name, value)
        replica = Replica(new_record_id(now, self._entropy), record)
        self._stage(replica, change)
        self._lookup.note_made(str(path), replica.id)
        return Edited(replica.id, str(path), created=True, fields=tuple(_flat(value)))

    def change(self, replica: Replica, edit: Edit) -> Edited:
        """Carry out an edit of a record that is there.

        Raises:
            NotKept: It is in a collection that is not kept here.
            BadValue: The edit does not fit the record.
            CrdtError: The engine refused.
        """
        if edit.remove:
            return self._carry_out(replica, Record.delete)
        value = patched(replica.record.value(), edit.puts, edit.deletes)
        return self.bring_to(replica, value, deleted=False)

    def bring_to(self, replica: Replica, value: Fields, *, deleted: bool) -> Edited:
        """Bring a record that is there to a value, and say whether it is deleted with that.

        Raises:
            NotKept, BadValue, CrdtError: As for `change`.
        """
        return self._carry_out(replica, lambda record: record.commit(value, deleted=deleted))

    def _carry_out(self, replica: Replica, write: Callable[[Record], bytes | None]) -> Edited:
        record, before = replica.record, replica.record.heads
        check_kept(record.collection, self._staging.interest.forgotten)
        self._staging.touch(replica, self._writer.journal.device)
        change = write(record)
        if change is not None:
            self._stage(replica, change)
        fields = tuple(record.changed_fields(before, record.heads)) if change else ()
        return Edited(replica.id, path_of(replica.state()), created=False, fields=fields)

    def _stage(self, replica: Replica, change: bytes) -> None:
        self._staging.touch(replica, self._writer.journal.device).changes.append(change)
        self._changes.append((replica.id, change))


def _may_create(edit: Edit) -> bool:
    """Tell whether an edit of a record that is not there makes it; taking away never does."""
    return not edit.remove and (bool(edit.puts) or not edit.deletes)


def new_record_id(now: Instant, entropy: Entropy) -> RecordId:
    """Return a UUIDv7 (RFC 9562, section 5.7): 48 bits of time in ms, the rest random."""
    random = entropy(10)
    head = now.wall_ms.to_bytes(6, "big")
    version = bytes([0x70 | random[0] & 0x0F, random[1], 0x80 | random[2] & 0x3F])
    return RecordId(head + version + random[3:])


def patched(
    value: Mapping[str, Value],
    puts: Iterable[tuple[FieldPath, Value]],
    deletes: Iterable[FieldPath],
) -> Fields:
    """Return a value with fields set and taken away; the value itself stays as it is.

    Raises:
        BadValue: A path leads through something that is no map.
    """
    result: Fields = dict(value)
    for path, new in puts:
        _within(result, path)[path[-1]] = new
    for path in deletes:
        _take_away(result, path)
    return result


def _take_away(fields: Fields, path: FieldPath) -> None:
    """Delete a field if it is there; nothing is made or refused for one that is not."""
    _check_named(path)
    for step in path[:-1]:
        inner = fields.get(step)
        if not isinstance(inner, dict):
            return
        fields[step] = inner = dict(inner)
        fields = inner
    fields.pop(path[-1], None)


def _check_named(path: FieldPath) -> None:
    if not path:
        raise BadValue("a field needs a name")


def _within(fields: Fields, path: FieldPath) -> Fields:
    """Return the map that holds the last field of a path; maps on the way are copied."""
    _check_named(path)
    for depth, step in enumerate(path[:-1], start=1):
        inner = fields.get(step, {})
        if not isinstance(inner, dict):
            raise BadValue(
                f"{'.'.join(path[:depth])} holds a value, so it cannot have a field {path[depth]}",
                hint="Delete it first, or choose another name.",
            )
        fields[step] = inner = dict(inner)
        fields = inner
    return fields


def _flat(value: Mapping[str, Value], prefix: str = "") -> Iterable[str]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
