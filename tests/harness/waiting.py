"""What tests with running daemons wait for that no command can wait for."""

from collections.abc import Callable

from harness.daemons import Device


def names(device: Device) -> set[str]:
    return {one["name"] for one in device.ask("devices")["devices"]}


def is_alone(device: Device) -> bool:
    return all(peer["link"] == "down" for peer in device.ask("status")["peers"])


def wait_until(device: Device, holds: Callable[[Device], bool]) -> None:
    """Ask again and again; membership news has no event that a command could wait for."""
    asked = 0
    while not holds(device):
        asked += 1
        assert asked < 200, (device.name, device.ask("devices"), device.ask("status"))
