"""Tells systemd how the daemon is doing: the sd_notify(3) datagrams and nothing else.

Telling must never hurt: without a service manager every call does nothing, and a datagram that
cannot be sent is dropped, because the next one says the same. There is no dependency on
libsystemd; the protocol is one datagram of `NAME=value` lines to the socket in `NOTIFY_SOCKET`,
whose name starts with `@` when it is abstract.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from p2pvault.limits import NOTIFY_STATUS_CHARACTERS_MAX


@dataclass(frozen=True, slots=True)
class Notifier:
    """The way to the service manager, if there is one.

    Attributes:
        address: Where to send, as `socket.sendto` takes it; None without a service manager.
        watchdog_s: Seconds after which the manager takes silence for a hang; None: no watchdog.
    """

    address: str | None = None
    watchdog_s: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int) -> "Notifier":
        """Read `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` as sd_notify(3) defines them.

        Args:
            environment: The process environment.
            pid: Our process id; a watchdog meant for another process is not ours.
        """
        return cls(_socket_address(environment), _watchdog_seconds(environment, pid))

    def ready(self, status: str) -> None:
        """Say that the control socket answers."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(_status(text))

    def stopping(self) -> None:
        """Say that the orderly end has begun."""
        self._send("STOPPING=1", _status("stopping"))

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends it."""
        # Type=notify-reload (systemd 253) matches the reload by this clock reading.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self) -> None:
        """Answer the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        datagram = "\n".join(lines).encode()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(datagram, self.address)


def _socket_address(environment: Mapping[str, str]) -> str | None:
    name = environment.get("NOTIFY_SOCKET", "")
    if name.startswith("@"):
        return "\0" + name[1:]
    # Anything else that is no path (systemd 254 may name a vsock for virtual machines) is not
    # for a process on the same machine.
    return name if os.path.isabs(name) else None  # noqa: PTH117 - a socket name, not a path of ours


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    interval, addressee = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not interval.isdecimal() or int(interval) == 0:
        return None
    if addressee is not None and addressee != str(pid):
        return None
    return int(interval) / 1_000_000


def _status(text: str) -> str:
    # A line break would start a new assignment.
    return "STATUS=" + " ".join(text.split())[:NOTIFY_STATUS_CHARACTERS_MAX]
