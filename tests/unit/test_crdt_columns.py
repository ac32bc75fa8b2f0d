"""Values in a row of one kind and length are checked all together, as one by one."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.crdt.chunk import signed
from p2pvault.crdt.columns import check_values_alike
from p2pvault.errors import ChangeRefused

INTEGER = 4
"""The kind of a signed integer."""

TEXT = 6
"""The kind of a string."""

EDGES = (0x00, 0x01, 0x3F, 0x40, 0x7E, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xFE, 0xFF)
"""Bytes on either side of what decides: that a number goes on, and its sign."""


def are_numbers(raw: bytes, length: int) -> bool:
    """Return what reading numbers one by one says of them."""
    try:
        return all(
            signed(raw[at : at + length], 0)[1] == length for at in range(0, len(raw), length)
        )
    except (ChangeRefused, IndexError):
        return False


def are_taken(raw: bytes, length: int) -> bool:
    try:
        check_values_alike(INTEGER, raw, length)
    except ChangeRefused:
        return False
    return True


@pytest.mark.parametrize("length", [1, 2])
def test_short_integers_are_taken_as_one_by_one(length: int) -> None:
    for number in product(range(256), repeat=length):
        assert are_taken(bytes(number), length) == are_numbers(bytes(number), length)


@pytest.mark.parametrize("length", range(3, 12))
def test_long_integers_are_taken_as_one_by_one(length: int) -> None:
    for begin, *end in product((0x00, 0x80, 0xFF), EDGES, EDGES):
        number = bytes([begin] * (length - 2) + end)
        assert are_taken(number, length) == are_numbers(number, length)


@given(st.integers(1, 11), st.lists(st.sampled_from(EDGES), max_size=60))
def test_integers_in_a_row_are_taken_as_one_by_one(length: int, drawn: list[int]) -> None:
    raw = bytes(drawn[: len(drawn) // length * length])
    assert are_taken(raw, length) == are_numbers(raw, length)


def test_an_integer_has_bytes() -> None:
    with pytest.raises(IndexError):
        check_values_alike(INTEGER, b"", 0)


def test_strings_in_a_row_are_each_whole() -> None:
    check_values_alike(TEXT, "aébé".encode() * 3, 3)
    check_values_alike(TEXT, b"", 0)
    with pytest.raises(ChangeRefused, match="inside a character"):
        check_values_alike(TEXT, "aéaé".encode(), 2)
    with pytest.raises(ChangeRefused, match="not UTF-8"):
        check_values_alike(TEXT, "é".encode()[:1], 1)


def test_a_value_of_a_kind_that_no_record_holds_is_refused() -> None:
    with pytest.raises(ChangeRefused, match="kind 15"):
        check_values_alike(15, b"", 0)
