"""The process behind a `Cable`: `cable_host.py NUMBER NAMESPACE LINK NAMESPACE LINK`.

Makes a TAP device (Linux's Documentation/networking/tuntap.rst) in each namespace, and carries
frames from one to the other, or loses, delays and reorders them as it was told. No offload is asked
for, so frames are whole, checksums included. Both devices go with the process, which ends when the
other end of the socket NUMBER does. It answers `ready` first.

Orders are one message each: JSON with the `order` (become, cut, mend, count) and the members of a
`quality`. Each is answered with a tally, once it holds for all that the hosts send from then on.
"""

import ctypes
import errno
import fcntl
import heapq
import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of setns(2)."""

_ATTACH, _TAP, _NO_HEADER = 0x400454CA, 0x0002, 0x1000
"""TUNSETIFF, IFF_TAP and IFF_NO_PI of linux/if_tun.h."""

FRAME_BYTES_MAX = 2_048
"""Ethernet's 1 514 and some."""

FRAMES_MAX = 4_096
"""Under way in one direction; what comes on top is lost, as in a switch: 6 MiB at the most."""

ORDER_BYTES_MAX = 1_024


@dataclass(frozen=True)
class Quality:
    """What a cable does to frames; nothing, unless told otherwise.

    Attributes:
        loss: Share of the frames that vanish.
        delay_s: How long a frame takes on average.
        jitter_s: By how much that differs, either way; frames stay in order.
        reorder: Share of the frames that take `delay_s` longer, so that later ones overtake them.
        seed: Decides which; the directions differ.
    """

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    reorder: float = 0.0
    seed: int = 0


class Way:
    """One direction: which frames arrive, and when.

    Args:
        quality: Of the cable.
        name: Of the direction.

    Attributes:
        tally: What has become of frames.
    """

    def __init__(self, quality: Quality, name: str) -> None:
        self.tally = Counter(carried=0, lost=0, cut_off=0)
        self._name = name
        self._order = 0
        self._is_cut = False
        self._in_order_until = 0.0
        self._frames: list[tuple[float, int, bytes]] = []
        self.become(quality)

    def become(self, quality: Quality) -> None:
        """Treat frames like this from now on."""
        self._quality = quality
        self._random = Random(f"{quality.seed} {self._name}")

    def enter(self, now: float, frame: bytes) -> None:
        """Take a frame that a host sends."""
        if self._is_cut:
            self.tally["cut_off"] += 1
            return
        # The same draws for each frame, so that one rate does not change what another one hits.
        lost, late, jitter = (self._random.random() for _ in range(3))
        if lost < self._quality.loss or len(self._frames) >= FRAMES_MAX:
            self.tally["lost"] += 1
            return
        self._order += 1
        heapq.heappush(self._frames, (self._due(now, late, jitter), self._order, frame))

    def leave(self, now: float) -> Iterator[bytes]:
        """Return the frames that have arrived by now."""
        while self._frames and self._frames[0][0] <= now:
            self.tally["carried"] += 1
            yield heapq.heappop(self._frames)[2]

    def cut(self) -> None:
        """Let what is under way vanish, and all that comes."""
        self._is_cut = True
        self.tally["cut_off"] += len(self._frames)
        self._frames.clear()
        self._in_order_until = 0.0

    def mend(self) -> None:
        """Let frames through again."""
        self._is_cut = False

    @property
    def next_s(self) -> float:
        """When the next frame arrives."""
        return self._frames[0][0] if self._frames else float("inf")

    def _due(self, now: float, late: float, jitter: float) -> float:
        due = now + self._quality.delay_s + (2 * jitter - 1) * self._quality.jitter_s
        due = max(due, self._in_order_until)
        if late < self._quality.reorder:
            return due + self._quality.delay_s
        self._in_order_until = due
        return due


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Let this thread make what it makes in a namespace of iproute2, as long as the block lasts."""
    with Path("/proc/thread-self/ns/net").open() as here:
        with Path("/run/netns", namespace).open() as there:
            _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(network: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(network, _NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def open_tap(namespace: str, link: str) -> int:
    """Make a TAP device, which lives as long as the descriptor."""
    with inside(namespace):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tap, _ATTACH, struct.pack("16sH22x", link.encode(), _TAP | _NO_HEADER))
    return tap


class Carrier:
    """Carries frames between two TAP devices until it is told to end.

    Args:
        taps: Both.
        orders: Where orders come from.
    """

    def __init__(self, taps: tuple[int, int], orders: socket.socket) -> None:
        self._orders = orders
        ways = [Way(Quality(), name) for name in ("there", "back")]
        self._ways = tuple(zip(taps, reversed(taps), ways, strict=True))

    def run(self) -> None:
        """Carry until the other end is closed."""
        sources = [self._orders, *(source for source, _, _ in self._ways)]
        while True:
            due = min(way.next_s for _, _, way in self._ways)
            pause_s = None if due == float("inf") else max(0.0, due - time.monotonic())
            ready, _, _ = select.select(sources, [], [], pause_s)
            # Before an order, since what was sent before it is not what it is about.
            self._take()
            if self._orders in ready and not self._obey():
                return
            self._give()

    def _take(self) -> None:
        for source, _, way in self._ways:
            for frame in _waiting(source):
                way.enter(time.monotonic(), frame)

    def _give(self) -> None:
        for _, sink, way in self._ways:
            for frame in way.leave(time.monotonic()):
                _write(sink, frame)

    def _obey(self) -> bool:
        message = self._orders.recv(ORDER_BYTES_MAX)
        if not message:
            return False
        tally = Counter[str]()
        for _, _, way in self._ways:
            _change(way, **json.loads(message))
            tally.update(way.tally)
        self._orders.send(json.dumps(tally).encode())
        return True


def _change(way: Way, order: str, quality: dict[str, Any]) -> None:
    match order:
        case "become":
            way.become(Quality(**quality))
        case "cut":
            way.cut()
        case "mend":
            way.mend()
        case "count":
            pass


def _waiting(tap: int) -> Iterator[bytes]:
    # More than a device's queue holds, so all that was sent by now is among them.
    with suppress(BlockingIOError):
        for _ in range(FRAMES_MAX):
            yield os.read(tap, FRAME_BYTES_MAX)


def _write(tap: int, frame: bytes) -> None:
    try:
        os.write(tap, frame)
    except OSError as error:
        # The host's link is down: nobody is there to take it.
        if error.errno != errno.EIO:
            raise


def main(number: str, *ends: str) -> None:
    """Carry frames between two ends, each a namespace and the name of a link."""
    with socket.socket(fileno=int(number)) as orders:
        taps = (open_tap(*ends[:2]), open_tap(*ends[2:]))
        orders.send(b"ready")
        Carrier(taps, orders).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
