"""The functions that `scripts/fuzz` runs: they hold on their seeds, and they can fail."""

import time
from functools import partial

import pytest

from fuzz.__main__ import NAMES
from fuzz.mutation import explore
from fuzz.table import TARGETS
from fuzz.target import GROWTH_BYTES_MAX, PROCESSOR_S_MAX, Target, peak_bytes, within_budget

pytestmark = pytest.mark.heavy
"""Besides, what one input may cost in processor time is not to be measured under a tracer."""


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_and_some_mutants_hold(name: str) -> None:
    target = TARGETS[name]
    result = explore(target, 60, 1, executions_max=len(target.seeds()) + 250)
    if result.finding is not None:
        raise result.finding.error
    assert result.executions == len(target.seeds()) + 250


def test_every_target_can_be_asked_for() -> None:
    assert list(TARGETS) == NAMES


def test_a_planted_bug_is_found() -> None:
    def fails(data: bytes) -> None:
        assert not data.startswith(b"P2PV\xff")

    result = explore(Target("planted", fails, lambda: [b"P2PV\x00rest"]), 30, 0)
    assert result.finding is not None
    assert result.finding.data.startswith(b"P2PV\xff")


def test_an_input_that_takes_much_memory_is_a_finding() -> None:
    def swells(_: bytes) -> None:
        assert b"x" * (peak_bytes() + GROWTH_BYTES_MAX)

    with pytest.raises(AssertionError, match="MiB"):
        within_budget(Target("swelling", swells, list, 1), b"")


def test_an_input_that_takes_much_time_is_a_finding() -> None:
    def spins(_: bytes) -> None:
        until = time.process_time() + PROCESSOR_S_MAX + 0.01
        while time.process_time() < until:
            pass

    with pytest.raises(AssertionError, match="processor time"):
        within_budget(Target("spinning", spins, list), b"")


def test_a_target_that_does_not_name_its_errors_is_a_finding() -> None:
    result = explore(Target("raising", partial(int, base=10), lambda: [b"12"]), 30, 0)
    assert result.finding is not None
    assert isinstance(result.finding.error, ValueError)
