"""What can be read on a disk, by the names of the fields that people wrote."""

from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError
from p2pvault.types import AuthorId
from sim.disk import Disk

_NOBODY = AuthorId(bytes(16))


def fields_of(disk: Disk, collection: str | None = None) -> set[str]:
    """Return the names of all fields in the records of a disk, or of one collection there.

    What is to be erased cannot be read any more.
    """
    found: set[str] = set()
    kept = (row for row in disk._rows() if row.collection not in disk.interest.forgotten)
    rows = (row for row in kept if collection in (None, row.collection))
    for stored in disk.records([row.id for row in rows]):
        try:
            found |= set(Record.load(_NOBODY, stored.chunks, stored.row.heads).value())
        except CrdtError:
            continue
    return found
