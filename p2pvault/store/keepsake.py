"""A second copy of what no other device can give back: keys, membership, what is kept here.

`vault.keys` lies beside the database and holds the named values of KEPT and KEPT_UNDER and all
membership operations, sealed under a key that comes from the store's. It is written after each
batch that changes any of them, and at an opening where it differs, so a salvage can do without the
pages of the database that hold the same.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import urandom
from typing import Final

from p2pvault.crypto.hashing import digest
from p2pvault.crypto.seal import NONCE_BYTES, decrypt, encrypt
from p2pvault.errors import (
    KeyUnavailable,
    RemoteProtocolError,
    SealBroken,
    StoreCorrupt,
    StoreError,
)
from p2pvault.limits import (
    INTEGER_MAX,
    KEEPSAKE_BYTES_MAX,
    MIB,
    OPERATION_BYTES_MAX,
    WIRE_ARRAY_ITEMS_MAX,
)
from p2pvault.store.home import HomeFiles
from p2pvault.store.private_file import read_private, write_private
from p2pvault.types import Batch, StoredOperation
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.shape import (
    binary,
    exactly,
    pair,
    sequence,
    structure,
    text,
    to_tree,
    unsigned,
)

KEPT: Final = frozenset(("device-keys", "journal", "interest"))
"""The values that are kept, beside those of KEPT_UNDER. All others can be had again, but for the
words of the recovery key: those can be forgotten, and where there is no room for a new second copy
the old one would remember them."""

KEPT_UNDER: Final = "epoch/"
"""How the names begin of the other values that are kept."""

_FORMAT: Final = 1
_CONTEXT: Final = b"p2pvault keepsake"
_NAME_CHARACTERS_MAX: Final = 80
"""`epoch/` and 64 hexadecimal digits."""

_VALUE_BYTES_MAX: Final = MIB
"""Collections are the largest value: 1 536 names of 64 characters are 400 KB at their longest."""


@dataclass(frozen=True, slots=True)
class Keepsake:
    """What was kept.

    Attributes:
        meta: Named values.
        operations: The membership log in its order of arrival.
    """

    meta: Mapping[str, bytes]
    operations: tuple[StoredOperation, ...]


_operation = structure(StoredOperation, exactly(32), binary(OPERATION_BYTES_MAX))
_many = WIRE_ARRAY_ITEMS_MAX
_read = structure(
    lambda version, meta, groups: (version, meta, groups),
    unsigned(INTEGER_MAX),
    sequence(pair(text(_NAME_CHARACTERS_MAX), binary(_VALUE_BYTES_MAX)), _many),
    sequence(sequence(_operation, _many), _many),
)


def keepsake_of(meta: Mapping[str, bytes], operations: tuple[StoredOperation, ...]) -> Keepsake:
    """Return what of a store's content is kept."""
    return Keepsake({name: meta[name] for name in sorted(meta) if _is_kept(name)}, operations)


def concerns(batch: Batch) -> bool:
    """Tell whether a batch changes what is kept."""
    return bool(batch.operations) or any(map(_is_kept, batch.meta))


def _is_kept(name: str) -> bool:
    return name in KEPT or name.startswith(KEPT_UNDER)


def write_keepsake(files: HomeFiles, key: bytes, kept: Keepsake) -> None:
    """Put the second copy in place; where there is no room for it, the next opening tries again.

    The database has all of it already, so that this fails is no reason to refuse anything.
    """
    operations = kept.operations
    groups = [operations[at : at + _many] for at in range(0, len(operations), _many)]
    content = pack([_FORMAT, to_tree(list(kept.meta.items())), to_tree(groups)])
    with suppress(StoreError):
        write_private(files.keepsake, encrypt(_key(key), content, urandom(NONCE_BYTES), _CONTEXT))


def read_keepsake(files: HomeFiles, key: bytes) -> Keepsake:
    """Return the second copy.

    Args:
        files: Of the home.
        key: 32 bytes, `schedule.store_key`.

    Raises:
        StoreCorrupt: It is not there, or damaged.
    """
    try:
        sealed = read_private(files.keepsake, KEEPSAKE_BYTES_MAX)
        tree = unpack(decrypt(_key(key), sealed, _CONTEXT), KEEPSAKE_BYTES_MAX)
        version, meta, groups = _read(tree)
    except (KeyUnavailable, SealBroken, RemoteProtocolError) as error:
        raise StoreCorrupt(f"{files.keepsake}: {error}") from error
    if version != _FORMAT:
        raise StoreCorrupt(f"{files.keepsake} has the unknown format {version}")
    return Keepsake(dict(meta), tuple(each for group in groups for each in group))


def _key(key: bytes) -> bytes:
    return digest(b"p2pv-keepsake", key)
