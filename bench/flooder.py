"""A stranger that opens streams at a steady pace, says garbage, and hangs up; see `flood.py`.

Run as `python flooder.py PORT PER_S ADDRESSES`; ends when its standard input does.
"""

import os
import select
import socket
import sys
import time
from contextlib import closing, suppress
from typing import Final

_GARBAGE: Final = os.urandom(3_000)


def main() -> None:
    """Flood until standard input ends."""
    port, per_s, addresses = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    tried = 0
    began = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, began + tried / per_s - _now()))[0]:
        _open(port, tried, addresses)
        tried += 1


def _now() -> float:
    return time.monotonic()


def _open(port: int, number: int, addresses: int) -> None:
    """Open a stream without waiting for it: a full queue on the other side loses it.

    All of 127.0.0.0/8 is this machine, so it can come from many addresses.
    """
    with closing(socket.socket()) as stream:
        stream.setblocking(False)
        stream.bind((f"127.0.1.{number % addresses}", 0))
        stream.connect_ex(("127.0.0.1", port))
        with suppress(BlockingIOError, ConnectionResetError):
            stream.send(_GARBAGE[: number % len(_GARBAGE)])


if __name__ == "__main__":
    main()
