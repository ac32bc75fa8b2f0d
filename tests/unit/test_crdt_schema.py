import pytest

from p2pvault.crdt.schema import PROSE_CHARACTERS, TOKEN_CHARACTERS, check_path_parts, is_prose
from p2pvault.errors import BadPath
from p2pvault.limits import COLLECTION_CHARACTERS_MAX, NAME_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("collection", "name"),
    [
        ("contacts", "ada"),
        ("c" * COLLECTION_CHARACTERS_MAX, "n" * NAME_CHARACTERS_MAX),
        ("Größe 1", "a/b/c"),
        ("👩\u200d🔬", "日本語 — (1)"),
    ],
)
def test_names_that_people_give_are_good(collection: str, name: str) -> None:
    check_path_parts(collection, name)


@pytest.mark.parametrize(
    "part",
    [
        "",
        "a\nb",
        "a\x00",
        "\x1b[31m",
        "a\x7f",
        "a\x9b",
        "a\u2028b",
        "a\u202eb",
        "\u2066a",
        "\ud800",
    ],
    ids=ascii,
)
def test_names_that_would_garble_a_terminal_are_refused(part: str) -> None:
    with pytest.raises(BadPath):
        check_path_parts("contacts", part)
    with pytest.raises(BadPath):
        check_path_parts(part, "ada")


def test_names_beyond_their_bounds_are_refused() -> None:
    with pytest.raises(BadPath):
        check_path_parts("c" * (COLLECTION_CHARACTERS_MAX + 1), "ada")
    with pytest.raises(BadPath):
        check_path_parts("contacts", "n" * (NAME_CHARACTERS_MAX + 1))


def test_a_slash_in_a_collection_is_refused() -> None:
    with pytest.raises(BadPath, match="slash"):
        check_path_parts("a/b", "c")


@pytest.mark.parametrize(
    ("field", "first", "prose"),
    [
        ("body", "", True),
        ("name", "Ada", False),
        ("name", "x " * (PROSE_CHARACTERS // 2), False),
        ("name", "x " * (PROSE_CHARACTERS // 2 + 1), True),
        ("name", "two\nlines", True),
        ("body", "x" * TOKEN_CHARACTERS, True),
        ("body", "x" * (TOKEN_CHARACTERS + 1), False),
        ("body", "x" * TOKEN_CHARACTERS + " y", True),
        ("body", "ä" * (TOKEN_CHARACTERS + 1), True),
    ],
)
def test_prose_is_told_by_its_field_its_length_or_its_lines_unless_it_is_a_token(
    field: str, first: str, prose: bool
) -> None:
    assert is_prose(field, first) is prose
