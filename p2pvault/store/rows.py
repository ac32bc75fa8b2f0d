"""Between rows of the database and the values of `types.py`.

What is no plain column is encoded here and nowhere else: heads as their concatenation, a
fingerprint's total as 32 bytes, addresses as packed arrays.
"""

from typing import Final

from p2pvault.errors import RemoteProtocolError, StoreCorrupt
from p2pvault.limits import ADDRESSES_PER_PEER_MAX, HOST_CHARACTERS_MAX
from p2pvault.store.cipher import Row
from p2pvault.types import (
    Address,
    ChangeHash,
    Fingerprint,
    Heads,
    PeerRow,
    QuarantinedEntry,
    QuarantinedRow,
    RecordId,
    RecordRow,
)
from p2pvault.wire.addresses import addresses_shape
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import to_tree

_HASH_BYTES: Final = 32
_ID_BYTES: Final = 16
_TOTAL_BYTES: Final = 32


def from_heads(heads: Heads) -> bytes:
    """Encode heads as one column."""
    return b"".join(heads)


def record_row(row: Row) -> RecordRow:
    """Read (id, collection, name, deleted, heads)."""
    identifier, collection, name, deleted, packed = row
    heads = tuple(
        ChangeHash(packed[start : start + _HASH_BYTES])
        for start in range(0, len(packed), _HASH_BYTES)
    )
    return RecordRow(identifier, collection, name, bool(deleted), heads)


def from_fingerprint(value: Fingerprint) -> Row:
    """Encode as (collection, total, count)."""
    return value.collection, value.total.to_bytes(_TOTAL_BYTES, "big"), value.count


def fingerprint(row: Row) -> Fingerprint:
    """Read (collection, total, count)."""
    collection, total, count = row
    return Fingerprint(collection, int.from_bytes(total, "big"), count)


def from_quarantined(entry: QuarantinedEntry) -> Row:
    """Encode as (position, author, n, hash, device, since_ms, size, work, records, data)."""
    row = entry.row
    return (
        row.position,
        row.author,
        row.n,
        row.hash,
        row.device,
        row.since_ms,
        row.size,
        row.work,
        b"".join(row.records),
        entry.data,
    )


def quarantined_row(row: Row) -> QuarantinedRow:
    """Read (position, author, n, hash, device, since_ms, size, work, records)."""
    position, author, n, hash_, device, since_ms, size, work, packed = row
    starts = range(0, len(packed), _ID_BYTES)
    records = tuple(RecordId(packed[start : start + _ID_BYTES]) for start in starts)
    return QuarantinedRow(position, author, n, hash_, device, since_ms, size, work, records)


def from_peer(peer: PeerRow) -> Row:
    """Encode as (device, given, seen, last_seen_ms)."""
    return peer.device, _pack_addresses(peer.given), _pack_addresses(peer.seen), peer.last_seen_ms


def peer(row: Row) -> PeerRow:
    """Read (device, given, seen, last_seen_ms).

    Raises:
        StoreCorrupt: The addresses are not what `from_peer` wrote.
    """
    device, given, seen, last_seen_ms = row
    try:
        return PeerRow(
            device, addresses_shape(unpack(given)), addresses_shape(unpack(seen)), last_seen_ms
        )
    except RemoteProtocolError as error:
        raise StoreCorrupt(f"the address book of the store does not parse: {error}") from error


def _pack_addresses(addresses: tuple[Address, ...]) -> bytes:
    # What is written must be readable again, so the bounds of reading hold for writing.
    assert len(addresses) <= ADDRESSES_PER_PEER_MAX, "more addresses than a peer may have"
    assert all(len(address.host) <= HOST_CHARACTERS_MAX for address in addresses), "a long host"
    return pack(to_tree(addresses))
