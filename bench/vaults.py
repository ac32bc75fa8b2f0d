"""What the workloads do to a vault: fill it, change it, and look whether all of it is there."""

import time
from collections.abc import Iterable
from typing import Final, cast

from daemons import Daemon, Stuck
from sample import path, record

from p2pvault.control.caller import Caller
from p2pvault.control.messages import Json
from p2pvault.limits import EDIT_RECORDS_MAX, LIST_ROWS_MAX

POLL_S: Final = 0.01
CHECKED: Final = 100
"""Records that are compared field by field after the clock has stopped, spread over all."""


def fill(daemon: Daemon, count: int) -> float:
    """Write R(0) to R(count - 1), in commits of the largest size; return the seconds it took."""
    records: list[Json] = [{"path": path(i), "value": record(i)} for i in range(count)]
    began = time.monotonic()
    with daemon.connect() as caller:
        for start in range(0, count, EDIT_RECORDS_MAX):
            caller.call("set_many", records=records[start : start + EDIT_RECORDS_MAX])
    return time.monotonic() - began


def wait_complete(daemon: Daemon, count: int, patience_s: float) -> float:
    """Wait until a device lists all records and reads the last one as it was written.

    Returns:
        The monotonic time of that.
    """
    deadline = time.monotonic() + patience_s
    with daemon.connect() as caller:
        while _records(caller) < count:
            if time.monotonic() > deadline:
                raise Stuck(f"{daemon.name} has not all {count} records after {patience_s:g} s")
            time.sleep(POLL_S)
        listed = _listed(caller)
        _check(caller, count - 1, 1)
        done = time.monotonic()
    if listed != count:
        raise Stuck(f"{daemon.name} lists {listed} records instead of {count}")
    return done


def wait_equal(daemon: Daemon, patience_s: float) -> float:
    """Wait until a device has proved its content equal to its peer's; return when."""
    daemon.call("wait", **{"for": "synced"}, timeout_s=patience_s)
    return time.monotonic()


def check_sample(daemon: Daemon, count: int) -> None:
    """Compare records all over the vault with what was written."""
    with daemon.connect() as caller:
        for index in range(0, count, max(1, count // CHECKED)):
            _check(caller, index, 1)


def change(daemon: Daemon, indices: Iterable[int], rev: int) -> None:
    """Change one field of each of these records, in a commit each."""
    with daemon.connect() as caller:
        for index in indices:
            caller.call("set", path=path(index), puts=[[["rev"], rev]], deletes=[])


def check_changed(daemon: Daemon, indices: Iterable[int], rev: int) -> None:
    """Compare changed records with what was written."""
    with daemon.connect() as caller:
        for index in indices:
            _check(caller, index, rev)


def _records(caller: Caller) -> int:
    vault = caller.call("status")["vault"]
    return cast("int", vault["records"]) if isinstance(vault, dict) else 0


def _listed(caller: Caller) -> int:
    page = caller.call("ls", limit=LIST_ROWS_MAX)
    rows = len(cast("list[Json]", page["rows"]))
    while page["next"] is not None:
        page = caller.call("ls", limit=LIST_ROWS_MAX, after=page["next"])
        rows += len(cast("list[Json]", page["rows"]))
    return rows


def _check(caller: Caller, index: int, rev: int) -> None:
    found = caller.call("get", path=path(index))["value"]
    if found != {**record(index), "rev": rev}:
        raise Stuck(f"{path(index)} is not what was written")
