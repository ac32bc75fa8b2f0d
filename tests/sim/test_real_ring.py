"""Devices under everything that goes wrong: seeds that are always played, and fresh ones.

`scripts/sim --seed N --trace` plays a seed again. What one that failed has shown becomes a test of
its own: a seed is another history as soon as anything in the core is.
"""

import os

import pytest

from sim.campaign import run_seed

pytestmark = pytest.mark.heavy

FIXED = range(30)

FRESH = [int.from_bytes(os.urandom(4), "big") for _ in range(10)]


@pytest.mark.parametrize("seed", FIXED)
def test_no_promise_is_broken_whatever_goes_wrong(seed: int) -> None:
    outcome = run_seed(seed)
    assert outcome.failure is None, str(outcome)


@pytest.mark.parametrize("number", range(len(FRESH)))
def test_no_promise_is_broken_under_a_seed_that_nobody_chose(number: int) -> None:
    outcome = run_seed(FRESH[number])
    assert outcome.failure is None, str(outcome)
