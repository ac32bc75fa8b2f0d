from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from p2pvault.crdt.diff import blocks, text_splices

letters = st.lists(st.sampled_from("abc"), max_size=12)
prose = st.lists(st.sampled_from(["ada ", "bob ", "ä🎉", "\n", ".", "word "]), max_size=30).map(
    "".join
)


def longest_common(old: list[str], new: list[str]) -> int:
    """The textbook's table, as an oracle."""
    row = [0] * (len(new) + 1)
    for left in old:
        above = row[:]
        for at, right in enumerate(new):
            row[at + 1] = above[at] + 1 if left == right else max(above[at + 1], row[at])
    return row[-1]


@given(letters, letters)
def test_blocks_lead_from_the_old_list_to_the_new_one(old: list[str], new: list[str]) -> None:
    result = list(old)
    for block in reversed(blocks(old, new)):
        result[block.start : block.stop] = new[block.new_start : block.new_stop]
    assert result == new


@given(letters, letters)
def test_no_difference_is_shorter(old: list[str], new: list[str]) -> None:
    touched = sum(
        block.stop - block.start + block.new_stop - block.new_start for block in blocks(old, new)
    )
    assert touched == len(old) + len(new) - 2 * longest_common(old, new)


@given(letters, letters)
def test_blocks_are_in_order_apart_and_not_empty(old: list[str], new: list[str]) -> None:
    found = blocks(old, new)
    assert all(block.stop > block.start or block.new_stop > block.new_start for block in found)
    for before, after in pairwise(found):
        assert after.start - before.stop == after.new_start - before.new_stop > 0


@given(prose, prose)
@example("", "")
@example("a\nb", "a\n\nb")
def test_splices_lead_from_the_old_text_to_the_new_one(old: str, new: str) -> None:
    result = old
    for splice in reversed(text_splices(old, new)):
        end = splice.position + splice.deleted
        result = result[: splice.position] + splice.inserted + result[end:]
    assert result == new


@given(prose, prose, prose, prose)
def test_two_small_edits_far_apart_leave_everything_between_alone(
    start: str, middle: str, end: str, added: str
) -> None:
    old = start + "<one>" + middle + "<two>" + end
    new = start + "<ONE>" + middle + "<two>" + added + end
    touched = sum(splice.deleted + len(splice.inserted) for splice in text_splices(old, new))
    assert touched <= 2 * 3 + len(added)
