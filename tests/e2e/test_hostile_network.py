"""Strangers on the network: whatever they send or hold open, two linked devices go on as before."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from harness.budget import nothing_lost
from harness.daemons import Device, wait_synced

pytestmark = pytest.mark.e2e

NOISE = {
    "nothing": b"",
    "zeros": bytes(2),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "largest": b"\xff\xff" + bytes(65_535),
    "garbage": os.urandom(3_000),
}


@pytest.fixture(autouse=True)
def the_devices_go_on(couple: tuple[Device, Device]) -> Iterator[None]:
    laptop, phone = couple
    with nothing_lost(laptop):
        yield
    laptop.do("set", "notes/one", f"body={os.urandom(4).hex()}")
    wait_synced(phone, laptop)
    assert not [line for line in phone.daemon.log.seen if '"link_down"' in line]
    assert not [line for line in laptop.logs if '"warning"' in line], "strangers fill no log"


@pytest.fixture(scope="module")
def door(couple: tuple[Device, Device]) -> tuple[str, int]:
    """Where the laptop accepts links."""
    host, _, port = couple[0].listening().rpartition(":")
    return host, int(port)


def dial(door: tuple[str, int], source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(door, 30.0, (source, 0))


def is_served(stream: socket.socket) -> bool:
    """Tell whether the daemon greets on a stream, or hangs up without a word."""
    try:
        return bool(stream.recv(64))
    except ConnectionResetError:
        return False


def test_p1_what_is_no_handshake_is_hung_up_on_without_a_word(door: tuple[str, int]) -> None:
    for what, noise in NOISE.items():
        served = False
        while not served:  # one address may begin twenty a second
            with closing(dial(door)) as stream:
                if served := is_served(stream):
                    stream.sendall(noise)
                    stream.shutdown(socket.SHUT_WR)
                    assert not is_served(stream), what


@pytest.mark.parametrize("size", [0, 65_535])
def test_p3_a_length_that_no_message_has_then_silence(door: tuple[str, int], size: int) -> None:
    """The daemon does not wait for the bytes: it hangs up while the stream is open both ways."""
    served = False
    while not served:
        with closing(dial(door)) as stream:
            if served := is_served(stream):
                stream.sendall(size.to_bytes(2, "big"))
                assert not is_served(stream)


def test_p6_streams_that_are_held_open_find_few_places(
    couple: tuple[Device, Device], door: tuple[str, int]
) -> None:
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(closing(dial(door)))
        couple[0].do("set", "notes/meanwhile", "body=1")
        couple[0].do("rm", "notes/meanwhile")


def test_p5_a_flood_of_streams_fills_no_log_and_holds_nothing_up(door: tuple[str, int]) -> None:
    for number in range(1_000):
        dial(door, f"127.0.{number % 50}.1").close()


class Squatter:
    """Holds more streams open than there are places, from an address of its own."""

    def __init__(self, door: tuple[str, int]) -> None:
        self._door = door
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._squat)
        self._thread.start()

    def leave(self) -> None:
        self._over.set()
        self._thread.join()

    def _squat(self) -> None:
        with ExitStack() as held:
            while not self._over.is_set():
                stream = dial(self._door, "127.0.0.2")
                if is_served(stream):
                    held.enter_context(closing(stream))
                else:
                    stream.close()


def test_p6_who_squats_on_all_places_keeps_no_device_out(
    couple: tuple[Device, Device], door: tuple[str, int]
) -> None:
    laptop, phone = couple
    phone.stop()
    squatter = Squatter(door)
    try:
        phone.start("--mode", "off")  # nobody finds it: the one way is through that door
        wait_synced(phone, laptop)
    finally:
        squatter.leave()
