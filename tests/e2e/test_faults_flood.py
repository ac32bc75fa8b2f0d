"""Streams without end, and no descriptors left for them: the devices go on, and serve again."""

import os
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from harness.daemons import Device, wait_synced
from harness.ledger import Writer, note
from p2pvault.control.caller import connect
from p2pvault.control.home import find_home
from p2pvault.limits import KIB, MIB

pytestmark = pytest.mark.e2e

CONNECTS = 10_000
FLOOD_S = 10.0
GROWTH_BYTES_MAX = 64 * MIB
WRITES_PER_S = 50.0
SOURCES = 200
"""Addresses that the flood comes from: 127.0.0.0/8 is all of this machine."""

SPARE = 5
"""Descriptors that a daemon is left with."""


@pytest.fixture(autouse=True)
def the_devices_go_on(couple: tuple[Device, Device]) -> Iterator[None]:
    laptop, phone = couple
    yield
    laptop.do("set", "notes/one", f"body={os.urandom(4).hex()}")
    wait_synced(phone, laptop)


def door(device: Device) -> tuple[str, int]:
    host, _, port = device.listening().rpartition(":")
    return host, int(port)


def resident_bytes(device: Device) -> int:
    """Return the most memory that a daemon ever held (proc(5), VmHWM)."""
    status = Path(f"/proc/{device.daemon.process.pid}/status").read_text()
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(found) * KIB


def flood(address: tuple[str, int], connects: int, seconds: float) -> int:
    """Try to open so many streams in so much time, from many addresses; say garbage on each.

    Returns:
        How many were taken by the kernel on the other side; its queue is often full.
    """
    garbage = os.urandom(3_000)
    taken = 0
    began = time.monotonic()
    for number in range(connects):
        with closing(socket.socket()) as stream:
            stream.setblocking(False)
            stream.bind((f"127.0.1.{number % SOURCES}", 0))
            stream.connect_ex(address)
            with suppress(BlockingIOError, ConnectionResetError):
                stream.send(garbage[: number % len(garbage)])
                taken += 1
        # The rate of the attack; nothing is waited for.
        time.sleep(max(0.0, began + (number + 1) * seconds / connects - time.monotonic()))
    return taken


def test_ten_thousand_connects_of_garbage_do_not_keep_two_devices_apart(
    couple: tuple[Device, Device],
) -> None:
    laptop, phone = couple
    before = [resident_bytes(device) for device in couple]
    writers = [Writer(device, f"flooded-{device.name}", WRITES_PER_S) for device in couple]
    for writer in writers:
        writer.start()
    taken = flood(door(laptop), CONNECTS, FLOOD_S)
    for writer in writers:
        writer.finish()
    wait_synced(laptop, phone)
    for device in couple:
        for writer in writers:
            writer.check(device)
    assert taken > SOURCES
    grown = [resident_bytes(device) - was for device, was in zip(couple, before, strict=True)]
    assert max(grown) < GROWTH_BYTES_MAX
    assert not [line for line in phone.logs if '"link_down"' in line]
    assert not [line for line in laptop.logs if '"warning"' in line or '"error"' in line]
    answered = [writer.answered for writer in writers]
    note(f"{taken} connects, {answered} writes meanwhile, grown by {grown} bytes")


@contextmanager
def few_descriptors(device: Device) -> Iterator[None]:
    """Leave a daemon SPARE descriptors inside the block."""
    pid = device.daemon.process.pid
    try:
        highest = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        pytest.skip("a hardened daemon shows its descriptors to root only")
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + SPARE, usual[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)


@contextmanager
def crowd(connect_one: Callable[[], socket.socket], count: int) -> Iterator[None]:
    """Hold so many streams open inside the block."""
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(closing(connect_one()))
        yield


@pytest.mark.parametrize("where", ["links", "control"])
def test_a_daemon_without_descriptors_says_so_and_serves_again(
    couple: tuple[Device, Device], where: str
) -> None:
    laptop, phone = couple
    laptop.stop()
    laptop.start()
    wait_synced(laptop, phone)
    address = door(laptop)

    def link() -> socket.socket:
        return socket.create_connection(address, 5.0)

    def control() -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(laptop.home / "control.sock"))
        return stream

    with connect(find_home(laptop.home)) as caller, few_descriptors(laptop):
        with crowd(link if where == "links" else control, 3 * SPARE):
            laptop.daemon.wait_event("cannot_accept")
            caller.call("set", path=f"notes/{where}", puts=[[["n"], 1]], deletes=[])
            phone.do("set", f"notes/{where}-phone", "n=1")
            phone.do("wait", "--synced", "laptop", "--timeout", "40")
        # Those who went make room, also while it is scarce.
        assert laptop.value(f"notes/{where}") == {"n": 1}
    said = [line for line in laptop.daemon.log.seen if '"cannot_accept"' in line]
    assert len(said) == 1, "whatever there was"
    wait_synced(laptop, phone)
