import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from p2pvault.errors import CodeExpired, LocalProtocolError, PairingRefused
from p2pvault.limits import (
    PAIRING_FAILURES_PER_HOUR,
    PAIRING_GUESSES,
    PAIRING_LOCK_S,
    PAIRING_S,
)
from p2pvault.protocol.window import PairingWindow, WindowState


def opened(now: float = 0.0) -> PairingWindow:
    window = PairingWindow()
    window.open(now)
    return window


def guess(window: PairingWindow, now: float) -> None:
    window.begin(now)
    window.end(now, guessed=True)


def test_no_session_begins_before_a_code_is_shown() -> None:
    window = PairingWindow()
    assert window.state(0) is WindowState.CLOSED
    with pytest.raises(CodeExpired):
        window.begin(0)


def test_three_wrong_codes_burn_the_code() -> None:
    window = opened()
    for n in range(PAIRING_GUESSES):
        assert window.state(n) is WindowState.OPEN
        guess(window, n)
    assert window.state(3) is WindowState.CLOSED
    with pytest.raises(CodeExpired):
        window.begin(3)


def test_a_session_that_tried_no_code_is_no_guess() -> None:
    window = opened()
    for n in range(50):
        window.begin(n)
        window.end(n, guessed=False)
    assert window.state(51) is WindowState.OPEN


def test_p15_a_burnt_code_is_gone_at_once() -> None:
    window = opened()
    window.begin(1)
    window.end(2, guessed=True, burn=True)
    with pytest.raises(CodeExpired):
        window.begin(3)


def test_a_code_that_has_served_is_gone() -> None:
    window = opened()
    window.begin(1)
    window.end(2, guessed=False, burn=True)
    assert window.state(3) is WindowState.CLOSED


def test_p15_guesses_cannot_be_made_in_parallel() -> None:
    window = opened()
    window.begin(1)
    with pytest.raises(PairingRefused):
        window.begin(1)
    window.end(2, guessed=False)
    window.begin(2)


def test_a_code_expires_but_a_session_that_had_begun_goes_on() -> None:
    window = opened()
    window.begin(PAIRING_S - 1)
    assert window.state(PAIRING_S + 60) is WindowState.BUSY
    window.end(PAIRING_S + 60, guessed=False)
    with pytest.raises(CodeExpired):
        window.begin(PAIRING_S + 60)


def test_the_last_moment_counts_as_expired() -> None:
    with pytest.raises(CodeExpired):
        opened(100.0).begin(100.0 + PAIRING_S)


def test_a_new_code_has_all_its_guesses() -> None:
    window = opened()
    guess(window, 1)
    guess(window, 2)
    window.open(3)
    guess(window, 4)
    assert window.state(5) is WindowState.OPEN


def test_no_new_code_is_shown_while_the_old_one_is_in_use() -> None:
    window = opened()
    window.begin(1)
    with pytest.raises(PairingRefused):
        window.open(2)


def fail_often(window: PairingWindow, times: int, start: float, apart: float) -> float:
    now = start
    for _ in range(times):
        now += apart
        if window.state(now) is not WindowState.OPEN:
            window.open(now)
        guess(window, now)
    return now


def test_ten_wrong_codes_in_an_hour_lock_pairing_for_an_hour() -> None:
    window = PairingWindow()
    now = fail_often(window, PAIRING_FAILURES_PER_HOUR, 0.0, 60.0)
    assert window.state(now) is WindowState.LOCKED
    with pytest.raises(PairingRefused) as refusal:
        window.open(now + PAIRING_LOCK_S - 1)
    assert "1 minutes" in refusal.value.hint
    window.open(now + PAIRING_LOCK_S)


def test_ten_wrong_codes_in_more_than_an_hour_lock_nothing() -> None:
    window = PairingWindow()
    now = fail_often(window, 3 * PAIRING_FAILURES_PER_HOUR, 0.0, 401.0)
    assert window.state(now) is not WindowState.LOCKED


def test_ending_what_never_began_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        opened().end(1, guessed=False)


class Attack(RuleBasedStateMachine):
    """Whatever is tried in whatever order, no code is guessed at more than three times."""

    def __init__(self) -> None:
        super().__init__()
        self.window = PairingWindow()
        self.now = 0.0
        self.inside = False
        self.guesses_at_code = 0
        self.guesses: list[float] = []

    @rule(seconds=st.floats(0.0, 500.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def show_a_code(self) -> None:
        try:
            self.window.open(self.now)
        except PairingRefused:
            return
        self.guesses_at_code = 0

    @rule()
    def connect(self) -> None:
        try:
            self.window.begin(self.now)
        except (CodeExpired, PairingRefused):
            return
        assert not self.inside
        self.inside = True

    @precondition(lambda self: self.inside)
    @rule(guessed=st.booleans())
    def leave(self, guessed: bool) -> None:
        self.window.end(self.now, guessed=guessed)
        self.inside = False
        if guessed:
            self.guesses_at_code += 1
            self.guesses.append(self.now)

    @invariant()
    def guesses_are_bounded(self) -> None:
        assert self.guesses_at_code <= PAIRING_GUESSES
        recent = [at for at in self.guesses if at > self.now - PAIRING_LOCK_S]
        assert len(recent) <= PAIRING_FAILURES_PER_HOUR


Attack.TestCase.settings = settings(max_examples=100, stateful_step_count=60)
test_attack = Attack.TestCase
