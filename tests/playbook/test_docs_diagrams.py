"""The state diagrams of docs/protocol: each arrow happens, and whatever happens is an arrow."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest

from harness.diagrams import Arrow, differences, drawn
from harness.entropy import seeded
from harness.pairing import (
    CODE,
    HOST,
    NEWCOMER,
    PACKAGE,
    SHOWN,
    VAULT,
    End,
    Meeting,
    joiner,
)
from harness.recorded_pairing import RecordedJoiner, RecordedSponsor, Swaps
from p2pvault.crypto.keys import device_id
from p2pvault.errors import BadValue, CodeExpired, LocalProtocolError, PairingRefused
from p2pvault.limits import (
    PAIRING_FAILURES_PER_HOUR,
    PAIRING_GUESSES,
    PAIRING_LOCK_S,
    PAIRING_PART_BYTES,
    PAIRING_S,
)
from p2pvault.protocol.pairing import Host, Joiner, Reason, Sponsor, Typed
from p2pvault.protocol.pairing.messages import Accept, Confirm, Hello, Package, Refusal, Stored, Way
from p2pvault.protocol.window import PairingWindow

ODD = Stored()
OTHER_WORDS = "aardvark adroitness"


def assert_drawn(document: str, section: str, seen: set[Arrow]) -> None:
    assert differences(drawn()[document, section], seen) == []


# Pairing -------------------------------------------------------------------------------------


def meeting(
    *,
    host: Host = HOST,
    ticket: Typed | None = None,
    of_sponsor: Swaps | None = None,
    of_joiner: Swaps | None = None,
    writes_max: int = 1 << 30,
) -> Meeting:
    """Return two recorded machines; nothing arrives any more after so many writes."""
    writes = iter(range(writes_max))
    return Meeting(
        RecordedSponsor(host, SHOWN, seeded("sponsor"), swaps=of_sponsor),
        RecordedJoiner(NEWCOMER, ticket or Typed(42, CODE), seeded("joiner"), swaps=of_joiner),
        wire=lambda _, data: data if next(writes, None) is not None else b"",
    )


PEOPLE: tuple[Callable[[Meeting], None], ...] = (
    Meeting.accept_vault,
    Meeting.type_words,
    Meeting.admit,
    Meeting.store,
)
"""What people and shells do, in the order in which a pairing asks for it."""


def go_on(it: Meeting, steps: int = len(PEOPLE), package: bytes = PACKAGE) -> Meeting:
    """Take the next steps, as long as the machines ask for them."""
    for step in PEOPLE[:steps]:
        try:
            step(it, package) if step is Meeting.admit else step(it)
        except (LocalProtocolError, ValueError):
            break  # not asked for, or there are no words to read
    return it


def garble(it: Meeting, end: End) -> None:
    """Let an end receive what is a message at no stage."""
    it.do(end, end.machine.receive(b"\x00\x01\xff"))


def say(message: object) -> Callable[[Meeting, End], None]:
    """Return the act of the other side saying something to an end."""

    def act(it: Meeting, end: End) -> None:
        other = it.joiner if end is it.sponsor else it.sponsor
        if not other.machine.over:
            other.machine._send(message)
            it.do(other, other.machine._drain())

    return act


ENDINGS: dict[str, Callable[[Meeting, End], None]] = {
    "lost": lambda it, end: it.do(end, end.machine.lost()),
    "timeout": lambda it, end: it.do(end, end.machine.timeout()),
    "cancel": lambda it, end: it.do(end, end.machine.cancel()),
    "garbage": garble,
    "refusal": say(Refusal(Reason.DECLINED)),
    "odd message": say(Package(1)),
    "another odd message": say(Accept()),
}


def pairings() -> Iterator[Meeting]:
    """Run pairings that go well, that stop anywhere, and that go wrong in every way."""
    yield go_on(meeting())
    yield go_on(meeting(), package=b"")
    yield go_on(meeting(), package=bytes(2 * PAIRING_PART_BYTES + 1))
    yield go_on(
        meeting(host=Host(HOST.keys, "laptop", VAULT, frozenset({device_id(NEWCOMER.keys.public)})))
    )
    yield meeting(ticket=Typed(42, b"42-lantern-tulip-violet"))
    yield meeting(ticket=Typed(43, CODE))
    yield meeting(of_joiner={0: Hello((2,), bytes(16), Way.TYPED)})
    yield meeting(of_sponsor={1: Confirm(bytes(64))})
    yield from peoples_answers()
    yield from silences()
    for number in range(8):
        for odd in (ODD, Refusal(Reason.TIMEOUT)):
            yield go_on(meeting(of_sponsor={number: odd}))
            yield go_on(meeting(of_joiner={number: odd}))


def peoples_answers() -> Iterator[Meeting]:
    """Run pairings in which people answer otherwise, and those that end while they think."""
    for typed in ("a slip", OTHER_WORDS):
        it = meeting()
        with suppress(BadValue):
            it.type_words(typed)
        yield it
    words_first = meeting()
    words_first.type_words()
    yield go_on(words_first)
    declined = meeting()
    declined.accept_vault(False)
    yield declined
    for steps in range(len(PEOPLE)):
        for side in ("sponsor", "joiner"):
            for ending in ENDINGS.values():
                it = go_on(meeting(), steps)
                ending(it, getattr(it, side))
                yield it


def silences() -> Iterator[Meeting]:
    """Run pairings in which nothing arrives any more from some moment on."""
    for writes in range(16):
        for name in ("lost", "timeout", "cancel", "garbage"):
            it = go_on(meeting(writes_max=writes))
            for end in (it.sponsor, it.joiner):
                with suppress(LocalProtocolError):  # who has paired cannot stop it
                    ENDINGS[name](it, end)
            yield it


def test_pairing_does_what_its_diagrams_show() -> None:
    seen: dict[type, set[Arrow]] = {RecordedSponsor: set(), RecordedJoiner: set()}
    for it in pairings():
        for end in (it.sponsor, it.joiner):
            seen[type(end.machine)] |= end.machine.seen
    assert_drawn("pairing.md", "Sponsor", seen[RecordedSponsor])
    assert_drawn("pairing.md", "Joiner", seen[RecordedJoiner])


class Door:
    """A pairing window, and what it has been through, counted independently."""

    def __init__(self) -> None:
        self.window = PairingWindow()
        self.now = 0.0
        self.seen: set[Arrow] = {("[*]", "", self.where)}
        self._closes_at = 0.0
        self._wrong_at_code = 0
        self._wrong: list[float] = []

    @property
    def where(self) -> str:
        return self.window.state(self.now).name

    def note(self, event: str, act: Callable[[], None]) -> None:
        before = self.where
        act()
        self.seen.add((before, event, self.where))

    def show(self) -> None:
        self.note("a code is shown", lambda: self.window.open(self.now))
        self._closes_at, self._wrong_at_code = self.now + PAIRING_S, 0

    def take_back(self) -> None:
        if self.where in ("OPEN", "BUSY"):
            self.note("the code is taken back", self.window.close)
            self._closes_at = 0.0

    def begin(self) -> None:
        self.note("a session begins", lambda: self.window.begin(self.now))

    def end(self, *, guessed: bool, burn: bool = False) -> None:
        event = "" if self.where != "BUSY" else self._ending(guessed=guessed, burn=burn)
        self.note(event, lambda: self.window.end(self.now, guessed=guessed, burn=burn))
        if self.where != "OPEN":
            self._closes_at = 0.0

    def _ending(self, *, guessed: bool, burn: bool) -> str:
        if guessed:
            self._wrong_at_code += 1
            self._wrong = [at for at in self._wrong if self.now - at <= 3_600] + [self.now]
        if guessed and len(self._wrong) == PAIRING_FAILURES_PER_HOUR:
            self._wrong = []
            return "it ends with the tenth wrong guess of an hour"
        if burn:
            return "it ends and burns the code"
        if self.now >= self._closes_at:
            return "it ends and there is no code any more"
        if guessed and self._wrong_at_code == PAIRING_GUESSES:
            return "it ends with the third wrong guess"
        return "it ends with a wrong guess" if guessed else "the session ends"

    def wait(self, seconds: float) -> None:
        expires = self.now < self._closes_at <= self.now + seconds
        before, self.now = self.where, self.now + seconds
        if expires:
            self.seen.add((before, "the code expires", self.where))
        elif self.where != before:
            self.seen.add((before, "an hour is over", self.where))


def test_the_window_does_what_its_diagram_shows() -> None:
    seen: set[Arrow] = set()
    for seed in range(40):
        random, door = Random(seed), Door()
        for _ in range(200):
            acts: list[Callable[[], None]] = [
                *3 * [door.show],
                *3 * [door.begin],
                *3 * [lambda: door.end(guessed=True)],
                lambda: door.end(guessed=False),
                lambda: door.end(guessed=random.random() < 0.5, burn=True),
                door.take_back,
                lambda: door.wait(random.choice([1, 30, 130])),
                lambda: door.wait(PAIRING_LOCK_S if random.random() < 0.2 else 1),
            ]
            before = door.where
            try:
                random.choice(acts)()
            except (PairingRefused, CodeExpired, LocalProtocolError):
                assert door.where == before, "what is refused changes nothing"
        seen |= door.seen
    assert_drawn("pairing.md", "The window", seen)
