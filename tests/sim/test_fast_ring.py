"""The same core and the same faults over cryptography that costs nothing: many short seeds.

`scripts/sim --fast --seed N --trace` plays a seed again.
"""

import os

import pytest

from sim.campaign import run_fast

pytestmark = pytest.mark.heavy

_AT_ONCE = 10

FIXED = range(0, 300, _AT_ONCE)

FRESH = [int.from_bytes(os.urandom(4), "big") for _ in range(0, 100, _AT_ONCE)]


def play(first: int) -> None:
    for seed in range(first, first + _AT_ONCE):
        outcome = run_fast(seed)
        assert outcome.failure is None, str(outcome)


@pytest.mark.parametrize("first", FIXED)
def test_no_promise_is_broken_whatever_goes_wrong(first: int) -> None:
    play(first)


@pytest.mark.parametrize("number", range(len(FRESH)))
def test_no_promise_is_broken_under_seeds_that_nobody_chose(number: int) -> None:
    play(FRESH[number])
