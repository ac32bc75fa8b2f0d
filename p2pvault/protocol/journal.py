"""Journal entries: what a device signs when it changes records.

An entry is one commit: changes to one or several records that arrive whole or not at all. The
entries of one journal are numbered 1, 2, 3, ... and each names the hash of the one before, so a
journal cannot be cut, reordered or continued by anyone but its author.

    entry     = pack([body, signature])
    body      = pack([format, vault, device, journal, n, previous, heads, wall_ms, changes])
    changes   = [[record id, change chunk], ...]
    hash      = BLAKE2b-256("p2pv-entry", body)
    signature = Ed25519 over the hash
    header    = pack([device, journal, n, previous, hash, signature, collections])

A header stands in the place of an entry where nobody is interested in its changes. It names the
collections that they are in. The signature binds the hash to its author; number and predecessor
are the word of whoever made the header, until the next entry of the journal bears them out.

This module knows bytes and numbers; whether the author is a member, and whether the changes are
good, is decided above it. docs/protocol/journal.md is the specification.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from p2pvault.crypto.keys import DeviceKeys, author_id, entry_hash, sign, verify
from p2pvault.errors import MalformedMessage, UnexpectedMessage
from p2pvault.limits import (
    CHANGE_BYTES_MAX,
    ENTRY_BYTES_MAX,
    ENTRY_CHANGES_MAX,
    ENTRY_WORK_MAX,
    INTEGER_MAX,
    INTEREST_COLLECTIONS_MAX,
    JOURNAL_ENTRIES_MAX,
    MEMBERSHIP_HEADS_MAX,
)
from p2pvault.types import (
    EMPTY_HASH,
    AuthorId,
    DeviceId,
    EntryHash,
    JournalHead,
    JournalId,
    OperationHash,
    RecordId,
    VaultId,
)
from p2pvault.wire.codec import Tree, pack, unpack
from p2pvault.wire.collections import collections_shape
from p2pvault.wire.shape import (
    binary,
    exactly,
    pair,
    sequence,
    signed,
    structure,
    to_tree,
    unsigned,
)

FORMAT: Final = 1
"""Version of the entry format; another one is refused, never guessed at."""

ENTRY_OVERHEAD_BYTES: Final = 1_024
"""Room for everything in an entry but its changes: 9 fields, 8 heads of 32 bytes, a signature."""

CHANGE_OVERHEAD_BYTES: Final = 24
"""What one change adds besides its own bytes: array, record id and length headers."""

RecordChange = tuple[RecordId, bytes]


@dataclass(frozen=True)
class Journal:
    """The journal that this store instance writes.

    Attributes:
        vault: The vault it belongs to.
        device: The author's device.
        id: Random, new for every store instance.
    """

    vault: VaultId
    device: DeviceId
    id: JournalId

    @cached_property
    def author(self) -> AuthorId:
        """The author id: also the CRDT actor of every change in this journal."""
        return author_id(self.device, self.id)


@dataclass(frozen=True, slots=True)
class Writer:
    """Our own journal, and the keys that sign its entries."""

    journal: Journal
    keys: DeviceKeys


@dataclass(frozen=True, slots=True)
class Body:
    """The signed part of an entry, field by field as it is packed."""

    format: int
    vault: VaultId
    device: DeviceId
    journal: JournalId
    n: int
    previous: EntryHash
    heads: tuple[OperationHash, ...]
    wall_ms: int
    changes: tuple[RecordChange, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded entry with its bytes and its identity.

    Attributes:
        body: The signed fields.
        author: Derived from device and journal, so that nobody can write in another's name.
        hash: What the next entry names.
        signature: 64 bytes over `hash`, not yet checked.
        data: The entry as it travels and is stored.
        outside: The collections that its changes are in, where this is a header without them.
    """

    body: Body
    author: AuthorId
    hash: EntryHash
    signature: bytes
    data: bytes
    outside: tuple[str, ...] = ()

    @property
    def head(self) -> JournalHead:
        """The state of the journal once this entry is in it."""
        return JournalHead(self.author, self.body.n, self.hash)

    def verify(self, signing_key: bytes) -> None:
        """Check the signature.

        Raises:
            SealBroken: It is not that device's signature.
        """
        verify(signing_key, self.hash, self.signature)

    def follows(self, head: JournalHead | None) -> bool:
        """Tell whether this is the entry right after `head`, or a journal's first one."""
        if head is None:
            return self.body.n == 1 and self.body.previous == EMPTY_HASH
        return self.body.n == head.n + 1 and self.body.previous == head.hash


@dataclass(frozen=True, slots=True)
class _Header:
    device: DeviceId
    journal: JournalId
    n: int
    previous: EntryHash
    hash: EntryHash
    signature: bytes
    collections: tuple[str, ...]


_read_envelope = pair(binary(ENTRY_BYTES_MAX), exactly(64))
_read_header = structure(
    _Header,
    exactly(32),
    exactly(16),
    unsigned(INTEGER_MAX),
    exactly(32),
    exactly(32),
    exactly(64),
    collections_shape(INTEREST_COLLECTIONS_MAX),
)
_HEADER_BEGINS: Final = b"\x97"
"""An array of seven; an entry is one of two."""
_read_body = structure(
    Body,
    unsigned(INTEGER_MAX),
    exactly(32),
    exactly(32),
    exactly(16),
    unsigned(JOURNAL_ENTRIES_MAX),
    exactly(32),
    sequence(exactly(32), MEMBERSHIP_HEADS_MAX),
    signed,
    sequence(pair(exactly(16), binary(CHANGE_BYTES_MAX)), ENTRY_CHANGES_MAX),
)


