"""FIELD=VALUE words, and how values look to people."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.cli.records import plain_text, raw_bytes, record_lines
from p2pvault.cli.values import field_steps, read_edits
from p2pvault.cli.wording import columns, count, one_line, span, visible, width
from p2pvault.errors import BadValue
from p2pvault.limits import SCALAR_BYTES_MAX, TEXT_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("word", "steps", "value"),
    [
        ("name=Ada Lovelace", ("name",), "Ada Lovelace"),
        ("name= ", ("name",), " "),
        ("sum=1=1", ("sum",), "1=1"),
        ("url=http://a/?b:=c", ("url",), "http://a/?b:=c"),
        ("address.city=Ely", ("address", "city"), "Ely"),
        ("born:=1815", ("born",), 1815),
        ("half:=0.5", ("half",), 0.5),
        ("none:=null", ("none",), None),
        ('tags:=["a", {"b": true}]', ("tags",), ["a", {"b": True}]),
        ('empty:=""', ("empty",), ""),
        ('at:="@home"', ("at",), "@home"),
        ("ünï.cødé=Ωμ", ("ünï", "cødé"), "Ωμ"),
    ],
)
def test_a_word_is_a_field_and_its_value(word: str, steps: tuple[str, ...], value: object) -> None:
    edits = read_edits([word])
    assert (edits.puts, edits.deletes) == ([(steps, value)], [])


def test_a_word_without_a_value_deletes() -> None:
    edits = read_edits(["phone=", "address.city="])
    assert (edits.puts, edits.deletes) == ([], [("phone",), ("address", "city")])


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("name", "not FIELD=VALUE"),
        ("=Ada", "a name is empty"),
        (":=1", "a name is empty"),
        ("a..b=1", "a name is empty"),
        ("born:=18th", "not JSON"),
        ("born:=", "not JSON"),
        ("born:=NaN", "not JSON"),
        ('born:={"a":1,"a":2}', "same key twice"),
        (".".join("a" * 33) + "=1", "33 levels deep"),
        ("photo=@/nonexistent", "cannot be read"),
        ("photo=@/", "cannot be read"),
        ("photo=@", "no file is named"),
        ("x" * 201 + "=1", "201 characters, at most 200"),
        ("a." + "x" * 201 + "=1", "201 characters, at most 200"),
    ],
)
def test_a_wrong_word_says_why(word: str, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        read_edits([word])


@pytest.mark.parametrize("words", [("a=1", "a=2"), ("a.b=1", "a="), ("a=1", "a.b.c=2")])
def test_two_values_for_one_field_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(BadValue, match="same field"):
        read_edits(words)


def test_fields_beside_each_other_are_fine() -> None:
    assert len(read_edits(["a.b=1", "a.c=2", "ab=3"]).puts) == 3


def test_a_text_file_becomes_a_text(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("first\nΩ\n", encoding="utf-8")
    assert read_edits([f"note=@{path}"]).puts == [(("note",), "first\nΩ\n")]


def test_an_empty_file_is_an_empty_text_and_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    assert read_edits([f"note=@{tmp_path / 'note'}"]).puts == [(("note",), "")]


def test_a_file_that_is_no_text_becomes_bytes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\x00")
    ((_, value),) = read_edits([f"key=@{path}"]).puts
    assert value == {"$bytes": base64.b64encode(b"\xff\x00").decode()}
    assert raw_bytes(value) == b"\xff\x00"


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        (b"\xff" * SCALAR_BYTES_MAX, True),
        (b"\xff" * (SCALAR_BYTES_MAX + 1), False),
        ("é".encode() * TEXT_CHARACTERS_MAX, True),
        ("é".encode() * (TEXT_CHARACTERS_MAX + 1), False),
    ],
)
def test_a_file_is_bounded_by_what_a_field_holds(
    tmp_path: Path, content: bytes, fits: bool
) -> None:
    path = tmp_path / "large"
    path.write_bytes(content)
    if fits:
        assert read_edits([f"a=@{path}"]).puts
    else:
        with pytest.raises(BadValue, match="which a"):
            read_edits([f"a=@{path}"])


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(BadValue, match="longer than"):
        read_edits(["a=@/dev/zero"])


@given(st.lists(st.text(min_size=1).filter(lambda name: "." not in name), min_size=1, max_size=32))
def test_a_field_is_split_at_its_dots(steps: list[str]) -> None:
    assert field_steps(".".join(steps)) == tuple(steps)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Ada", "Ada"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ({"$time": "2024-05-06T07:08:09.010Z"}, "2024-05-06T07:08:09.010Z"),
        ({"$map": {"$bytes": 1}}, '{\n  "$bytes": 1\n}'),
        ({"$bytes": "%%"}, '{\n  "$bytes": "%%"\n}'),
        (["ä"], '[\n  "ä"\n]'),
    ],
)
def test_one_field_is_shown_as_a_script_wants_it(value: object, text: str) -> None:
    assert plain_text(value) == text  # type: ignore[arg-type]  # tests pass JSON


def test_a_record_is_shown_in_columns() -> None:
    value = {
        "name": "Ada",
        "address": {"city": "Ely", "geo": {"lat": 1}},
        "key": {"$bytes": "AAEC"},
        "note": "one\ntwo\n",
        "tags": ["a"],
        "nothing": {},
    }
    assert record_lines(value) == [  # type: ignore[arg-type]  # JSON
        "name             Ada",
        "address.city     Ely",
        "address.geo.lat  1",
        "key              (3 bytes)",
        "note             one",
        "                 two",
        'tags             ["a"]',
        "nothing          {}",
    ]
    assert record_lines({}) == []


@given(st.text())
def test_a29_nothing_from_outside_steers_the_terminal(text: str) -> None:
    shown = visible(text)
    assert not any(ord(character) < 32 and character not in "\n\t" for character in shown)
    assert not set(shown) & set("\x7f\x9b\u202e\u2066\u2028")
    assert "\n" not in one_line(text)


def test_plain_text_is_left_alone() -> None:
    assert visible("Ada Ωμέγα “x” 你好 👋\n\tend") == "Ada Ωμέγα “x” 你好 👋\n\tend"
    assert visible("\x1b[2J") == "\\u001b[2J"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"), (0.4, "0 s"), (2.4, "2 s"), (59.9, "59 s"), (60, "1 min"), (3_599, "59 min"),
        (3_600, "1 h"), (86_400, "1 day"), (200_000, "2 days"),
    ],
)  # fmt: skip
def test_a_duration_is_put_in_its_largest_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_numbers_are_grouped_and_nouns_agree() -> None:
    assert [count(number, "record") for number in (0, 1, 1_204)] == [
        "0 records",
        "1 record",
        "1 204 records",
    ]


def test_columns_align_wide_characters_too() -> None:
    assert columns([("你好", "a"), ("abcd", "b"), ("e\u0301", "c")]) == [
        "你好  a",
        "abcd  b",
        "e\u0301     c",
    ]
    assert width("你好") == 4
    assert width("a\ufe0f\u200db") == 2
