"""Headers that nobody would make of an entry: with another number, or in another journal."""

from harness.pairs import entries_of
from harness.party import Party
from p2pvault.protocol.journal import decode_entry
from p2pvault.types import AuthorId, EntryHash
from p2pvault.wire.codec import Tree, pack


def signed_by(party: Party, holder: Party) -> tuple[EntryHash, bytes]:
    """Return hash and signature of an entry that a party did write, from another one's log."""
    vault = holder.device.members.vault
    read = [decode_entry(data, vault) for data in entries_of(holder)]
    entry = next(each for each in read if each.body.device == party.id)
    return entry.hash, entry.signature


def forged(party: Party, holder: Party, author: AuthorId, *collections: str, by: int = 1) -> bytes:
    """Put what a party signed behind the end of one of its journals, `by` numbers on."""
    content = holder.device.pipeline.durable
    end, hash_and_signature = content.journals[author], signed_by(party, holder)
    journal = next(
        decode_entry(data, holder.device.members.vault).body.journal
        for data in entries_of(holder)
        if decode_entry(data, holder.device.members.vault).author == author
    )
    names: list[Tree] = [*collections]
    previous = end.hash if by == 1 else bytes(32)
    return pack([party.id, journal, end.n + by, previous, *hash_and_signature, names])
