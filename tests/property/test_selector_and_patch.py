"""How people name records and fields: what they write is read or refused, never guessed."""

from copy import deepcopy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from p2pvault.core.commit import new_record_id, patched
from p2pvault.core.selector import IdPrefix, Path, parse_selector, pick
from p2pvault.errors import AmbiguousPath, BadPath, BadValue, NoSuchRecord
from p2pvault.types import Instant, RecordId

words = st.text("abcäß 0", min_size=1, max_size=6)


@given(words, st.lists(words, min_size=1, max_size=3).map("/".join))
def test_a_path_is_a_collection_and_the_rest(collection, name) -> None:
    text = f"{collection}/{name}"
    assert parse_selector(text) == Path(collection, name)
    assert str(parse_selector(text)) == text


@given(st.text("0123456789abcdefABCDEF", min_size=1, max_size=32), st.data())
def test_an_id_is_read_with_hyphens_and_in_any_case(digits, drawn) -> None:
    at = drawn.draw(st.integers(0, len(digits)))
    read = parse_selector(f"id:{digits[:at]}-{digits[at:]}")
    assert read == IdPrefix(digits.lower())
    assert str(read) == f"id:{digits.lower()}"


@pytest.mark.parametrize("text", ["id:", "id:-", "id:xyz", "id:" + "a" * 33, "id:٣", "id: a"])
def test_what_follows_id_are_digits(text) -> None:
    with pytest.raises(BadPath):
        parse_selector(text)


@pytest.mark.parametrize(
    "text", ["", "plain", "/name", "notes/", "/", "a\x00/b", "a/b\n", "x" * 65 + "/b"]
)
def test_what_is_no_path_is_refused(text) -> None:
    with pytest.raises(BadPath):
        parse_selector(text)


@given(st.text(max_size=30))
def test_any_text_is_a_selector_that_reads_the_same_again_or_is_refused(text) -> None:
    try:
        selector = parse_selector(text)
    except BadPath:
        return
    assert parse_selector(str(selector)) == selector


def test_a_selector_means_exactly_one_record() -> None:
    one, other = RecordId(b"1" * 16), RecordId(b"2" * 16)
    assert pick(Path("a", "b"), [one]) == one
    with pytest.raises(NoSuchRecord):
        pick(Path("a", "b"), [])
    with pytest.raises(AmbiguousPath, match=f"id:{one.hex()}, id:{other.hex()}"):
        pick(Path("a", "b"), [other, one])


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_a_record_id_is_a_uuid_of_version_seven_that_sorts_by_time(wall_ms, random) -> None:
    made = new_record_id(Instant(0.0, wall_ms), lambda size: random[:size])
    assert len(made) == 16
    assert int.from_bytes(made[:6], "big") == wall_ms
    assert made[6] >> 4 == 7
    assert made[8] >> 6 == 0b10


def test_all_of_a_record_id_that_means_nothing_is_random() -> None:
    low, high = (new_record_id(Instant(0.0, 0), lambda n, b=b: b * n) for b in (b"\x00", b"\xff"))
    drawn = int.from_bytes(low, "big") ^ int.from_bytes(high, "big")
    assert drawn.bit_count() == 128 - 48 - 4 - 2, "time, version and variant aside"


@given(st.binary(min_size=10, max_size=10), st.integers(0, 9))
def test_every_byte_that_is_drawn_for_a_record_id_counts(drawn, place) -> None:
    other = bytearray(drawn)
    other[place] ^= 1
    one, two = (new_record_id(Instant(0.0, 0), lambda _, d=d: bytes(d)) for d in (drawn, other))
    assert one != two


names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
fields = st.recursive(
    st.dictionaries(names, st.integers(0, 9), max_size=3),
    lambda inner: st.dictionaries(names, inner | st.integers(0, 9), max_size=3),
    max_leaves=8,
)


def at(value, path):
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


@given(fields, paths, st.integers(10, 19))
def test_a_put_value_is_there_and_the_old_one_is_untouched(value, path, new) -> None:
    before = deepcopy(value)
    try:
        after = patched(value, [(path, new)], ())
    except BadValue:
        assert any(isinstance(at(value, path[:depth]), int) for depth in range(1, len(path)))
        return
    finally:
        assert value == before
    assert at(after, path) == new


@given(fields, paths)
def test_a_deleted_field_is_gone_and_nothing_else_moves(value, path) -> None:
    before = deepcopy(value)
    after = patched(value, (), [path])
    assert value == before
    assert at(after, path) is None
    assume(at(before, path) is None)
    assert after == before, "taking away what is not there makes nothing"


@given(fields, paths)
def test_a_put_and_a_delete_of_one_field_leave_it_out(value, path) -> None:
    try:
        after = patched(value, [(path, 1)], [path])
    except BadValue:
        return
    assert at(after, path) is None


def test_a_field_needs_a_name() -> None:
    with pytest.raises(BadValue):
        patched({}, [((), 1)], ())
    with pytest.raises(BadValue):
        patched({}, (), [()])


def test_a_value_is_no_place_for_fields() -> None:
    with pytest.raises(BadValue, match=r"a\.b holds a value"):
        patched({"a": {"b": 1}}, [(("a", "b", "c"), 2)], ())
