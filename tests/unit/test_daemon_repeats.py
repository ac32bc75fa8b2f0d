"""What others can make the daemon say, it says once a minute."""

import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from harness.logs import json_logging, logged
from p2pvault.limits import LOG_REPEAT_S, LOG_REPEATS_MAX
from p2pvaultd.repeats import Repeats


class Log:
    """The processor, a clock to turn, and what came through."""

    def __init__(self) -> None:
        self.now = 0.0
        self._repeats = Repeats(lambda: self.now)

    def say(self, event: str = "link_failed", level: str = "warning", **fields: object) -> object:
        """Return how many lines a line says were left out, or None if it was dropped itself."""
        line = {"event": event, "level": level, **fields}
        try:
            passed = self._repeats(None, level, line)
        except structlog.DropEvent:
            return None
        left_out = passed.pop("left_out", 0) if passed is not line else 0
        assert passed == line
        return left_out


def test_a_repeated_warning_is_one_line_a_minute_that_counts_the_others() -> None:
    log = Log()
    assert log.say(reason="protocol") == 0
    assert [log.say(reason="protocol") for _ in range(5)] == [None] * 5
    log.now += LOG_REPEAT_S
    assert log.say(reason="protocol") == 5
    assert log.say(reason="protocol") is None
    log.now += LOG_REPEAT_S
    assert log.say(reason="protocol") == 1
    log.now += LOG_REPEAT_S
    assert log.say(reason="protocol") == 0, "nothing was left out in that minute"


@pytest.mark.parametrize("field", ["reason", "device", "error", "place"])
def test_another_reason_or_device_is_another_complaint(field: str) -> None:
    log = Log()
    assert log.say(**{field: "one"}) == 0
    assert log.say(**{field: "two"}) == 0
    assert log.say(**{field: "one"}) is None


def test_other_events_and_severities_do_not_hide_each_other() -> None:
    log = Log()
    assert [log.say(), log.say("load_failed"), log.say(level="error")] == [0, 0, 0]


@pytest.mark.parametrize("level", ["debug", "info", "critical"])
def test_what_nobody_provokes_is_always_written(level: str) -> None:
    log = Log()
    assert [log.say(level=level) for _ in range(3)] == [0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 2 * LOG_REPEATS_MAX), st.floats(0, 5)), max_size=400))
def test_the_memory_is_bounded_and_every_line_is_counted_at_most_once(
    said: list[tuple[int, float]],
) -> None:
    log, dropped, counted = Log(), 0, 0
    for number, later in said:
        log.now += later
        left_out = log.say(place=str(number))
        if left_out is None:
            dropped += 1
        else:
            assert isinstance(left_out, int)
            counted += left_out
        assert len(log._repeats._windows) <= LOG_REPEATS_MAX
    assert counted <= dropped


def test_a_flood_of_different_complaints_forgets_the_oldest_first() -> None:
    log = Log()
    for number in range(LOG_REPEATS_MAX + 1):
        assert log.say(place=str(number)) == 0
    assert log.say(place="1") is None
    assert log.say(place="0") == 0


def test_what_a_library_says_is_bounded_too(capfd: pytest.CaptureFixture[str]) -> None:
    with json_logging():
        for number in range(100):
            logging.getLogger("zeroconf").warning("bad packet %d", number)
    (line,) = logged(capfd.readouterr().err)
    assert json.loads(json.dumps(line))["event"] == "library_complained"
