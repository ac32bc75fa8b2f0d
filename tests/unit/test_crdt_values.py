from datetime import UTC, datetime
from enum import IntEnum

import pytest

from p2pvault.crdt.values import Plain, Timestamp, Value, check, freeze, from_plain, plain
from p2pvault.errors import BadValue
from p2pvault.limits import (
    FIELD_CHARACTERS_MAX,
    INTEGER_MAX,
    SCALAR_BYTES_MAX,
    TIMESTAMP_MS_MAX,
    TIMESTAMP_MS_MIN,
    VALUE_DEPTH_MAX,
    VALUE_ITEMS_MAX,
)


class Colour(IntEnum):
    RED = 1


def nested(depth: int) -> Value:
    value: Value = 1
    for _ in range(depth - 1):
        value = [value]
    return value


def test_bytes_and_times_are_marked_in_json() -> None:
    value: Value = {"b": b"\x00\xff", "t": Timestamp(1_714_979_289_010)}
    assert plain(value) == {"b": {"$bytes": "AP8="}, "t": {"$time": "2024-05-06T07:08:09.010Z"}}


def test_a_map_that_looks_marked_is_wrapped() -> None:
    assert plain({"$time": "soon"}) == {"$map": {"$time": "soon"}}
    assert from_plain({"$map": {"$time": "soon"}}) == {"$time": "soon"}
    assert plain({"$time": "soon", "other": 1}) == {"$time": "soon", "other": 1}


def test_times_are_read_in_any_zone() -> None:
    assert from_plain({"$time": "2024-05-06T09:08:09.010+02:00"}) == Timestamp(1_714_979_289_010)


def test_a_datetime_becomes_a_timestamp_rounded_down() -> None:
    assert Timestamp.from_datetime(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == Timestamp(
        -1
    )


@pytest.mark.parametrize(
    "tree",
    [
        {"$bytes": "A"},
        {"$bytes": 1},
        {"$bytes": "ä"},
        {"$time": "2024-05-06T07:08:09"},
        {"$time": "yesterday"},
        {"$time": "0001-01-01T00:00:00Z"},
        {"$later": 1},
        {"$map": 1},
        {"": 1},
        [10**19],
    ],
)
def test_json_that_stands_for_nothing_is_refused(tree: Plain) -> None:
    with pytest.raises(BadValue):
        from_plain(tree)


@pytest.mark.parametrize("tree", [nested(VALUE_DEPTH_MAX + 1), nested(500)])
def test_json_that_is_nested_too_deep_is_refused(tree: Plain) -> None:
    with pytest.raises(BadValue, match="deeper"):
        from_plain(tree)


def test_the_deepest_value_that_is_allowed_comes_back_even_when_every_map_is_wrapped() -> None:
    value: Value = b"leaf"
    for _ in range(VALUE_DEPTH_MAX - 1):
        value = {"$x": value}
    assert from_plain(plain(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        INTEGER_MAX,
        -INTEGER_MAX - 1,
        nested(VALUE_DEPTH_MAX),
        [0] * (VALUE_ITEMS_MAX - 1),
        bytes(SCALAR_BYTES_MAX),
        {"k" * FIELD_CHARACTERS_MAX: 1},
        Timestamp(TIMESTAMP_MS_MIN),
        Timestamp(TIMESTAMP_MS_MAX),
    ],
    ids=["integer", "negative", "depth", "items", "bytes", "field", "first time", "last time"],
)
def test_a_value_at_its_bound_is_good(value: Value) -> None:
    check(value)


@pytest.mark.parametrize(
    "value",
    [
        INTEGER_MAX + 1,
        -INTEGER_MAX - 2,
        nested(VALUE_DEPTH_MAX + 1),
        [0] * VALUE_ITEMS_MAX,
        bytes(SCALAR_BYTES_MAX + 1),
        {"k" * (FIELD_CHARACTERS_MAX + 1): 1},
        {"": 1},
        float("nan"),
        float("-inf"),
        "\ud800",
        {"\udfff": 1},
        (1, 2),
        Colour.RED,
        datetime(2024, 1, 1, tzinfo=UTC),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_beyond_its_bound_is_refused(value: Value) -> None:
    with pytest.raises(BadValue):
        check({"field": value})


@pytest.mark.parametrize("ms", [TIMESTAMP_MS_MIN - 1, TIMESTAMP_MS_MAX + 1])
def test_a_time_that_no_datetime_can_hold_is_refused(ms: int) -> None:
    with pytest.raises(BadValue):
        Timestamp(ms)


def test_values_that_python_takes_for_equal_are_told_apart() -> None:
    alike: list[Value] = [1, 1.0, True, [1], [True], {"k": 0.0}, {"k": -0.0}, "1", b"1"]
    assert len({freeze(value) for value in alike}) == len(alike)
