"""Cables between network namespaces that lose, delay and reorder frames, and can be cut.

Each is a process of its own (`cable_host.py`) with a TAP device in either namespace, so it needs no
module of the kernel but `tun`. It ends with the block that opened it, or with this process.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from harness import cable_host
from harness.cable_host import Quality

_ANSWER_S = 20.0
"""Only a hang takes this long."""


@dataclass(frozen=True)
class Tally:
    """What became of the frames of a cable so far, in both directions.

    Attributes:
        carried: Those that have arrived.
        lost: Those that have vanished, as a share of them has to.
        cut_off: Those that have vanished because the cable was cut.
    """

    carried: int
    lost: int
    cut_off: int


class Cable:
    """What joins two hosts; perfect until it is told otherwise.

    Args:
        line: To its process, one message an order.

    Attributes:
        pid: Of its process.
    """

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.pid = pid
        self._line = line

    def become(self, quality: Quality) -> None:
        """Treat all frames that are sent from now on like this."""
        self._order("become", **asdict(quality))

    def cut(self) -> None:
        """Let every frame vanish; both hosts' links stay up, and no connection is told."""
        self._order("cut")

    def mend(self) -> None:
        """Let frames through again."""
        self._order("mend")

    def count(self) -> Tally:
        """Count the frames."""
        return self._order("count")

    def _order(self, order: str, **quality: float) -> Tally:
        self._line.send(json.dumps({"order": order, "quality": quality}).encode())
        answer = self._line.recv(cable_host.ORDER_BYTES_MAX)
        assert answer, "the cable's process ended"
        return Tally(**json.loads(answer))


def unavailable() -> str | None:
    """Say why no TAP device can be made here; None if one can."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs /dev/net/tun for TAP devices"
    return None


@contextmanager
def open_cable(*ends: tuple[str, str]) -> Iterator[Cable]:
    """Join two namespaces, for as long as the block lasts.

    Args:
        ends: For each of the two, the namespace and the name of the link that is made in it. The
            links are down and have no address.
    """
    words = [word for end in ends for word in end]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        ours.settimeout(_ANSWER_S)
        with theirs:
            command = [sys.executable, "-IS", cable_host.__file__, str(theirs.fileno()), *words]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        with process:
            try:
                assert ours.recv(cable_host.ORDER_BYTES_MAX) == b"ready", words
                yield Cable(ours, process.pid)
            finally:
                ours.close()
        assert process.returncode == 0, words
