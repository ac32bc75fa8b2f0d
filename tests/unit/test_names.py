import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import BadValue, MalformedMessage
from p2pvault.limits import DEVICE_NAME_CHARACTERS_MAX
from p2pvault.wire.names import clean_kind, clean_name, kind_shape, name_shape

HOSTILE = {
    "escape sequence": "laptop\x1b[2J",
    "carriage return": "laptop\rphone",
    "newline": "lap\ntop",
    "nul": "lap\0top",
    "right-to-left override": "lap\u202etop",
    "right-to-left isolate": "lap\u2067top",
    "zero-width joiner": "lap\u200dtop",
    "byte order mark": "\ufefflaptop",
    "soft hyphen": "lap\u00adtop",
    "line separator": "lap\u2028top",
    "surrogate": "lap\ud800top",
    "private use": "lap\ue000top",
    "unassigned": "lap\U000e0fffp",
    "tag character": "lap\U000e0041top",
    "empty": "",
    "a space": " ",
    "leading space": " laptop",
    "trailing no-break space": "laptop\u00a0",
    "two spaces": "my  laptop",
    "two kinds of space": "my \u2003laptop",
    "too long": "x" * (DEVICE_NAME_CHARACTERS_MAX + 1),
    "ten million characters": "x" * 10_000_000,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_p19_a_name_that_could_harm_a_display_is_refused(name: str) -> None:
    with pytest.raises(BadValue) as refusal:
        clean_name(name)
    assert str(refusal.value).isprintable()
    with pytest.raises(MalformedMessage):
        name_shape(name)


@pytest.mark.parametrize(
    "name", ["laptop", "Ada's phone", "Jürgens Rechner", "書斎の机", "тел 2", "📱"]
)
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert clean_name(name) == name == name_shape(name)


def test_a_decomposed_name_is_composed_locally_and_refused_from_the_wire() -> None:
    assert clean_name("Ju\u0308rgen") == "J\u00fcrgen"
    with pytest.raises(MalformedMessage, match="normalisation"):
        name_shape("Ju\u0308rgen")


def test_the_longest_name_fits_after_normalisation() -> None:
    assert len(clean_name("u\u0308" * DEVICE_NAME_CHARACTERS_MAX)) == DEVICE_NAME_CHARACTERS_MAX


@given(st.text(max_size=300))
def test_a_clean_name_is_clean_and_printable(text: str) -> None:
    try:
        name = clean_name(text)
    except BadValue:
        return
    assert clean_name(name) == name == name_shape(name)
    assert 1 <= len(name) <= DEVICE_NAME_CHARACTERS_MAX
    # `isprintable` calls every space but U+0020 unprintable; the rest must be printable.
    assert all(c.isprintable() or c.isspace() for c in name)
    assert not any(c in "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85" for c in name)


@pytest.mark.parametrize("kind", ["laptop", "phone", "nas-2", "x" * 16])
def test_a_kind_is_one_lower_case_word(kind: str) -> None:
    assert clean_kind(kind) == kind == kind_shape(kind)


@pytest.mark.parametrize("kind", ["", "Phone", "a b", "2x", "x" * 17, "nas\n", "tél", "-a"])
def test_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(BadValue):
        clean_kind(kind)
    with pytest.raises(MalformedMessage):
        kind_shape(kind)


@pytest.mark.parametrize("tree", [None, 1, b"laptop", ["laptop"], True])
def test_what_is_no_text_is_no_name(tree: int | bytes | list[str] | None) -> None:
    with pytest.raises(MalformedMessage):
        name_shape(tree)
    with pytest.raises(MalformedMessage):
        kind_shape(tree)
