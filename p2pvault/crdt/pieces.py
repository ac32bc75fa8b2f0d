"""Putting a record together again whose stored copy is damaged.

A bit that is turned spoils one chunk. The others still prove themselves by their checksums, and
what the spoiled one held may be known from elsewhere: from entries, for example.
"""

from collections.abc import Iterable, Iterator, Sequence

from p2pvault.crdt.chunk import DOCUMENT, frame, split
from p2pvault.crdt.document import inspect_document
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import ChangeRefused, CrdtError
from p2pvault.types import AuthorId, Heads


def piece_together(
    actor: AuthorId, chunks: Iterable[bytes], changes: Sequence[Change], heads: Heads
) -> Record:
    """Make a record of what is sound of its chunks, and of changes that are known otherwise.

    Args:
        actor: The author of later commits.
        chunks: What the store holds of it.
        changes: Changes to it, in any order; they may be among the chunks too.
        heads: What has to be in it, at least.

    Raises:
        CrdtError: Something of it is missing, or the engine refused.
    """
    parts = [part for chunk in chunks for part in _sound_parts(chunk)]
    document = next((part for part in parts if _is_document(part)), None)
    tail = [inspect(part) for part in parts if not _is_document(part)]
    known = {change.hash: change for change in [*tail, *changes]}
    record = _begin(actor, document, list(known.values()))
    if not record.knows(heads):
        raise CrdtError("the sound parts of a record do not add up to all of it")
    return record


def began(changes: Iterable[Change]) -> bool:
    """Tell whether the change that creates a record is among changes to it."""
    return any(not change.deps for change in changes)


def _begin(actor: AuthorId, document: bytes | None, changes: Sequence[Change]) -> Record:
    if document is None:
        return Record.receive(actor, changes)
    record = Record.load(actor, (document,), inspect_document(document).heads)
    record.apply(changes)
    return record


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
