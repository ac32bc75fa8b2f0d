"""Notices that the network changed or that the machine woke up.

Linux says over rtnetlink that something happened (rtnetlink(7)); what happened is not read from
there. A look at the addresses and link states tells whether it matters: a scanning Wi-Fi card sends
notices all day. Where the kernel refuses notices, the look is repeated on a timer.
"""

import errno
import socket
import sys
import time
from collections.abc import Callable, Hashable
from enum import StrEnum
from pathlib import Path
from typing import Final

import trio

from p2pvault.limits import (
    INTERFACES_DEBOUNCE_S,
    INTERFACES_POLL_S,
    SUSPEND_CHECK_S,
    SUSPEND_GAP_S,
)
from p2pvault.net.addresses import local_addresses

_GROUPS: Final = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of linux/rtnetlink.h."""

_NOTICE_BYTES: Final = 8_192
"""Read at once and thrown away; a notice that is longer is cut, which does not matter."""


class NetworkChange(StrEnum):
    """Why every peer may have to be dialled anew."""

    INTERFACES = "interfaces"
    """An address or a link came, went or changed its state."""
    WOKEN = "woken"
    """The machine was suspended; links may be dead without knowing."""


async def watch_network(
    report: trio.MemorySendChannel[NetworkChange],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Report changes of the network and wake-ups until cancelled.

    Start it with `nursery.start`, and look at the addresses only afterwards: a change between that
    look and the first one here would never be reported.

    Args:
        report: Where to. A slow receiver is waited for, and gets one report for what happened
            meanwhile.
        task_status: Told once every later change will be reported.
    """
    async with trio.open_nursery() as nursery:
        await nursery.start(watch_interfaces, report, open_notices(), network_state)
        nursery.start_soon(watch_suspends, report, asleep_s)
        task_status.started()


async def watch_interfaces(
    report: trio.MemorySendChannel[NetworkChange],
    notices: socket.socket | None,
    look: Callable[[], Hashable],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Report changes of addresses and links until cancelled.

    Args:
        report: Where to.
        notices: A non-blocking socket, closed at the end, that becomes readable when a look is
            worthwhile; None for a look every `INTERFACES_POLL_S`.
        look: Returns a value that differs when the network does.
        task_status: Told after the first look.
    """
    try:
        before = look()
        task_status.started()
        while True:
            await _wait_for_reason(notices)
            now = look()
            if now != before:
                await report.send(NetworkChange.INTERFACES)
            before = now
    finally:
        if notices is not None:
            notices.close()


async def watch_suspends(
    report: trio.MemorySendChannel[NetworkChange], asleep: Callable[[], float]
) -> None:
    """Report wake-ups until cancelled.

    Args:
        report: Where to.
        asleep: Returns how many seconds the machine has been suspended since it booted.
    """
    before = asleep()
    while True:
        await trio.sleep(SUSPEND_CHECK_S)
        now = asleep()
        if now - before > SUSPEND_GAP_S:
            await report.send(NetworkChange.WOKEN)
        before = now


def open_notices() -> socket.socket | None:
    """Ask the kernel for notices of changes; None where it does not give them."""
    if sys.platform != "linux":
        return None
    try:
        notices = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        notices.bind((0, _GROUPS))
    except OSError:
        notices.close()
        return None
    notices.setblocking(False)
    return notices


def network_state() -> Hashable:
    """Return all addresses, the states of their links, and the flags of IPv6 addresses.

    The flags matter because nothing can be bound to an IPv6 address until the check for duplicates
    is over (RFC 4862, section 5.4), which changes the flags and not the address.
    """
    try:
        addresses = local_addresses()
    except OSError:
        return None
    links = {address.interface for address in addresses}
    states = frozenset((link, _read(f"/sys/class/net/{link}/operstate")) for link in links)
    return addresses, states, _read("/proc/net/if_inet6")


def asleep_s() -> float:
    """Return how many seconds the machine has been suspended since it booted.

    Outside Linux no clock tells, and it is 0: a wake-up is then noticed by its new addresses only.
    """
    if sys.platform != "linux":
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


async def _wait_for_reason(notices: socket.socket | None) -> None:
    if notices is None:
        await trio.sleep(INTERFACES_POLL_S)
        return
    await trio.lowlevel.wait_readable(notices)
    # A fixed pause and not one after the last notice: a chatty driver could put that off for ever.
    await trio.sleep(INTERFACES_DEBOUNCE_S)
    _drain(notices)


def _drain(notices: socket.socket) -> None:
    while True:
        try:
            notices.recv(_NOTICE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            # Notices were lost because we were slow. The look that follows sees what they said.
            if error.errno != errno.ENOBUFS:
                raise


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
