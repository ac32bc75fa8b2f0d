"""What a person is shown of the quarantine: whose entries, of when, and the records they touch.

Read straight from the store, like everything that is shown, in the reader's thread.
"""

from collections.abc import Callable, Iterable

from p2pvault.core.selector import path_of
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError
from p2pvault.limits import QUARANTINE_PATHS_MAX
from p2pvault.node.port import QuarantinedDevice
from p2pvault.protocol.journal import decode_entry
from p2pvault.store.port import Reader
from p2pvault.types import AuthorId, DeviceId, QuarantinedRow, RecordId, VaultId


def read_quarantine(
    reader: Reader, actor: AuthorId, vault: VaultId, name_of: Callable[[DeviceId], str]
) -> list[QuarantinedDevice]:
    """Return what is in quarantine by device, in the order of the first arrival of each.

    Args:
        reader: The store.
        actor: This device's author, to look at records with.
        vault: The vault.
        name_of: Returns what a device is called.
    """
    of_device: dict[DeviceId, list[QuarantinedRow]] = {}
    for row in reader.quarantine():
        of_device.setdefault(row.device, []).append(row)
    return [
        _described(reader, actor, vault, name_of(device), rows)
        for device, rows in of_device.items()
    ]


def _described(
    reader: Reader, actor: AuthorId, vault: VaultId, name: str, rows: list[QuarantinedRow]
) -> QuarantinedDevice:
    touched = _first_rows(rows)
    shown = list(touched.items())[:QUARANTINE_PATHS_MAX]
    return QuarantinedDevice(
        device=rows[0].device,
        name=name,
        entries=len(rows),
        records=len(touched),
        paths=tuple(_path(reader, actor, vault, record, row) for record, row in shown),
        size=sum(row.size for row in rows),
        first_ms=min(row.since_ms for row in rows),
        last_ms=max(row.since_ms for row in rows),
    )


def _first_rows(rows: Iterable[QuarantinedRow]) -> dict[RecordId, QuarantinedRow]:
    first: dict[RecordId, QuarantinedRow] = {}
    for row in rows:
        for record in row.records:
            first.setdefault(record, row)
    return first


def _path(
    reader: Reader, actor: AuthorId, vault: VaultId, record: RecordId, row: QuarantinedRow
) -> str:
    """Return the path of a record that is here, or that an entry would make; else its id."""
    for known in reader.with_id_prefix(record.hex(), 1):
        return path_of(known)
    for held in reader.quarantined([row.position]):
        for touched, chunk in decode_entry(held.data, vault).body.changes:
            if touched == record and not inspect(chunk).deps:
                return _path_made(actor, record, chunk)
    return _by_id(record)


def _path_made(actor: AuthorId, record: RecordId, chunk: bytes) -> str:
    try:
        made = Record.receive(actor, [inspect(chunk)])
    except CrdtError:
        # Nobody vouched for it: it may be a change that makes no record.
        return _by_id(record)
    return f"{made.collection}/{made.name}"


def _by_id(record: RecordId) -> str:
    return f"id:{record.hex()}"
