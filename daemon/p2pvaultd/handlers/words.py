"""Small words of the control protocol that several methods use."""

from p2pvault.control.messages import JsonObject
from p2pvault.crdt.values import Timestamp


def named(identifier: bytes, name: str) -> JsonObject:
    """Write a device or a vault."""
    return {"id": identifier.hex(), "name": name}


def up_or_down(*, up: bool) -> str:
    """Write the state of a link."""
    return "up" if up else "down"


def moment(wall_ms: int) -> str:
    """Write milliseconds since 1970 as ISO 8601, in UTC and whole seconds.

    Raises:
        BadValue: Outside the years 1 to 9999; some of these come from other devices.
    """
    return Timestamp(wall_ms).to_datetime().isoformat(timespec="seconds")
