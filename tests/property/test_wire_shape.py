"""Shapes: every kind reads what `to_tree` writes, and refuses everything else."""

from dataclasses import dataclass
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from p2pvault.wire.codec import Tree, pack, unpack
from p2pvault.wire.shape import (
    binary,
    boolean,
    choice,
    exactly,
    optional,
    pair,
    sequence,
    signed,
    structure,
    text,
    to_tree,
    unsigned,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    pairs: tuple[tuple[int, bytes], ...]
    colour: Colour


@dataclass(frozen=True)
class Outer:
    flag: bool
    number: int
    name: str | None
    key: bytes
    inner: Inner


read = structure(
    Outer,
    boolean,
    signed,
    optional(text(8)),
    exactly(4),
    structure(Inner, sequence(pair(unsigned(100), binary(3)), 3), choice(Colour)),
)
inners = st.builds(
    Inner,
    st.lists(st.tuples(st.integers(0, 100), st.binary(max_size=3)), max_size=3).map(tuple),
    st.sampled_from(Colour),
)
outers = st.builds(
    Outer,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    st.binary(min_size=4, max_size=4),
    inners,
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=5)
    | st.text("abredlu", max_size=12)
)
trees: st.SearchStrategy[Tree] = st.recursive(leaves, lambda inner: st.lists(inner, max_size=6))


@given(outers)
def test_a_structure_comes_back_from_the_wire(value: Outer) -> None:
    assert read(unpack(pack(to_tree(value)))) == value


@given(trees)
def test_a_tree_is_read_or_refused_and_what_is_read_is_the_same_tree(tree: Tree) -> None:
    try:
        value = read(tree)
    except RemoteProtocolError:
        return
    assert pack(to_tree(value)) == pack(tree)


@given(outers, st.data())
def test_no_field_may_be_of_another_type(value: Outer, drawn: st.DataObject) -> None:
    tree = to_tree(value)
    place = drawn.draw(st.integers(0, 4))
    wrong: list[list[Tree]] = [
        [None, 0, 1, b"", "", []],
        [None, True, b"", "", [], 2**63],
        [True, 0, b"", []],
        [None, True, 0, "abcd", [], b"abc", b"abcde"],
        [
            None,
            True,
            0,
            "",
            b"",
            [],
            [[]],
            [[], "green"],
            [[[101, b""]], "red"],
            [[[1, ""]], "red"],
        ],
    ]
    tree[place] = drawn.draw(st.sampled_from(wrong[place]))
    with pytest.raises(RemoteProtocolError):
        read(tree)


@pytest.mark.parametrize("tree", [[], [True], [True, 0, None, b"abcd", [[], "red"], 0], None, "x"])
def test_an_array_has_exactly_its_items(tree: Tree) -> None:
    with pytest.raises(MalformedMessage):
        read(tree)


@pytest.mark.parametrize(
    ("shape", "tree"),
    [
        (unsigned(5), 6),
        (binary(2), b"abc"),
        (text(2), "abc"),
        (sequence(boolean, 2), [True, True, True]),
    ],
)
def test_a_bound_that_is_passed_is_named_a_limit(shape, tree) -> None:
    with pytest.raises(LimitExceeded):
        shape(tree)


@pytest.mark.parametrize("tree", [True, False, -1, None, "1", 1.0])
def test_a_number_is_no_flag_and_not_negative(tree) -> None:
    with pytest.raises(MalformedMessage):
        unsigned(5)(tree)


@pytest.mark.parametrize("tree", [None, [1], [1, 2, 3], "ab"])
def test_a_pair_has_two_items(tree) -> None:
    with pytest.raises(MalformedMessage):
        pair(unsigned(5), unsigned(5))(tree)


@pytest.mark.parametrize("tree", ["green", None, 1, [], ["red"], b"red"])
def test_a_choice_is_one_of_its_words(tree) -> None:
    with pytest.raises(MalformedMessage):
        choice(Colour)(tree)
