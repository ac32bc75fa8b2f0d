"""Randomness that repeats: a stream of bytes from a seed."""

from hashlib import shake_256

from p2pvault.crypto.entropy import Entropy


def seeded(seed: object) -> Entropy:
    """Return a source that gives the same bytes for the same sequence of requests."""
    calls = 0

    def draw(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return shake_256(f"{seed!r}/{calls}".encode()).digest(size)

    return draw
