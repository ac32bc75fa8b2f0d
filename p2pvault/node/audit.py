"""Checks a store from the first page to the last fingerprint, and says exactly what is wrong.

It reads in pages and gives one piece of news after each, so whoever runs it decides what happens
in between. It writes nothing. What cannot be read at all is a finding as well, not the end.
"""

from collections.abc import Iterable, Iterator

from p2pvault.core.selector import path_of
from p2pvault.core.start import stored_members
from p2pvault.crypto.schedule import fingerprint_key
from p2pvault.errors import RemoteProtocolError, SealBroken
from p2pvault.limits import FEED_BYTES_MAX, INDEX_PAGE_ROWS
from p2pvault.node.inquiring import UNREADABLE, is_sound, read_one, wrong_fingerprints
from p2pvault.node.port import Finding, Progress
from p2pvault.protocol.journal import decode_entry
from p2pvault.protocol.membership import Membership
from p2pvault.store.port import Reader
from p2pvault.types import (
    DeviceId,
    JournalHead,
    StoredEntry,
    StoreState,
    VaultId,
)

News = Progress | Finding


def audit(reader: Reader) -> Iterator[News]:
    """Check everything that one store holds."""
    yield from _readable("pages", _pages(reader))
    try:
        state = reader.state()
        members = stored_members(state)
    except UNREADABLE as error:
        yield Finding("membership", "keys and membership", str(error))
        return
    yield Progress("membership", len(state.operations), len(state.operations))
    yield from _readable("records", _records(reader))
    entries = Journals(members.vault, members.membership, state.bases)
    yield from _readable("entries", entries.check(reader, state))
    key = fingerprint_key(members.vault)
    yield from _readable("fingerprints", _fingerprints(reader, key, len(state.fingerprints)))


def _readable(part: str, checks: Iterator[News]) -> Iterator[News]:
    try:
        yield from checks
    except UNREADABLE as error:
        yield Finding("unreadable", part, str(error))


def _pages(reader: Reader) -> Iterator[News]:
    yield Progress("pages", 0, 1)
    for fault in reader.faults():
        yield Finding("page", "database", fault)
    yield Progress("pages", 1, 1)


def _records(reader: Reader) -> Iterator[News]:
    done, total, lower = 0, reader.index_count(b"", None), b""
    while page := reader.index(lower, None, INDEX_PAGE_ROWS):
        for row in page:
            (stored,) = read_one(reader, row.id)
            if stored is None or not is_sound(stored):
                what = f"{path_of(row)} (id:{row.id.hex()})"
                fault = "cannot be read" if stored is None else "do not lead to its heads"
                yield Finding("record", what, f"its chunks {fault}", row.id)
        done += len(page)
        yield Progress("records", done, max(done, total))
        lower = page[-1].id + b"\x00"


class Journals:
    """Follows every journal from its base, or its first entry, to its head."""

    def __init__(
        self, vault: VaultId, membership: Membership, bases: Iterable[JournalHead]
    ) -> None:
        self._vault = vault
        self._membership = membership
        self._heads = {base.author: base for base in bases}

    def check(self, reader: Reader, state: StoreState) -> Iterator[News]:
        """Read the whole log; what lies before a base is not needed, and goes sooner or later."""
        after = 0
        bases = {base.author: base.n for base in state.bases}
        while page := reader.entries(after, FEED_BYTES_MAX):
            for stored in (each for each in page if each.n > bases.get(each.author, 0)):
                if fault := self.fault(stored):
                    yield Finding("entry", f"{stored.author.hex()} {stored.n}", fault)
                self.accept(stored)
            after = page[-1].arrival
            yield Progress("entries", after, max(after, state.last_arrival))
        for head in state.journals:
            if self._heads.get(head.author) != head:
                yield Finding("journal", head.author.hex(), "its head is not its last entry")

    def device_of(self, stored: StoredEntry) -> DeviceId:
        """Return who wrote an entry that has no fault."""
        return decode_entry(stored.data, self._vault).body.device

    def accept(self, stored: StoredEntry) -> None:
        """Go on behind an entry, whatever it is worth."""
        self._heads[stored.author] = JournalHead(stored.author, stored.n, stored.hash)

    def fault(self, stored: StoredEntry) -> str:
        """Return what is wrong with an entry, or nothing."""
        before = self._heads.get(stored.author)
        try:
            entry = decode_entry(stored.data, self._vault)
            if entry.head != JournalHead(stored.author, stored.n, stored.hash):
                return "its content is not what its row says"
            if not entry.follows(before):
                return "it does not continue its journal"
            public = self._membership.keys_of(entry.body.device)
            if public is None:
                return "no device of the vault wrote it"
            entry.verify(public.signing)
        except RemoteProtocolError as error:
            return str(error)
        except SealBroken:
            return "its signature is wrong"
        return ""


def _fingerprints(reader: Reader, key: bytes, total: int) -> Iterator[News]:
    for stored, counted in wrong_fingerprints(reader, key):
        detail = "its fingerprint is not that of its records"
        yield Finding("fingerprint", stored.collection, detail, wrong=(stored, counted))
    yield Progress("fingerprints", total, total)
