"""Minimal differences between two lists and between two texts.

Everything here is a pure function of its two arguments. The fewer items a difference names, the
smaller the change, and the more of two people's concurrent edits merge.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from p2pvault.limits import DIFF_DISTANCE_MAX

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")


class Block(NamedTuple):
    """Items `start` to `stop` of the old sequence become `new_start` to `new_stop` of the new."""

    start: int
    stop: int
    new_start: int
    new_stop: int


class Splice(NamedTuple):
    """At character `position` of the old text, `deleted` characters give way to `inserted`."""

    position: int
    deleted: int
    inserted: str


def blocks(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Block]:
    """Return what differs between two sequences, in order and as little as possible.

    Common ends are set aside, then E. Myers's greedy algorithm runs ("An O(ND) Difference
    Algorithm and Its Variations", Algorithmica 1, 1986). Beyond DIFF_DISTANCE_MAX items the whole
    middle is one block: still right, only larger.
    """
    middle = _middle(old, new)
    if middle.start == middle.stop and middle.new_start == middle.new_stop:
        return []
    if middle.start == middle.stop or middle.new_start == middle.new_stop:
        return [middle]
    found = _myers(
        old[middle.start : middle.stop],
        new[middle.new_start : middle.new_stop],
    )
    if found is None:
        return [middle]
    return [Block(*(middle.start + index for index in block)) for block in found]


def text_splices(old: str, new: str) -> list[Splice]:
    """Return what differs between two texts: by line, within that by word, then by character."""
    return [
        _splice(old, new, word)
        for line in _token_blocks(_LINES, old, new, _middle(old, new))
        for word in _token_blocks(_WORDS, old, new, line)
    ]


def _middle(old: Sequence[Hashable], new: Sequence[Hashable]) -> Block:
    """Return what is left between the common ends, which may be nothing."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    return Block(head, len(old) - tail, head, len(new) - tail)


def _common(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    """Return the length of the common beginning; halving, because slices compare in C."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        half = (low + high + 1) // 2
        if old[low:half] == new[low:half]:
            low = half
        else:
            high = half - 1
    return low


def _token_blocks(pattern: re.Pattern[str], old: str, new: str, area: Block) -> Iterator[Block]:
    """Yield the blocks, in characters, in which two areas differ when cut into tokens."""
    old_tokens = pattern.findall(old, area.start, area.stop)
    new_tokens = pattern.findall(new, area.new_start, area.new_stop)
    old_edges = _edges(old_tokens, area.start)
    new_edges = _edges(new_tokens, area.new_start)
    for block in blocks(old_tokens, new_tokens):
        yield Block(
            old_edges[block.start],
            old_edges[block.stop],
            new_edges[block.new_start],
            new_edges[block.new_stop],
        )


def _edges(tokens: Sequence[str], offset: int) -> list[int]:
    return list(accumulate(map(len, tokens), initial=offset))


def _splice(old: str, new: str, area: Block) -> Splice:
    """Turn a block of characters into a splice without its common ends."""
    before, after = old[area.start : area.stop], new[area.new_start : area.new_stop]
    inner = _middle(before, after)
    return Splice(
        area.start + inner.start,
        inner.stop - inner.start,
        after[inner.new_start : inner.new_stop],
    )


def _myers(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Block] | None:
    """Find a shortest edit script, or None when it is longer than DIFF_DISTANCE_MAX."""
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for distance in range(min(len(old) + len(new), DIFF_DISTANCE_MAX) + 1):
        trace.append(dict(furthest))
        for diagonal in range(-distance, distance + 1, 2):
            x = _step(furthest, diagonal, distance)
            x = _slide(old, new, x, x - diagonal)
            furthest[diagonal] = x
            if x >= len(old) and x - diagonal >= len(new):
                return _merge(_backtrack(trace, len(old), len(new)))
    return None


def _step(furthest: dict[int, int], diagonal: int, distance: int) -> int:
    """Return where one more edit leads on a diagonal: down from above, or right from the left."""
    if _comes_from_above(furthest, diagonal, distance):
        return furthest[diagonal + 1]
    return furthest[diagonal - 1] + 1


def _comes_from_above(furthest: dict[int, int], diagonal: int, distance: int) -> bool:
    if diagonal in (-distance, distance):
        return diagonal == -distance
    return furthest[diagonal - 1] < furthest[diagonal + 1]


def _slide(old: Sequence[Hashable], new: Sequence[Hashable], x: int, y: int) -> int:
    while x < len(old) and y < len(new) and old[x] == new[y]:
        x += 1
        y += 1
    return x


def _backtrack(trace: list[dict[int, int]], x: int, y: int) -> list[Block]:
    """Return the single edits from start to end: one deleted or one inserted item each."""
    edits = []
    for distance in range(len(trace) - 1, 0, -1):
        diagonal = x - y
        if _comes_from_above(trace[distance], diagonal, distance):
            x = trace[distance][diagonal + 1]
            y = x - diagonal - 1
            edits.append(Block(x, x, y, y + 1))
        else:
            x = trace[distance][diagonal - 1]
            y = x - diagonal + 1
            edits.append(Block(x, x + 1, y, y))
    return edits[::-1]


def _merge(edits: list[Block]) -> list[Block]:
    """Join edits that touch."""
    merged: list[Block] = []
    for edit in edits:
        if merged and (merged[-1].stop, merged[-1].new_stop) == (edit.start, edit.new_start):
            merged[-1] = Block(merged[-1].start, edit.stop, merged[-1].new_start, edit.new_stop)
        else:
            merged.append(edit)
    return merged
