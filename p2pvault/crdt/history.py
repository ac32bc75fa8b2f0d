"""Which changes a record holds, and whether others may follow them.

The engine trusts a change to number its operations after those it depends on. One that does not
is applied, and the record can never be loaded from a snapshot again; so the numbers are checked
here, and missing dependencies are found before the engine is bothered. Pure; no engine here.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from p2pvault.crdt.prefilter import Change
from p2pvault.errors import CrdtError, MissingChanges
from p2pvault.types import ChangeHash

History: TypeAlias = Mapping[ChangeHash, int]
"""Every change of a record, and the number of its last operation."""


def following(history: History, fresh: Sequence[Change]) -> dict[ChangeHash, int]:
    """Check that new changes may follow a history.

    Args:
        history: What the record holds; empty for a record that is not there yet.
        fresh: Changes that are not in it, in any order.

    Returns:
        What they add to the history.

    Raises:
        MissingChanges: A dependency is missing, or the change that creates the record.
        CrdtError: Operations are not numbered on from those of the dependencies, or the record
            would be created twice.
    """
    created = sum(not change.deps for change in fresh)
    if not history and not created:
        raise MissingChanges("a record that nothing creates")
    if created != (not history):
        raise CrdtError("a record is created by exactly one change")
    added = {change.hash: change.start_op + change.operations - 1 for change in fresh}
    for change in fresh:
        last = 0
        for dep in change.deps:
            number = added.get(dep) or history.get(dep)
            if number is None:
                raise MissingChanges("a change whose dependencies are missing")
            last = max(last, number)
        # As the engine numbers them itself: a transaction sees exactly its dependencies.
        if change.start_op != last + 1:
            raise CrdtError("a change that does not number its operations on")
    return added
