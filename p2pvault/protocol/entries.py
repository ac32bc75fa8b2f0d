"""The body of an ENTRIES message: entries in the sender's order of arrival.

    ENTRIES  [item, ...]
    item     = entry | header | sequel
    sequel   = [rest: bin, signature: bin 64]

Entries of one journal mostly follow each other, and each begins with what the one before it says
already: vault, device and journal, a number one higher, and that one's hash. A sequel is an entry
without this front. The signature covers the whole entry: a receiver puts the front back and checks
as ever. An entry that can be a sequel to the one right before it is one, so there is one encoding
of a message.

Entries are cut as bytes, without decoding what is in them. docs/protocol/journal.md is the
specification.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

from p2pvault.crypto.keys import entry_hash
from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.limits import (
    ENTRIES_MESSAGE_BYTES_MAX,
    ENTRY_BYTES_MAX,
    ENTRY_CHANGES_MAX,
    JOURNAL_ENTRIES_MAX,
    MESSAGE_WORK_MAX,
)
from p2pvault.wire.codec import Tree, pack, unpack
from p2pvault.wire.shape import binary, exactly, pair, sequence

_SIGNATURE_BYTES: Final = 64
_HASH_BEGINS: Final = b"\xc4\x20"
_SIGNATURE_BEGINS: Final = b"\xc4\x40"
_ENTRY_BEGINS: Final = re.compile(rb"\x92(?:\xc4.|\xc5..|\xc6.{4})", re.DOTALL)
_BODY_BEGINS: Final = re.compile(
    rb"(\x99\x01\xc4\x20.{32}\xc4\x20.{32}\xc4\x10.{16})"  # format, vault, device, journal
    rb"(?:([\x00-\x7f])|\xcc(.)|\xcd(..)|\xce(.{4})|\xcf(.{8}))" + _HASH_BEGINS,  # n
    re.DOTALL,
)
"""`protocol.journal.Body` in its only encoding."""

_Sequel = tuple[bytes, bytes]
_read_entry = binary(ENTRY_BYTES_MAX)
_read_sequel = pair(binary(ENTRY_BYTES_MAX), exactly(_SIGNATURE_BYTES))


def share_messages(entries: Iterable[bytes], weigh: Callable[[bytes], int]) -> list[list[bytes]]:
    """Put entries into messages of a handy size, in order; a large one travels alone.

    Args:
        entries: Entries and headers, as they are stored.
        weigh: Returns how much work an entry is; not asked about a large one.
    """
    messages: list[list[bytes]] = []
    room_bytes = room_work = 0
    for data in entries:
        is_large = len(data) > ENTRIES_MESSAGE_BYTES_MAX // 2
        work = MESSAGE_WORK_MAX if is_large else weigh(data)
        if len(data) > room_bytes or work > room_work:
            messages.append([])
            room_bytes, room_work = ENTRIES_MESSAGE_BYTES_MAX, MESSAGE_WORK_MAX
        messages[-1].append(data)
        room_bytes -= len(data)
        room_work -= work
    return messages


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Return the body of an ENTRIES message.

    Args:
        entries: Entries and headers, as they are stored.
    """
    listed = list(entries)
    items: list[Tree] = [*listed[:1]]
    items += [_shortened(data, _front_after(before)) for before, data in pairwise(listed)]
    return pack(items)


def decode_entries(body: bytes) -> tuple[bytes, ...]:
    """Read the body of an ENTRIES message.

    Returns:
        Entries and headers as `encode_entries` took them; what is in them is not checked.

    Raises:
        MalformedMessage: No such body, or in another encoding than the only one.
        LimitExceeded: Too many entries, or too long a one.
    """
    entries: list[bytes] = []
    for item in _read_items(unpack(body)):
        entries.append(_whole(item, _front_after(entries[-1]) if entries else None))
    if not entries:
        raise MalformedMessage("a message of no entries")
    return tuple(entries)


def _read_item(tree: Tree) -> bytes | _Sequel:
    return _read_entry(tree) if isinstance(tree, bytes) else _read_sequel(tree)


_read_items = sequence(_read_item, ENTRY_CHANGES_MAX)


def _shortened(data: bytes, front: bytes | None) -> Tree:
    """Return an entry as it travels, where its body is expected to begin with `front`."""
    parts = _parts(data)
    if front is None or parts is None or not parts[0].startswith(front):
        return data
    return [parts[0][len(front) :], parts[1]]


def _whole(item: bytes | _Sequel, front: bytes | None) -> bytes:
    """Return the entry that an item stands for."""
    if isinstance(item, bytes):
        if _shortened(item, front) is not item:
            raise MalformedMessage("an entry in full where a sequel is enough")
        return item
    if front is None:
        raise MalformedMessage("a sequel to what is no entry")
    rest, signature = item
    data = pack([front + rest, signature])
    if len(data) > ENTRY_BYTES_MAX:
        raise LimitExceeded(f"an entry of {len(data)} bytes, at most {ENTRY_BYTES_MAX} are allowed")
    return data


def _front_after(data: bytes) -> bytes | None:
    """Return what the body of the entry that follows begins with; None of what is no entry."""
    body, _ = _parts(data) or (b"", b"")
    begins = _BODY_BEGINS.match(body)
    if begins is None:
        return None
    journal, *numbers = begins.groups()
    n = int.from_bytes(next(filter(None, numbers)), "big")
    if n >= JOURNAL_ENTRIES_MAX:
        return None
    return journal + pack(n + 1) + _HASH_BEGINS + entry_hash(body)


def _parts(data: bytes) -> _Sequel | None:
    """Cut an entry into its body and its signature; None of what is no entry, as headers are."""
    begins = _ENTRY_BEGINS.match(data)
    if begins is None:
        return None
    cut = len(data) - _SIGNATURE_BYTES
    body, signature = data[begins.end() : cut - len(_SIGNATURE_BEGINS)], data[cut:]
    return (body, signature) if pack([body, signature]) == data else None
