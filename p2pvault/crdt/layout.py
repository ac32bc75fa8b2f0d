"""Finds a record's parts inside its document, and refuses a document that is no record.

Changes come from other devices, and a change can contain anything, so the layout is read anew
after each of them. It must not look at the fields: those are free.
"""

from typing import Final, NamedTuple

from p2pvault.crdt import schema
from p2pvault.crdt.engine import MAP, ROOT, Document, Entry, ObjectId, transaction
from p2pvault.crdt.reader import read_entries
from p2pvault.crdt.values import Value
from p2pvault.crdt.writer import Writer
from p2pvault.errors import BadPath, CrdtError

_ROOT_KEYS: Final = [schema.DATA, schema.META]
_META_KEYS: Final = frozenset((schema.COLLECTION, schema.NAME, schema.DELETED))


class Layout(NamedTuple):
    """Where a record's parts are, and what its `meta` says.

    Attributes:
        meta: The object of `meta`.
        data: The object of `data`.
        collection: The collection that the record belongs to.
        name: Its name there.
        flagged: The merged `deleted`; whether the record counts as deleted depends on its heads.
    """

    meta: ObjectId
    data: ObjectId
    collection: str
    name: str
    flagged: bool


def write_layout(document: Document, collection: str, name: str, data: dict[str, Value]) -> Layout:
    """Make the two maps and all that is in them, `meta` first, in one change."""
    path: dict[str, Value] = {schema.COLLECTION: collection, schema.NAME: name}
    with transaction(document) as handle:
        writer = Writer(handle)
        meta = writer.put_map(ROOT, schema.META, path)
        fields = writer.put_map(ROOT, schema.DATA, data)
    return Layout(meta, fields, collection, name, flagged=False)


def read_layout(document: Document) -> Layout:
    """Find the parts of a record.

    Raises:
        CrdtError: It is not laid out as `schema` says, or a name breaks its bounds.
    """
    if document.keys(ROOT) != _ROOT_KEYS:
        raise CrdtError("a document whose root is not that of a record")
    (data_kind, data), (meta_kind, meta) = document.values(ROOT)
    if data_kind != MAP or meta_kind != MAP:
        raise CrdtError("a record whose parts are not maps")
    entries = read_entries(document, meta)
    if not entries.keys() <= _META_KEYS:
        raise CrdtError("a record whose meta has unknown keys")
    collection, name = _text(entries, schema.COLLECTION), _text(entries, schema.NAME)
    try:
        schema.check_path_parts(collection, name)
    except BadPath as error:
        raise CrdtError(f"a record with a bad path: {error}") from error
    return Layout(meta, data, collection, name, flag(entries.get(schema.DELETED)))


def _text(entries: dict[str, Entry], key: str) -> str:
    match entries.get(key):
        case ((_, str(text)), _):
            return text
        case _:
            raise CrdtError(f"a record whose {key} is not a string")


def flag(entry: Entry | None) -> bool:
    """Return what an entry of `deleted` says; a record that was never deleted has none.

    Raises:
        CrdtError: It is neither true nor false.
    """
    match entry:
        case None:
            return False
        case ((_, bool(deleted)), _):
            return deleted
        case _:
            raise CrdtError("a record whose deletion flag is neither true nor false")
