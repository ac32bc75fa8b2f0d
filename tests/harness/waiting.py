"""What tests with running daemons wait for that no command can wait for."""

import time
from collections.abc import Callable

from harness.daemons import PATIENCE_S, Device

ONCE_IN_A_WHILE_S = 0.2
"""Not all news is logged."""


def names(device: Device) -> set[str]:
    return {one["name"] for one in device.ask("devices")["devices"]}


def is_alone(device: Device) -> bool:
    return all(peer["link"] == "down" for peer in device.ask("status")["peers"])


def is_removed(device: Device) -> bool:
    """Tell whether a device says that it was removed, and nothing else."""
    return [one["code"] for one in device.ask("status")["problems"]] == ["removed"]


def wait_until(device: Device, holds: Callable[[Device], bool]) -> None:
    """Ask until it holds: at each line that the daemon logs, and once in a while without one."""
    until = time.monotonic() + PATIENCE_S
    while not holds(device):
        assert time.monotonic() < until, (device.name, device.ask("devices"), device.ask("status"))
        device.daemon.log.wait_more(ONCE_IN_A_WHILE_S)