def decode_entry(data: bytes, vault: VaultId) -> Entry:
    """Read an entry of one vault, or a header; the signature is left to `Entry.verify`.

    Args:
        data: One entry as it travels.
        vault: The vault that it must belong to. A header does not say; its author does.

    Returns:
        The entry; of a header, one without changes.

    Raises:
        MalformedMessage: Not an entry, another format, or without changes.
        LimitExceeded: Larger than `limits` allows.
        UnexpectedMessage: An entry of another vault.
    """
    if data.startswith(_HEADER_BEGINS):
        return _entry_of(_read_header(unpack(data, ENTRY_BYTES_MAX)), vault, data)
    (packed, signature), body = _read_whole(data)
    if body.format != FORMAT:
        raise MalformedMessage(f"an entry of format {body.format}, this version reads {FORMAT}")
    if body.vault != vault:
        raise UnexpectedMessage("an entry of another vault")
    if body.n == 0 or not body.changes:
        raise MalformedMessage("an entry without number or without changes")
    author = author_id(body.device, body.journal)
    return Entry(body, author, entry_hash(packed), signature, data)


def _entry_of(header: _Header, vault: VaultId, data: bytes) -> Entry:
    if header.n == 0 or not header.collections:
        raise MalformedMessage("a header without number or without collections")
    device, journal = header.device, header.journal
    body = Body(FORMAT, vault, device, journal, header.n, header.previous, (), 0, ())
    author = author_id(device, journal)
    return Entry(body, author, header.hash, header.signature, data, header.collections)


def outside_of(data: bytes) -> tuple[str, ...]:
    """Return the collections that a header names; of an entry with its changes, none."""
    if not data.startswith(_HEADER_BEGINS):
        return ()
    return _read_header(unpack(data, ENTRY_BYTES_MAX)).collections


def records_in(data: bytes) -> tuple[RecordId, ...]:
    """Return the records that an entry of our own store changes, each once; a header none."""
    if data.startswith(_HEADER_BEGINS):
        return ()
    _, body = _read_whole(data)
    return tuple(dict.fromkeys(record for record, _ in body.changes))


def header_of(data: bytes, collections: Iterable[str]) -> bytes:
    """Return the header of an entry of our own store.

    Args:
        data: The entry, with its changes.
        collections: Those that they are in; at least one.
    """
    names = tuple(sorted(set(collections)))
    assert 0 < len(names) <= INTEREST_COLLECTIONS_MAX, "a header names what it leaves out"
    (packed, signature), body = _read_whole(data)
    device, journal, n, previous = body.device, body.journal, body.n, body.previous
    header = _Header(device, journal, n, previous, entry_hash(packed), signature, names)
    return pack(to_tree(header))


def _read_whole(data: bytes) -> tuple[tuple[bytes, bytes], Body]:
    packed, signature = _read_envelope(unpack(data, ENTRY_BYTES_MAX))
    return (packed, signature), _read_body(unpack(packed, ENTRY_BYTES_MAX))


def write_entry(
    writer: Writer,
    after: JournalHead | None,
    heads: Sequence[OperationHash],
    wall_ms: int,
    changes: Sequence[RecordChange],
) -> Entry:
    """Make and sign the entry that follows `after` in our own journal.

    Args:
        writer: Our journal and the keys that sign it.
        after: The journal's last entry, None before the first.
        heads: The membership heads that we know.
        wall_ms: Display time.
        changes: At most ENTRY_CHANGES_MAX; see `split_changes`.

    Returns:
        The signed entry, within the bounds that `decode_entry` checks.
    """
    body = Body(
        format=FORMAT,
        vault=writer.journal.vault,
        device=writer.journal.device,
        journal=writer.journal.id,
        n=1 if after is None else after.n + 1,
        previous=EMPTY_HASH if after is None else after.hash,
        heads=tuple(heads),
        wall_ms=wall_ms,
        changes=tuple(changes),
    )
    packed = pack(to_tree(body))
    signed_hash = entry_hash(packed)
    signature = sign(writer.keys.signing, signed_hash)
    envelope: Tree = [packed, signature]
    data = pack(envelope)
    assert len(data) <= ENTRY_BYTES_MAX, "split_changes keeps entries below their bound"
    return Entry(body, writer.journal.author, signed_hash, signature, data)


def split_changes(
    changes: Iterable[RecordChange], weigh: Callable[[bytes], int] = lambda _: 1
) -> list[list[RecordChange]]:
    """Cut a list of changes into parts that fit one entry each, in order.

    A commit within the bounds stays one part and so one entry, which arrives whole or not at all.

    Args:
        changes: What a commit changed.
        weigh: Returns how much work a change is, at most ENTRY_WORK_MAX.
    """
    parts: list[list[RecordChange]] = []
    room_bytes = room_changes = room_work = 0
    for record, change in changes:
        size, work = len(change) + CHANGE_OVERHEAD_BYTES, weigh(change)
        if size > room_bytes or work > room_work or room_changes == 0:
            parts.append([])
            room_bytes = ENTRY_BYTES_MAX - ENTRY_OVERHEAD_BYTES
            room_changes, room_work = ENTRY_CHANGES_MAX, ENTRY_WORK_MAX
        parts[-1].append((record, change))
        room_bytes -= size
        room_changes -= 1
        room_work -= work
    return parts
