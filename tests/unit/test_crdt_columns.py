"""Values in a row of one kind and length are checked all together, as one by one."""

import pytest

from p2pvault.crdt.columns import check_values_alike
from p2pvault.errors import ChangeRefused

TEXT = 6
"""The kind of a string."""


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
