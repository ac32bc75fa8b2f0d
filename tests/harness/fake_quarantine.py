"""What is in quarantine at the fake daemon: rows that a test fills in, by device."""

from typing import Protocol, cast

from p2pvault.control.messages import Json, JsonObject
from p2pvault.errors import NoSuchDevice, Refused


class QuarantineState(Protocol):
    """The part of the fake daemon's state that this is about."""

    quarantined: list[JsonObject]
    stays: int


class FakeQuarantine:
    """The methods `quarantine`, `quarantine_accept` and `quarantine_drop`."""

    state: QuarantineState

    def do_quarantine(self, _: object) -> JsonObject:
        return {"devices": [*self.state.quarantined]}

    def do_quarantine_accept(self, _: object, device: str | None = None) -> JsonObject:
        taken = self._take(device)
        paths = [path for row in taken for path in cast("list[str]", row["paths"])]
        records: list[Json] = [{"path": path, "id": "ab" * 16} for path in paths]
        return {"entries": _entries(taken), "left": self.state.stays, "records": records}

    def do_quarantine_drop(self, _: object, device: str | None = None) -> JsonObject:
        return {"entries": _entries(self._take(device))}

    def _take(self, device: str | None) -> list[JsonObject]:
        if not self.state.quarantined:
            raise Refused("nothing is in quarantine")
        taken = [row for row in self.state.quarantined if device in (None, row["name"])]
        if not taken:
            raise NoSuchDevice(f"nothing of a device called {device} is in quarantine")
        for row in taken:
            self.state.quarantined.remove(row)
        return taken


def _entries(rows: list[JsonObject]) -> int:
    return sum(cast("int", row["entries"]) for row in rows)
