"""From a wanted value to the operations that lead there, and no more than those.

A `Writer` lives as long as one transaction. It compares level by level with what the engine
holds, writes only what differs, and counts, because one commit has to fit into one change.
"""

from datetime import datetime
from typing import Final

from automerge import core

from p2pvault.crdt import diff, schema
from p2pvault.crdt.engine import LIST, MAP, TEXT, Entry, ObjectId, Scalar, Transaction
from p2pvault.crdt.reader import read, read_entries, scalar
from p2pvault.crdt.values import Timestamp, Value, freeze
from p2pvault.errors import BadValue
from p2pvault.limits import CHANGE_OPERATIONS_MAX, TEXT_CHARACTERS_MAX

_SCALAR_TYPES: Final = {
    type(None): core.ScalarType.Null,
    bool: core.ScalarType.Boolean,
    int: core.ScalarType.Int,
    float: core.ScalarType.F64,
    str: core.ScalarType.Str,
    bytes: core.ScalarType.Bytes,
    Timestamp: core.ScalarType.Timestamp,
}


class Writer:
    """The writes of one transaction.

    Attributes:
        operations: How many were written so far.
    """

    __slots__ = ("_transaction", "operations")

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.operations = 0

    def put(self, obj: ObjectId, key: str, value: Value) -> None:
        """Put a new value under a key of a map; return the object that it became, if one."""
        self._spend(1)
        kind = _object_kind(key, value)
        if kind is None:
            self._transaction.put(obj, key, *_scalar(value))
        else:
            self._fill(self._transaction.put_object(obj, key, kind), value)

    def put_map(self, obj: ObjectId, key: str, value: dict[str, Value]) -> ObjectId:
        """Put a new map and return the object that it became."""
        self._spend(1)
        child = self._transaction.put_object(obj, key, MAP)
        self._fill(child, value)
        return child

    def change_map(self, obj: ObjectId, wanted: dict[str, Value]) -> None:
        """Make a map object hold the wanted fields."""
        present = read_entries(self._transaction, obj)
        for key in present:
            if key not in wanted:
                self._spend(1)
                self._transaction.delete(obj, key)
        for key, value in wanted.items():
            entry = present.get(key)
            if entry is None or not self._change(obj, key, entry, value):
                self.put(obj, key, value)

    def _change(self, obj: ObjectId, prop: str | int, entry: Entry, wanted: Value) -> bool:
        """Bring what is there to the wanted value in place; False when its kind has to change."""
        content, child = entry
        match wanted:
            case dict() if content == MAP:
                self.change_map(child, wanted)
            case list() if content == LIST:
                self._change_list(child, wanted)
            case str() if content == TEXT:
                return self._change_text(child, wanted)
            case _:
                return isinstance(content, tuple) and self._change_scalar(
                    obj, prop, content, wanted
                )
        return True

    def _change_scalar(
        self, obj: ObjectId, prop: str | int, content: Scalar, wanted: Value
    ) -> bool:
        if isinstance(wanted, dict | list):
            return False
        present = scalar(content[1])
        if freeze(present) == freeze(wanted):
            return True
        if isinstance(wanted, str) and not isinstance(present, str):
            return False  # A new string: the schema decides of which kind.
        self._spend(1)
        self._transaction.put(obj, prop, *_scalar(wanted))
        return True

    def _change_text(self, obj: ObjectId, wanted: str) -> bool:
        """Splice a text; False when the result is not the wanted one.

        That happens when another program put several characters into one element, which is
        deleted as a whole. The text is then made anew.
        """
        present = self._transaction.text(obj)
        _check_text(wanted, len(present))
        if wanted == present:
            return True
        for splice in reversed(diff.text_splices(present, wanted)):
            self._spend(splice.deleted + len(splice.inserted))
            self._transaction.splice_text(obj, *splice)
        return self._transaction.text(obj) == wanted

    def _change_list(self, obj: ObjectId, wanted: list[Value]) -> None:
        entries = self._transaction.values(obj)
        present = [freeze(read(self._transaction, entry)) for entry in entries]
        # From the end, so that the positions before stay what they were.
        for block in reversed(diff.blocks(present, [freeze(item) for item in wanted])):
            self._change_items(obj, entries, wanted, block)

    def _change_items(
        self, obj: ObjectId, entries: list[Entry], wanted: list[Value], block: diff.Block
    ) -> None:
        """Change items in place as far as both sides have some, then delete or insert the rest."""
        paired = min(block.stop - block.start, block.new_stop - block.new_start)
        for index in reversed(range(block.start + paired, block.stop)):
            self._spend(1)
            self._transaction.delete(obj, index)
        for index in reversed(range(block.new_start + paired, block.new_stop)):
            self._insert(obj, block.start + paired, wanted[index])
        for offset in range(paired):
            index, value = block.start + offset, wanted[block.new_start + offset]
            if not self._change(obj, index, entries[index], value):
                self._spend(1)
                self._transaction.delete(obj, index)
                self._insert(obj, index, value)

    def _insert(self, obj: ObjectId, index: int, value: Value) -> None:
        self._spend(1)
        kind = _object_kind("", value)
        if kind is None:
            self._transaction.insert(obj, index, *_scalar(value))
        else:
            self._fill(self._transaction.insert_object(obj, index, kind), value)

    def _fill(self, obj: ObjectId, value: Value) -> None:
        """Write the content of a new, empty object."""
        match value:
            case dict():
                for key, item in value.items():
                    self.put(obj, key, item)
            case list():
                for index, item in enumerate(value):
                    self._insert(obj, index, item)
            case str():
                _check_text(value, 0)
                self._spend(len(value))
                self._transaction.splice_text(obj, 0, 0, value)

    def _spend(self, operations: int) -> None:
        self.operations += operations
        if self.operations > CHANGE_OPERATIONS_MAX:
            raise BadValue(
                f"an edit of more than {CHANGE_OPERATIONS_MAX} operations",
                hint="Make it in several steps, or keep large content in a file.",
            )


def _object_kind(field: str, value: Value) -> core.ObjType | None:
    """Return the kind of object that a new value becomes, or None for a scalar."""
    match value:
        case dict():
            return MAP
        case list():
            return LIST
        case str() if schema.is_prose(field, value):
            return TEXT
    return None


def _check_text(text: str, characters_now: int) -> None:
    # A merge may have made it longer than one edit could; making it shorter must stay possible.
    if len(text) > max(TEXT_CHARACTERS_MAX, characters_now):
        raise BadValue(f"a text of {len(text)} characters, at most {TEXT_CHARACTERS_MAX} fit")


def _scalar(
    value: Value,
) -> tuple[core.ScalarType, bool | int | float | str | bytes | datetime | None]:
    if isinstance(value, Timestamp):
        return core.ScalarType.Timestamp, value.to_datetime()
    assert not isinstance(value, dict | list), "containers are objects, not scalars"
    if isinstance(value, str):
        _check_text(value, 0)
    return _SCALAR_TYPES[type(value)], value
