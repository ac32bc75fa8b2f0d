from p2pvault.crdt.diff import Block, Splice, blocks, text_splices
from p2pvault.limits import DIFF_DISTANCE_MAX


def test_equal_sequences_do_not_differ() -> None:
    assert blocks("abc", "abc") == []
    assert text_splices("a text", "a text") == []


def test_a_word_that_changes_in_one_letter_is_one_letter() -> None:
    assert text_splices("the colour red", "the color red") == [Splice(8, 1, "")]


def test_edits_in_two_lines_of_a_long_text_stay_two_small_splices() -> None:
    lines = [f"line {number} of a text\n" for number in range(2_000)]
    changed = [*lines]
    changed[3] = "line 3 of some text\n"
    changed[1_997] = "line 1997 of the text\n"
    splices = text_splices("".join(lines), "".join(changed))
    assert [(splice.deleted, splice.inserted) for splice in splices] == [(1, "some"), (1, "the")]


def test_sequences_that_differ_beyond_the_bound_give_way_as_a_whole() -> None:
    size = DIFF_DISTANCE_MAX
    old = [f"old {number}" for number in range(size)]
    new = [f"new {number}" for number in range(size)]
    found = blocks(["same", *old, "kept", *old, "same"], ["same", *new, "kept", *new, "same"])
    assert found == [Block(1, 2 * size + 2, 1, 2 * size + 2)]


def test_sequences_that_differ_just_within_the_bound_keep_what_they_share() -> None:
    half = DIFF_DISTANCE_MAX // 4
    old = [f"old {number}" for number in range(half)]
    new = [f"new {number}" for number in range(half)]
    found = blocks([*old, "kept", *old], [*new, "kept", *new])
    assert found == [
        Block(0, half, 0, half),
        Block(half + 1, 2 * half + 1, half + 1, 2 * half + 1),
    ]
