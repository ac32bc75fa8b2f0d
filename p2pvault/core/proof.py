"""What shows that the author of a journal has signed another branch of it than the one held here.

A peer may say anything about hashes. Only an entry that the author signed, and that is not the one
held here under its number, makes this device take a branch out.
"""

from dataclasses import dataclass

from p2pvault.errors import UnexpectedMessage
from p2pvault.protocol.fork import Narrowing
from p2pvault.protocol.journal import Entry, decode_entry
from p2pvault.types import AuthorId, JournalHead, VaultId


@dataclass(frozen=True, slots=True)
class Signer:
    """The author of a contested journal: its vault, and the key (32 bytes) that it signs with."""

    vault: VaultId
    key: bytes

    def has_signed_last(self, narrowing: Narrowing, ours: JournalHead, data: bytes) -> bool:
        """Tell whether the peer's last entry is signed and not held here; False: who knows.

        Raises:
            RemoteProtocolError: It is another entry, or not signed.
        """
        beyond = narrowing.shown > ours.n
        if not data or not (beyond or narrowing.ours_there):
            return False
        entry = self._read(ours.author, narrowing.shown, data)
        if not beyond and entry.hash == narrowing.ours_there:
            raise UnexpectedMessage("a fork in a journal that is the same on both sides")
        return True

    def has_signed_apart(self, narrowing: Narrowing, ours: JournalHead, data: bytes) -> bool:
        """Tell whether the peer's first entry that differs is signed; False where it sent none.

        Raises:
            RemoteProtocolError: It is another one than it named the hash of, or not signed.
        """
        if not data:
            return False
        entry = self._read(ours.author, narrowing.shown, data)
        if entry.hash != narrowing.apart[1]:
            raise UnexpectedMessage("another entry than the one whose hash decides")
        return True

    def _read(self, author: AuthorId, n: int, data: bytes) -> Entry:
        entry = decode_entry(data, self.vault)
        if (entry.author, entry.body.n) != (author, n):
            raise UnexpectedMessage("another entry than the one that was to be proved")
        if entry.outside:
            raise UnexpectedMessage("a header, whose number nobody signed, in the place of a proof")
        entry.verify(self.key)
        return entry
