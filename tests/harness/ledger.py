"""What writers of a device were told is durable, to be looked for on every device later."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from harness.daemons import Device
from p2pvault.control.caller import Caller, connect
from p2pvault.control.home import find_home
from p2pvault.control.messages import Json
from p2pvault.errors import DaemonUnreachable, VaultError
from p2pvault.limits import LIST_ROWS_MAX

RECONNECT_S: Final = 20.0
"""How long a writer waits for a daemon that was killed; it is back within a second."""

BULK: Final = 25
"""Records in one bulk write: large enough to last while it is hit, small enough to be often."""

TURNS: Final = 32
"""After so many bulk writes the same records are written again: little to read at the end."""


Values = Mapping[str, Mapping[str, Json]]
"""Of records, by their paths."""


class Writer:
    """Writes to one device without end, through whatever happens to its daemon.

    Each write sets the writer's own field in records to a number that only grows. One that was not
    answered may be there or not; one that was has to be there, or a later one.

    Args:
        device: Whose daemon to write to.
        name: Of the writer's field, and of its own collection.
        per_second: Writes at most.
        bulk: Whether every other write is of many records at once.
        shared: Records that all writers write, in place of a collection of its own. Each write is
            of one of them, and also sets the field `last`, as those of the others do.

    Attributes:
        answered: How many writes were acknowledged.
        cut: How many were under way when the daemon died.
    """

    def __init__(
        self,
        device: Device,
        name: str,
        per_second: float,
        *,
        bulk: bool = False,
        shared: Sequence[str] = (),
    ) -> None:
        self.device = device
        self.name = name
        self.answered = 0
        self.cut = 0
        self._pause_s = 1.0 / per_second
        self._bulk = bulk
        self._shared = shared
        self._random = Random(name)
        self._acknowledged: dict[str, int] = {}
        self._over = threading.Event()
        self._bug: BaseException | None = None
        self._due = 0.0
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._due = time.monotonic()
        self._thread.start()

    def finish(self) -> None:
        """Stop writing, and raise what a write met besides a daemon that was gone."""
        self._over.set()
        self._thread.join(2 * RECONNECT_S)
        assert not self._thread.is_alive(), "a write was never answered"
        if self._bug is not None:
            raise self._bug

    def check(self, device: Device) -> None:
        """Check that a device holds all that was acknowledged, or what was written later."""
        self.check_values(device, values(device, self.name))

    def check_values(self, device: Device, held: Values) -> None:
        """Check the same in what was read of a device."""
        for path, number in self._acknowledged.items():
            found = held.get(path, {}).get(self.name)
            assert isinstance(found, int), (device.name, path, number, found)
            assert found >= number, (device.name, path, number, found)

    def _guarded(self) -> None:
        try:
            number = 0
            while not self._over.is_set():
                number = self._write(number)
        except (VaultError, AssertionError) as error:
            self._bug = error

    def _write(self, number: int) -> int:
        """Write over one connection until it breaks; return the next number."""
        with connect(find_home(self.device.home), RECONNECT_S) as caller:
            while not self._over.is_set():
                try:
                    self._edit(caller, number)
                except DaemonUnreachable:
                    self.cut += 1
                    return number + 1
                self.answered += 1
                number += 1
                self._keep_pace()
        return number

    def _keep_pace(self) -> None:
        """Wait for the time of the next write; one that is late is not made up for."""
        self._due = max(self._due + self._pause_s, time.monotonic() - self._pause_s)
        self._over.wait(max(0.0, self._due - time.monotonic()))

    def _edit(self, caller: Caller, number: int) -> None:
        if self._bulk and number % 2:
            paths = [f"{self.name}/{number // 2 % TURNS:02}-{n:02}" for n in range(BULK)]
            rows: list[Json] = [{"path": path, "value": {self.name: number}} for path in paths]
            caller.call("set_many", records=rows)
        else:
            paths, puts = self._one(number)
            caller.call("set", path=paths[0], puts=puts, deletes=[])
        self._acknowledged |= dict.fromkeys(paths, number)

    def _one(self, number: int) -> tuple[list[str], list[Json]]:
        if self._shared:
            last = [["last"], f"{self.name} {number}"]
            return [self._random.choice(self._shared)], [[[self.name], number], last]
        return [f"{self.name}/counter{number % 8}"], [[[self.name], number]]


def note(text: str) -> None:
    """Leave a figure for who runs the tests with `-rA`."""
    sys.stdout.write(text + "\n")


def values(device: Device, collection: str) -> dict[str, dict[str, Json]]:
    """Read every record of a collection."""
    with connect(find_home(device.home), RECONNECT_S) as caller:
        found = {}
        for path in paths(caller, collection):
            value = caller.call("get", path=path)["value"]
            assert isinstance(value, dict)
            found[path] = value
    return found


def paths(caller: Caller, collection: str) -> list[str]:
    """List the paths of a collection."""
    found: list[str] = []
    further: dict[str, Json] = {}
    while True:
        page = caller.call("ls", collection=collection, limit=LIST_ROWS_MAX, **further)
        rows = page["rows"]
        assert isinstance(rows, list)
        found += [str(row["path"]) for row in rows if isinstance(row, dict)]
        if page["next"] is None:
            return found
        further = {"after": page["next"]}
