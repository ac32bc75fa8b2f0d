"""The engine that needs nothing installed: seeds, changed at random, again and again.

It does not look at what an input reaches, so it finds less than one that is guided by coverage;
its mutations know no format, and each target's seeds get far enough.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from fuzz.target import Target, within_budget

_EDGES = [0, 1, 0x7F, 0x80, 0xFF]
_PIECE_BYTES_MAX = 32


@dataclass(frozen=True)
class Finding:
    """An input that breaks what holds for every input, and how it does."""

    data: bytes
    error: BaseException


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    executions: int
    finding: Finding | None


def explore(target: Target, seconds: float, seed: int, executions_max: int = 1 << 62) -> Result:
    """Run a target on its seeds and on mutants of them.

    Args:
        target: What to run.
        seconds: For how long, of processor time.
        seed: Chooses the mutants; the same seed makes the same ones in the same order.
        executions_max: When to stop although there is time.

    Returns:
        How many inputs were tried, and the first one that is a finding.
    """
    random, seeds = Random(seed), target.seeds()
    until = time.process_time() + seconds
    tried = 0
    while tried < executions_max and time.process_time() < until:
        data = seeds[tried] if tried < len(seeds) else mutant(seeds, random)[: target.bytes_max]
        tried += 1
        try:
            within_budget(target, data)
        except BaseException as error:  # panics of the engine are no `Exception`
            if isinstance(error, KeyboardInterrupt):
                raise
            return Result(tried, Finding(data, error))
    return Result(tried, None)


def mutant(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return a seed with one to eight changes."""
    data = bytearray(random.choice(seeds))
    for _ in range(1 << random.randrange(4)):
        _change(data, seeds, random)
    return bytes(data)


def _change(data: bytearray, seeds: Sequence[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    match random.randrange(7):
        case 0:
            data[at : at + 1] = bytes([random.randrange(256)])
        case 1:
            data[at : at + 1] = bytes([random.choice(_EDGES)]) * random.choice([1, 2, 4, 8])
        case 2 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 3:
            data[at:at] = random.randbytes(random.randrange(9))
        case 4:
            del data[at : at + random.randrange(1, _PIECE_BYTES_MAX)]
        case 5:
            data[at:at] = data[at : at + random.randrange(_PIECE_BYTES_MAX)]
        case _:
            other = random.choice(seeds)
            start = random.randrange(len(other) + 1)
            data[at:] = other[start : start + random.randrange(len(other) + 1)]
