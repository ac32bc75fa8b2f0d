"""The functions that `scripts/fuzz` runs: they hold on their seeds, and they can fail."""

import time
from collections.abc import Iterator

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
    with pytest.raises(AssertionError, match="processor time"):
        within_budget(Target("spinning", lambda _: _spin(PROCESSOR_S_MAX + 0.01), list), b"")


def test_each_message_of_a_conversation_has_the_whole_budget_and_its_scene_has_none() -> None:
    def talks(data: bytes) -> Iterator[None]:
        _spin(PROCESSOR_S_MAX + 0.01)
        yield
        for hundredths in data:
            _spin(hundredths / 100)
            yield
        _spin(PROCESSOR_S_MAX + 0.01)

    talking = Target("talking", talks, list)
    within_budget(talking, bytes([10, 10, 10]))
    with pytest.raises(AssertionError, match="processor time"):
        within_budget(talking, bytes([1, 26, 1]))


def _spin(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_a_target_that_does_not_name_its_errors_is_a_finding() -> None:
    def reads(data: bytes) -> None:
        int(data)

    result = explore(Target("raising", reads, lambda: [b"12"]), 30, 0)
    assert result.finding is not None
    assert isinstance(result.finding.error, ValueError)
