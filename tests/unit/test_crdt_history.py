import pytest

from harness.records import ADA, BOB, EVE, body_of, devices, sealed
from p2pvault.crdt.history import following
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError


def chain() -> list[Change]:
    (ada,) = devices({"n": 0}, (ADA,))
    ada.edit({"n": 1})
    ada.edit({"n": 2, "m": 1})
    return list(ada.changes.values())


def test_changes_that_number_their_operations_on_may_follow_in_any_order() -> None:
    first, second, third = chain()
    assert following({}, [third, first, second]) == {first.hash: 5, second.hash: 6, third.hash: 8}
    assert following({first.hash: 5}, [second]) == {second.hash: 6}


@pytest.mark.parametrize("number", [-1, 1, 100])
def test_a17_a_change_that_numbers_its_operations_otherwise_is_refused(number: int) -> None:
    record, first = Record.create(ADA, "notes", "one", {"n": 1})
    second = Record.receive(BOB, [inspect(first)]).commit({"n": 2})
    assert second is not None
    body = body_of(second)
    at = body.index(BOB) + len(BOB) + 1
    forged = inspect(sealed(body[:at] + bytes([body[at] + number]) + body[at + 1 :]))
    assert forged.start_op == inspect(second).start_op + number
    with pytest.raises(CrdtError, match="number"):
        record.apply([forged])
    assert record.value() == {"n": 1}


def test_a18_missing_dependencies_and_creations_too_many_or_too_few_are_refused() -> None:
    first, second, third = chain()
    other = inspect(Record.create(EVE, "notes", "two", {})[1])
    for history, fresh in (
        ({}, [second]),
        ({}, [first, third]),
        ({first.hash: 5}, [third]),
        ({}, [first, other]),
        ({first.hash: 5}, [other]),
        ({}, []),
    ):
        with pytest.raises(CrdtError):
            following(history, fresh)


def test_a_change_in_another_encoding_than_the_engines_is_refused() -> None:
    # Two rows of one object, as two runs of one instead of one run of two: the same operations.
    record, first = Record.create(ADA, "notes", "one", {"n": 1})
    other = Record.receive(BOB, [inspect(first)])
    second = other.commit({"n": 2, "m": 3})
    assert second is not None
    body = body_of(second)
    columns = {0x01: b"\x02\x01", 0x42: b"\x02\x01"}
    assert all(column in body for column in columns.values())
    at = body.rindex(columns[0x42])
    lengths = body.index(b"\x42\x02")
    longer = body[:at] + b"\x7f\x01\x7f\x01" + body[at + 2 :]
    longer = longer[: lengths + 1] + b"\x04" + longer[lengths + 2 :]
    forged = inspect(sealed(longer))
    assert forged.operations == inspect(second).operations
    with pytest.raises(CrdtError, match="as they are"):
        record.apply([forged])
    assert record.value() == {"n": 1}
