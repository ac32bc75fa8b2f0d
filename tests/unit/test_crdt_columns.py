"""Values of one kind and length, and keys in a row, are checked all together, as one by one."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.crdt.chunk import encode_unsigned, signed, unsigned
from p2pvault.crdt.columns import check_values_alike, count_keys, skip_key
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


def keys_one_by_one(column: bytes) -> int:
    """Return for how many rows keys are, each read by itself."""
    at = rows = 0
    while at < len(column):
        count, at = signed(column, at)
        if not count:
            count, at = unsigned(column, at)
        else:
            for _ in range(1 if count > 0 else -count):
                _, at = skip_key(column, at)
        rows += abs(count)
    return rows


def rows_of(count: Callable[[bytes], int], column: bytes) -> int | None:
    try:
        return count(column)
    except (ChangeRefused, IndexError):
        return None


KEY = st.one_of(
    st.text(min_size=1, max_size=4).map(str.encode),
    st.binary(max_size=3),
    st.sampled_from([126, 127, 128, 129, 1_024, 1_025]).map(lambda size: b"k" * size),
    st.sampled_from(["ä", "€", "😀"]).flatmap(
        lambda letter: st.integers(40, 70).map(lambda size: letter.encode() * size)
    ),
)


def column_of(keys: list[bytes]) -> bytes:
    """Return a column of one literal run."""
    written = b"".join(encode_unsigned(len(key)) + key for key in keys)
    return bytes([0x80 - len(keys)]) + written if keys else b""


@given(st.lists(KEY, max_size=12), st.binary(max_size=2), st.integers(0, 3))
def test_keys_in_a_row_are_taken_as_one_by_one(keys: list[bytes], more: bytes, less: int) -> None:
    column = column_of(keys) + more
    for cut in (column, column[: len(column) - less]):
        assert rows_of(count_keys, cut) == rows_of(keys_one_by_one, cut)


@given(st.binary(max_size=12))
def test_any_column_of_keys_is_taken_as_one_by_one(column: bytes) -> None:
    assert rows_of(count_keys, column) == rows_of(keys_one_by_one, column)


@pytest.mark.parametrize("split", [b"\xe2", b"\xe2\x82", b"\x82\xac", b"\xac"])
def test_a_character_cannot_lie_across_two_keys(split: bytes) -> None:
    rest = "€".encode().removeprefix(split).removesuffix(split)
    for keys in ([split, rest], [b"a", split, rest], [b"k" * 200, split, b"k" * 200, rest]):
        assert rows_of(count_keys, column_of(keys)) is None
