"""Values to put into a store, made up from small numbers so that a failure reads well."""

from hashlib import blake2b

from p2pvault.types import (
    AuthorId,
    Batch,
    ChangeHash,
    DeviceId,
    EntryHash,
    Fingerprint,
    OperationHash,
    QuarantinedEntry,
    QuarantinedRow,
    RecordId,
    RecordRow,
    RecordWrite,
    StoredEntry,
    StoredOperation,
)


def digest(value: object, size: int = 32) -> bytes:
    return blake2b(repr(value).encode(), digest_size=size).digest()


def author(number: int) -> AuthorId:
    return AuthorId(digest(("author", number), 16))


def device(number: int) -> DeviceId:
    return DeviceId(digest(("device", number)))


def record_id(number: int) -> RecordId:
    return RecordId(number.to_bytes(16, "big"))


def entry(arrival: int, n: int, *, by: int = 1, size: int = 100) -> StoredEntry:
    key = (arrival, n, by)
    return StoredEntry(
        arrival, author(by), n, EntryHash(digest(key)), digest(key, 16) + bytes(size)
    )


def row(
    number: int,
    *,
    collection: str = "contacts",
    name: str | None = None,
    deleted: bool = False,
    heads: int = 1,
) -> RecordRow:
    return RecordRow(
        record_id(number),
        collection,
        f"name {number}" if name is None else name,
        deleted,
        tuple(ChangeHash(digest((number, head))) for head in range(heads)),
    )


def put(row: RecordRow, chunk: bytes = b"chunk", *, replaces: bool = False) -> RecordWrite:
    return RecordWrite(row, chunk, replaces)


def quarantined(
    position: int, n: int, *, by: int = 1, records: tuple[int, ...] = (1,), since_ms: int = 0
) -> QuarantinedEntry:
    key = ("quarantined", position, n, by)
    row = QuarantinedRow(
        position,
        author(by),
        n,
        EntryHash(digest(key)),
        device(by),
        since_ms,
        16,
        position * 3,
        tuple(map(record_id, records)),
    )
    return QuarantinedEntry(row, digest(key, 16))


def rows(*items: RecordRow) -> Batch:
    return Batch(records=tuple(put(item) for item in items))


def operation(number: int) -> StoredOperation:
    return StoredOperation(OperationHash(digest(("operation", number))), digest(number, 40))


def numbered(n: int, records: int = 20) -> Batch:
    """Return the n-th of a series of batches that each touch every table.

    A store that holds exactly the first n of them says so in each of its parts.
    """
    touched = tuple(
        put(row(n * records + index, name=f"batch {n}"), digest(index, 64) * 8)
        for index in range(records)
    )
    return Batch(
        entries=(entry(n, n, size=2_000),),
        records=touched,
        fingerprints=(Fingerprint("contacts", n, n * records),),
        operations=(operation(n),),
        meta={"n": str(n).encode()},
    )
