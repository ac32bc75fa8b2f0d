from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import BadCode
from p2pvault.protocol.code import Code, complete, draw_code, parse_code

LISTED = files("p2pvault.protocol").joinpath("words", "eff-short-2.txt").read_text("ascii").split()

CODE = Code(42, ("lantern", "tulip", "violin"))

codes = st.builds(
    Code, st.integers(10, 99), st.tuples(*(st.sampled_from(LISTED) for _ in range(3)))
)


def test_the_list_has_the_size_and_the_prefixes_that_codes_rely_on() -> None:
    assert len(LISTED) == 1_296 == len({word[:3] for word in LISTED})
    assert all(word.isascii() and word.isalpha() and word.islower() for word in LISTED)


@given(codes)
def test_what_is_shown_can_be_typed(code: Code) -> None:
    assert parse_code(str(code)) == code


@given(codes, st.randoms(use_true_random=False))
def test_untidy_typing_means_the_same_code(code: Code, chance) -> None:
    def untidy(word: str) -> str:
        word = word[: chance.randint(3, len(word))]
        word = "".join(chance.choice((c, c.upper())) for c in word)
        return word.replace("o", "0") if chance.random() < 0.3 else word

    separators = (chance.choice("- _.,") * chance.randint(1, 2) for _ in range(3))
    first, second, third = (untidy(word) for word in code.words)
    a, b, c = separators
    assert parse_code(f" {code.slot}{a}{first}{b}{second}{c}{third} ") == code


@given(st.binary(min_size=16, max_size=16))
def test_every_drawn_code_is_well_formed(entropy: bytes) -> None:
    code = draw_code(entropy)
    assert 10 <= code.slot <= 99
    assert parse_code(str(code)) == code


def test_drawing_reaches_the_first_and_the_last_code() -> None:
    assert draw_code(bytes(16)) == Code(10, (LISTED[0],) * 3)
    last = 90 * 1_296**3 - 1
    assert draw_code(last.to_bytes(16, "big")) == Code(99, (LISTED[-1],) * 3)


def test_drawing_uses_every_word_in_every_place_about_equally() -> None:
    seen = [set(), set(), set()]
    step = 2**128 // 5_003
    for n in range(5_003):
        code = draw_code((n * step + n * n).to_bytes(16, "big"))
        for place, word in zip(seen, code.words, strict=True):
            place.add(word)
    # 5 003 balls into 1 296 bins leave e**-3.86 = 2.1 % of them empty.
    assert all(len(place) > 0.95 * 1_296 for place in seen)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "42-lantern-tulip",
        "42-lantern-tulip-violin-acid",
        "lantern-tulip-violin-42",
        "9-lantern-tulip-violin",
        "09-lantern-tulip-violin",
        "100-lantern-tulip-violin",
        "\u0664\u0662-lantern-tulip-violin",
        "+4-lantern-tulip-violin",
        "42-la-tulip-violin",
        "42-lantern-tulip-violins",
        "42-lanterne-tulip-violin",
        "x" * 10_000,
        "42 " + "lantern " * 10,
    ],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(BadCode) as refusal:
        parse_code(text)
    assert len(str(refusal.value)) < 200
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("typed", "meant"), [("lantrn", "lantern"), ("lamtern", "lantern"), ("tulpi", "tulip")]
)
def test_a_mistyped_word_gets_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(BadCode, match=typed) as refusal:
        parse_code(f"42-{typed}-acid-violin")
    assert meant in refusal.value.hint
    assert "violin" not in str(refusal.value) + refusal.value.hint


def test_a_word_that_resembles_nothing_gets_the_general_hint() -> None:
    with pytest.raises(BadCode) as refusal:
        parse_code("42-qqqqqqqqqq-tulip-violin")
    assert refusal.value.hint == BadCode.hint


def test_a_word_with_the_right_start_is_suggested_even_if_the_rest_is_far_off() -> None:
    with pytest.raises(BadCode) as refusal:
        parse_code("42-lanolingreasecream-tulip-violin")
    assert "lantern" in refusal.value.hint


@given(st.text(max_size=80))
def test_any_text_is_a_code_or_one_clear_error(text: str) -> None:
    try:
        code = parse_code(text)
    except BadCode as error:
        message = str(error)
    else:
        message = str(code)
    assert message.isprintable()


def test_a_representation_does_not_show_the_words() -> None:
    assert "lantern" not in repr(CODE)
    assert "42" in repr(CODE)


def test_the_secret_is_the_code_as_shown() -> None:
    assert parse_code("42 LAN tul vio").secret == b"42-lantern-tulip-violin"


def test_three_letters_complete_to_one_word() -> None:
    assert complete("LAN") == ("lantern",)
    assert complete("zzz") == ()
    assert set(complete("")) == set(LISTED)
