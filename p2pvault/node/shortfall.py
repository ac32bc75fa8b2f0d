"""Says what a salvage did not carry over, also where nothing of it was seen.

A page that cannot be read does not tell what lay on it. But the store counts its records a second
time, in the fingerprints of their collections, and its entries in the heads of the journals. Where
that cannot be read either, the number is not known, and this says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from p2pvault.node.port import Lost
from p2pvault.types import AuthorId, Fingerprint, JournalHead


@dataclass(slots=True)
class Carried:
    """How far each journal was carried over.

    Attributes:
        ends: The last entry of each, or its base.
        cut: Those of which entries were seen that do not follow what was carried over.
    """

    ends: dict[AuthorId, int] = field(default_factory=dict)
    cut: set[AuthorId] = field(default_factory=set)


def lost_records(
    stored: Sequence[Fingerprint] | None, seen: Mapping[str, Fingerprint]
) -> Iterator[Lost]:
    """Compare what there was with what was seen, where rows may have been passed over.

    Args:
        stored: The fingerprints of the damaged store; None where they cannot be read.
        seen: Those of all records that were carried over or are named already.
    """
    if stored is None:
        yield Lost("records", "an unknown number")
        return
    for held in stored:
        found = seen.get(held.collection, Fingerprint(held.collection, 0, 0))
        if found.count < held.count:
            missing = f"{held.count - found.count} in {held.collection}"
            yield Lost("records", f"{missing}, and deleted ones if there were any")
        elif found.total != held.total:
            yield Lost("records", f"an unknown number in {held.collection}, perhaps deleted ones")


def lost_entries(
    heads: Sequence[JournalHead] | None,
    bases: Sequence[JournalHead] | None,
    carried: Carried,
    *,
    skipped: bool,
) -> Iterator[Lost]:
    """Compare where journals ended with where they end now.

    Args:
        heads: Where they ended; None where it cannot be read.
        bases: Where they began, which is all that is known of one without entries; or None.
        carried: Where they end now.
        skipped: Whether entries may have been passed over.
    """
    held = {head.author: head.n for head in (bases if heads is None else heads) or ()}
    for author in sorted(held.keys() | carried.cut):
        end = carried.ends.get(author, 0)
        if author in carried.cut or end < held.get(author, 0):
            yield Lost("entry", f"{author.hex()} from {end + 1} on")
    if heads is None and (skipped or bases is None):
        yield Lost("entries", "an unknown number")
