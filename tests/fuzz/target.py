"""What can be fuzzed: a function of bytes, seeds to start from, and a budget for every input.

A target calls code that reads what strangers wrote. It catches the errors that this code documents
and states what holds for every input; anything else that comes out of it is a finding.
"""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from p2pvault.limits import KIB, MIB

GROWTH_BYTES_MAX = 64 * MIB
"""What one input may make the process grow by."""

PROCESSOR_S_MAX = 0.25
"""What one message may cost in processor time; most inputs are one."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Attributes:
        name: As `scripts/fuzz` is given it.
        run: Takes any bytes; returns, or raises a finding. An input that is a whole conversation
            runs as a generator: its scene, a yield, then one message up to each further yield, and
            what is looked at afterwards.
        seeds: Makes inputs that get far, with the project's own encoders.
        bytes_max: Longest input worth trying.
    """

    name: str
    run: Callable[[bytes], Iterator[None] | None]
    seeds: Callable[[], Sequence[bytes]]
    bytes_max: int = 4 * KIB


def within_budget(target: Target, data: bytes, slowdown: float = 1.0) -> None:
    """Run a target on one input, and hold it to its budget.

    Args:
        target: What to run.
        data: The input.
        slowdown: How many times slower an instrumented program runs.
    """
    peak = peak_bytes()
    spent = max(_costs(target, data))
    grown = peak_bytes() - peak
    assert grown <= GROWTH_BYTES_MAX, f"one input took {grown // MIB} MiB"
    assert spent <= PROCESSOR_S_MAX * slowdown, f"{spent:.3f} s of processor time for one message"


def _costs(target: Target, data: bytes) -> list[float]:
    """Return the seconds of processor time of each message of an input."""
    started = time.process_time()
    conversation = target.run(data)
    costs = [time.process_time() - started]
    if conversation is not None:
        next(conversation, None)
        started = time.process_time()
        for _ in conversation:
            costs.append(time.process_time() - started)
            started = time.process_time()
    return costs


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Cut bytes into pieces of one size, as a slow stream brings them."""
    return (data[start : start + size] for start in range(0, len(data), max(size, 1)))


def chosen(choices: int, data: bytes) -> tuple[int, bytes]:
    """Let the first byte choose one of a few ways; return which, and the rest."""
    return (data[0] % choices, data[1:]) if data else (0, b"")


def peak_bytes() -> int:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
