"""What an attack may cost a daemon: memory, processor time, and nothing of what it holds."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.daemons import Device
from p2pvault.limits import KIB, MIB

GROWTH_BYTES_MAX = 64 * MIB
"""What one bad peer may make a daemon grow by."""

MESSAGE_S_MAX = 0.25
"""Processor time that one message may cost, the handshake before it included."""


def peak_bytes(device: Device) -> int:
    """Return the most memory that a daemon ever held (proc(5), VmHWM)."""
    status = Path(f"/proc/{device.daemon.process.pid}/status").read_text()
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(found) * KIB


def processor_s(device: Device) -> float:
    """Return the processor time that a daemon has had (proc(5), stat: utime and stime)."""
    stat = Path(f"/proc/{device.daemon.process.pid}/stat").read_text()
    ticks = stat.rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def content(device: Device) -> dict[str, Any]:
    """Return every record, by id."""
    rows = device.ask("ls")["rows"]
    return {row["id"]: (row["path"], device.value(f"id:{row['id']}")) for row in rows}


@contextmanager
def nothing_lost(device: Device) -> Iterator[None]:
    """Check that a daemon holds the same afterwards, and has not grown beyond its budget."""
    before, grown = content(device), peak_bytes(device)
    yield
    assert content(device) == before
    assert peak_bytes(device) - grown < GROWTH_BYTES_MAX


@contextmanager
def one_message(device: Device) -> Iterator[None]:
    """Check that what happens meanwhile costs no more processor time than one message may."""
    costs: list[float] = []
    with cost_of(device, costs):
        yield
    assert costs[0] < MESSAGE_S_MAX


@contextmanager
def cost_of(device: Device, costs: list[float]) -> Iterator[None]:
    """Note what processor time a daemon takes meanwhile, in seconds."""
    before = processor_s(device)
    yield
    costs.append(processor_s(device) - before)
