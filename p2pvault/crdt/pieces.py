"""Putting a record together again whose stored copy is damaged.

A bit that is turned spoils one chunk. The others still prove themselves by their checksums, and
what the spoiled one held may be known from elsewhere: from entries, for example.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from p2pvault.crdt.chunk import DOCUMENT, frame, split
from p2pvault.crdt.document import inspect_document
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import ChangeRefused, CrdtError
from p2pvault.types import AuthorId, ChangeHash, Heads


def piece_together(
    actor: AuthorId, chunks: Iterable[bytes], changes: Sequence[Change], heads: Heads
) -> Record:
    """Make a record of what is sound of its chunks, and of changes that are known otherwise.

    Args:
        actor: The author of later commits.
        chunks: What the store holds of it.
        changes: Changes to it, in any order; they may be among the chunks too. Those that build on
            what is nowhere are left out.
        heads: What has to be in it, at least.

    Raises:
        CrdtError: Something of it is missing, or the engine refused.
    """
    document, tail = _sound(chunks)
    record = _begin(actor, document, [*tail, *changes])
    if not record.knows(heads):
        raise CrdtError("the sound parts of a record do not add up to all of it")
    return record


def salvage(actor: AuthorId, record: Record, chunks: Iterable[bytes]) -> list[Change]:
    """Bring what is sound of a damaged copy into a record that came from elsewhere.

    Args:
        actor: As for `piece_together`.
        record: Another copy, which may lack some of what was here; as before when this raises.
        chunks: What the store holds.

    Returns:
        The changes that were new, in causal order.

    Raises:
        CrdtError: The engine refused: the two contradict each other.
    """
    document, tail = _sound(chunks)
    found = [*tail]
    if document is not None:
        copy = Record.load(actor, (document,), inspect_document(document).heads)
        found += map(inspect, copy.changes_for(record))
    return record.apply(_following(record.knows, _in_order(found)))


def began(changes: Iterable[Change]) -> bool:
    """Tell whether the change that creates a record is among changes to it."""
    return any(not change.deps for change in changes)


def without_rivals(record: Record, changes: Sequence[Change]) -> Record:
    """Return a record without those changes that have the number of another one of the same author.

    The engine can never merge the two, so this is what the others can be applied to.

    Args:
        record: Where the rivals are, if there are any.
        changes: The others.

    Raises:
        CrdtError: One of the rivals created the record.
    """
    numbered = {(each.actor, each.sequence): each.hash for each in changes}
    gone: set[ChangeHash] = set()
    _, everything = record.history_without(())
    for each in map(inspect, split(everything)):
        is_rival = numbered.get((each.actor, each.sequence), each.hash) != each.hash
        # The order is causal, so one look at each change is enough.
        if is_rival or not gone.isdisjoint(each.deps):
            gone.add(each.hash)
    rest = record.without(gone) if gone else record
    if rest is None:
        raise CrdtError("a record that another change began")
    return rest


def _begin(actor: AuthorId, document: bytes | None, changes: Iterable[Change]) -> Record:
    ordered = _in_order(changes)
    if document is None:
        return Record.receive(actor, _following(lambda _: False, ordered))
    record = Record.load(actor, (document,), inspect_document(document).heads)
    record.apply(_following(record.knows, ordered))
    return record


def _in_order(changes: Iterable[Change]) -> list[Change]:
    # A change numbers its operations on from those that it builds on.
    return sorted(changes, key=lambda change: change.start_op)


def _following(
    knows: Callable[[Sequence[ChangeHash]], bool], changes: Iterable[Change]
) -> list[Change]:
    """Return those changes, each once, that build on what is known and on each other."""
    found: dict[ChangeHash, Change] = {}
    for change in changes:
        if all(dep in found or knows((dep,)) for dep in change.deps):
            found[change.hash] = change
    return list(found.values())


def _sound(chunks: Iterable[bytes]) -> tuple[bytes | None, list[Change]]:
    """Return the document and the changes behind it, as far as they are sound."""
    parts = [part for chunk in chunks for part in _sound_parts(chunk)]
    document = next((part for part in parts if _is_document(part)), None)
    return document, [inspect(part) for part in parts if not _is_document(part)]


def _is_document(chunk: bytes) -> bool:
    return frame(chunk).kind == DOCUMENT


def _sound_parts(stored: bytes) -> Iterator[bytes]:
    """Return the chunks in what was stored at once, but for those that are damaged."""
    try:
        parts = split(stored)
    except ChangeRefused:
        # Where one of them ends is not known, so neither where the next one begins.
        return iter(())
    return filter(_is_sound, parts)


def _is_sound(chunk: bytes) -> bool:
    check = inspect_document if _is_document(chunk) else inspect
    try:
        check(chunk)
    except ChangeRefused:
        return False
    return True
