"""A record that is nested deeper than any honest device writes one."""

from automerge import core

from p2pvault.crdt.engine import MAP, ROOT
from p2pvault.types import AuthorId


def deep_record(author: AuthorId, levels: int) -> bytes:
    """Return the change that makes a record with so many maps inside each other."""
    document = core.Document(author)
    transaction = document.transaction()
    meta = transaction.put_object(ROOT, "meta", MAP)
    transaction.put(meta, "collection", core.ScalarType.Str, "evil")
    transaction.put(meta, "name", core.ScalarType.Str, "deep")
    inner = transaction.put_object(ROOT, "data", MAP)
    for _ in range(levels):
        inner = transaction.put_object(inner, "in", MAP)
    transaction.put(inner, "leaf", core.ScalarType.Int, 1)
    transaction.commit()
    change = document.get_last_local_change()
    assert change is not None
    return bytes(change.raw_bytes)
