"""Where randomness comes from: a function that the caller hands in.

The daemon passes `os.urandom`; tests pass a seeded stream, so that a run repeats exactly. No
module of this package draws randomness by itself where its library takes a seed.
"""

from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Returns as many random bytes as it is asked for."""


def draw(entropy: Entropy, size: int) -> bytes:
    """Return `size` bytes from `entropy`; a source that gives fewer would weaken a key unseen."""
    drawn = entropy(size)
    assert len(drawn) == size, f"asked for {size} random bytes, got {len(drawn)}"
    return drawn
