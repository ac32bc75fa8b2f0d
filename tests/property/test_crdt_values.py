import json

from hypothesis import given

from harness.records import values
from p2pvault.crdt.values import Value, check, freeze, from_plain, plain


@given(values)
def test_every_value_comes_back_from_json_as_it_was(value: Value) -> None:
    written = json.dumps(plain(value), allow_nan=False)
    assert freeze(from_plain(json.loads(written))) == freeze(value)


@given(values)
def test_checking_counts_every_value_once(value: Value) -> None:
    def count(node: Value) -> int:
        if isinstance(node, dict):
            return 1 + sum(count(item) for item in node.values())
        return 1 + sum(count(item) for item in node) if isinstance(node, list) else 1

    assert check(value) == count(value)
