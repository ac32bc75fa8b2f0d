"""Checks a store from the first page to the last fingerprint, and says exactly what is wrong.

It reads in pages and gives one piece of news after each, so whoever runs it decides what happens
in between. It writes nothing. What cannot be read at all is a finding as well, not the end. Others
may write meanwhile: what they do is never taken for damage.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

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
    EntryHash,
    JournalHead,
    StoredEntry,
    StoreState,
    VaultId,
)

News = Progress | Finding

_GAP: Final = "it does not continue its journal"
_STRANGER: Final = "no device of the vault wrote it"
_OF_OTHERS: Final = (_GAP, _STRANGER)
"""What an entry may seem to have wrong for what was written elsewhere meanwhile."""


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
    yield from _readable("entries", entries.check(reader, state.last_arrival))
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
            for stored in read_one(reader, row.id):  # none where it was erased meanwhile
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
        self._bases = {base.author: base for base in bases}
        self._heads = dict(self._bases)

    def check(self, reader: Reader, last_arrival: int) -> Iterator[News]:
        """Read the whole log; what lies before a base is not needed, and goes sooner or later.

        Others write meanwhile. So the heads are compared at one moment, together with the entries
        that came since the log was read.
        """
        done = after = 0
        while page := reader.entries(after, FEED_BYTES_MAX):
            yield from self._walk(reader, page)
            done, after = done + len(page), page[-1].arrival
            yield Progress("entries", done, done + max(0, last_arrival - after))
        with reader.standstill():
            came, found = self._rest(reader, after)
        yield from found
        yield Progress("entries", done + came, done + came)

    def _walk(self, reader: Reader, page: Sequence[StoredEntry]) -> Iterator[Finding]:
        for stored in page:
            if self._is_behind(stored):
                fault = self.fault(stored)
                if fault in _OF_OTHERS:
                    fault = self._still(reader, stored)
                if fault:
                    yield Finding("entry", f"{stored.author.hex()} {stored.n}", fault)
                self.accept(stored)

    def _rest(self, reader: Reader, after: int) -> tuple[int, list[Finding]]:
        """Return how many entries came since, and what is wrong with them and with the heads."""
        state = self._renew(reader)
        came = 0
        found: list[Finding] = []
        while page := reader.entries(after, FEED_BYTES_MAX):
            found += self._walk(reader, page)
            came, after = came + len(page), page[-1].arrival
        for head in state.journals:
            if self._heads.get(head.author) != head and not self._was_cut(reader, head):
                detail = "its head is not its last entry"
                found.append(Finding("journal", head.author.hex(), detail))
        return came, found

    def _still(self, reader: Reader, stored: StoredEntry) -> str:
        """Return what is wrong with an entry after all that others have written since."""
        with reader.standstill():
            if reader.hashes(stored.author, [stored.n]) != [stored.hash]:
                return ""  # it was retracted
            self._renew(reader)
            before = self._heads.get(stored.author)
            # It came again, or in the place of another one.
            if before and (stored.n <= before.n or not _is_held(reader, before)):
                self._step_back(reader, stored)
            return self.fault(stored) if self._is_behind(stored) else ""

    def _step_back(self, reader: Reader, stored: StoredEntry) -> None:
        """Go on from what is held before an entry: what seemed to be there was retracted."""
        (hash_,) = reader.hashes(stored.author, [stored.n - 1])
        if hash_:
            head = JournalHead(stored.author, stored.n - 1, EntryHash(hash_))
            self._heads[stored.author] = head
        else:
            del self._heads[stored.author]

    def _renew(self, reader: Reader) -> StoreState:
        """Take over the membership, and what was dropped, as they are now."""
        state = reader.state()
        self._membership = stored_members(state).membership
        for base in state.bases:
            self._bases[base.author] = base
            walked = self._heads.get(base.author)
            if walked is None or walked.n < base.n:
                self._heads[base.author] = base
        return state

    def _is_behind(self, stored: StoredEntry) -> bool:
        """Tell whether an entry is behind the base of its journal, if that has one."""
        base = self._bases.get(stored.author)
        return base is None or stored.n > base.n

    def _was_cut(self, reader: Reader, head: JournalHead) -> bool:
        """Tell whether a journal ends at an earlier entry now than where it was followed to."""
        walked = self._heads.get(head.author)
        return walked is not None and not _is_held(reader, walked) and _is_held(reader, head)

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
                return _GAP
            public = self._membership.keys_of(entry.body.device)
            if public is None:
                return _STRANGER
            entry.verify(public.signing)
        except RemoteProtocolError as error:
            return str(error)
        except SealBroken:
            return "its signature is wrong"
        return ""


def _is_held(reader: Reader, head: JournalHead) -> bool:
    return reader.hashes(head.author, [head.n]) == [head.hash]


def _fingerprints(reader: Reader, key: bytes, total: int) -> Iterator[News]:
    for stored, counted in wrong_fingerprints(reader, key):
        detail = "its fingerprint is not that of its records"
        yield Finding("fingerprint", stored.collection, detail, wrong=(stored, counted))
    yield Progress("fingerprints", total, total)
