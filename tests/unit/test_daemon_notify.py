import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pvaultd.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The service manager's end: what goes into NOTIFY_SOCKET, and the socket behind it."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name if request.param == "path" else "\0" + name)
        receiver.settimeout(5)
        yield (name if request.param == "path" else "@" + name), receiver


def test_every_state_arrives_as_one_datagram(manager: tuple[str, socket.socket]) -> None:
    name, receiver = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name}, pid=1)
    notifier.ready("2 devices")
    assert receiver.recv(500) == b"READY=1\nSTATUS=2 devices"
    notifier.status("3 devices")
    assert receiver.recv(500) == b"STATUS=3 devices"
    notifier.alive()
    assert receiver.recv(500) == b"WATCHDOG=1"
    notifier.stopping()
    assert receiver.recv(500) == b"STOPPING=1\nSTATUS=stopping"
    notifier.reloading()
    reloading, clock = receiver.recv(500).split(b"\n")
    assert reloading == b"RELOADING=1"
    assert int(clock.removeprefix(b"MONOTONIC_USEC=")) > 0


def test_a_status_can_neither_break_the_line_nor_be_long(
    manager: tuple[str, socket.socket],
) -> None:
    name, receiver = manager
    Notifier(Notifier.from_environment({"NOTIFY_SOCKET": name}, 1).address).status(
        "a\nMAINPID=1" + "x" * 1000
    )
    datagram = receiver.recv(5000)
    assert b"\n" not in datagram
    assert len(datagram) == len("STATUS=") + 200


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "/nowhere/at/all", "@nobody-is-here"])
def test_nobody_to_tell_is_no_error(name: str) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": name}, pid=1).ready("ready")


def test_without_a_manager_there_is_no_address() -> None:
    assert Notifier.from_environment({}, pid=1) == Notifier(None, None)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "7"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval_is_read_when_it_is_ours(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert Notifier.from_environment(environment, pid=7).watchdog_s == seconds
