"""Records that are nested deeper than any honest device writes: taken in, shown as unreadable.

Whether such a record is taken in must not depend on who watches, or devices that relay it would
lose the link to those that do.
"""

import pytest

from harness.deep import deep_record
from harness.records import ADA, EVE
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError
from p2pvault.limits import VALUE_DEPTH_MAX

DEPTHS = (VALUE_DEPTH_MAX + 1, 3_000, 20_000)


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_watcher_can_be_told_of_a_record_that_is_too_deep_to_read(levels: int) -> None:
    record = Record.receive(ADA, [inspect(deep_record(EVE, levels))])
    assert record.changed_fields((), record.heads) == ("in",)
    with pytest.raises(CrdtError, match="deeper"):
        record.value()


@pytest.mark.parametrize("levels", DEPTHS)
def test_a21_a_record_that_is_too_deep_to_read_can_be_deleted(levels: int) -> None:
    record = Record.receive(ADA, [inspect(deep_record(EVE, levels))])
    before = record.heads
    assert record.delete() is not None
    assert record.deleted
    assert record.changed_fields(before, record.heads) == ()
