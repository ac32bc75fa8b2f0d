"""Pairing machines that note their transitions, by the events of docs/protocol/pairing.md."""

from collections.abc import Callable
from random import Random
from typing import Any

from harness.diagrams import Arrow
from p2pvault.crypto.keys import PublicKeys, device_id
from p2pvault.errors import (
    BadValue,
    CodeExpired,
    LocalProtocolError,
    PairingRefused,
    VaultError,
    WrongCode,
)
from p2pvault.limits import (
    PAIRING_FAILURES_PER_HOUR,
    PAIRING_GUESSES,
    PAIRING_LOCK_S,
    PAIRING_S,
)
from p2pvault.protocol.pairing import Effect, Failed, Joiner, Sponsor, Typed
from p2pvault.protocol.pairing.messages import (
    VERSION,
    Accept,
    Claim,
    Confirm,
    Hello,
    Introduction,
    Offer,
    Package,
    PairingMessage,
    Part,
)
from p2pvault.protocol.pairing.session import Session
from p2pvault.protocol.window import PairingWindow

OVER = "over"
ELSE = "anything else"

Swaps = dict[int, PairingMessage]
"""What is sent in the place of the message with this number, counted from 0."""


class Recorded(Session):
    """Notes what happens in which state; may send another message than it would."""

    def __init__(self, *args: Any, swaps: Swaps | None = None) -> None:
        self.seen: set[Arrow] = set()
        self._swaps = swaps or {}
        self._sent = -1
        self._noting = False
        super().__init__(*args)

    @property
    def where(self) -> str:
        return OVER if self._over else self._state.name

    def start(self) -> list[Effect]:
        effects = super().start()
        self.seen.add(("[*]", "", self.where))
        return effects

    def _send(self, message: PairingMessage) -> None:
        self._sent += 1
        super()._send(self._swaps.get(self._sent, message))

    def _note(self, event: Callable[[], str], act: Callable[[], Any]) -> Any:
        """Note one event, named as it is before the act; what it leads to itself is no other."""
        if self._noting or self._over:
            return act()
        before, name, self._noting = self.where, event(), True
        try:
            done = act()
        except LocalProtocolError:
            assert self.where == before, "a wrong call changes nothing"
            raise
        except BadValue:
            self.seen.add((before, "something else typed", self.where))
            raise
        except VaultError as error:
            name = "Confirm, tag wrong" if isinstance(error, WrongCode) else ELSE
            self.seen.add((before, name, OVER))
            raise
        else:
            self.seen.add((before, self._guessed(name), self.where))
            return done
        finally:
            self._noting = False

    def _guessed(self, name: str) -> str:
        wrong = any(isinstance(e, Failed) and e.counts_as_guess for e in self._effects)
        return "Claim, tag wrong" if wrong and name == "Claim, tag right" else name

    def receive(self, data: bytes) -> list[Effect]:
        effects = super().receive(data)
        if self._over and not any(after == OVER for _, _, after in self.seen):
            self.seen.add((self._state.name, ELSE, OVER))
        return effects

    def _handle(self, message: PairingMessage) -> None:
        self._note(lambda: self._called(message), lambda: super(Recorded, self)._handle(message))

    def _stream_ended(self) -> None:
        self._note(lambda: "the stream ends", super()._stream_ended)

    def _timed_out(self) -> None:
        self._note(lambda: "time runs out", super()._timed_out)

    def cancel(self) -> list[Effect]:
        return self._note(lambda: "the person stops it", super().cancel)

    def _called(self, message: PairingMessage) -> str:
        """Return the name of a message as an event."""
        return type(message).__name__


class RecordedSponsor(Recorded, Sponsor):
    """A sponsor; the words are right, or other ones, as they really are."""

    def words_typed(self, text: str) -> list[Effect]:
        return self._note(lambda: self._words(text), lambda: Sponsor.words_typed(self, text))

    def admitted(self, package: bytes) -> list[Effect]:
        return self._note(lambda: "the device is a member", lambda: Sponsor.admitted(self, package))

    def _words(self, text: str) -> str:
        if self.where != "CONFIRM":
            return "words that nobody asked for"
        first = "the right words after Accept" if self._vault_accepted else "the right words first"
        try:
            return first if self._short.matches(text) else "two other words"
        except BadValue:
            return "something else typed"

    def _called(self, message: PairingMessage) -> str:
        match message:
            case Hello(versions) if VERSION not in versions:
                return "Hello of another version"
            case Introduction() if self._is_known(message):
                return "Introduction of a known device"
            case Claim():
                return "Claim, tag right"
            case Accept():
                return "Accept after the words" if self._words_match else "Accept first"
        return super()._called(message)

    def _is_known(self, message: Introduction) -> bool:
        public = PublicKeys(message.signing, message.static, message.box)
        return device_id(public) in self._host.known


class RecordedJoiner(Recorded, Joiner):
    """A joiner."""

    def vault_accepted(self, accepted: bool) -> list[Effect]:
        name = "the person accepts the vault" if accepted else "the person does not"
        return self._note(lambda: name, lambda: Joiner.vault_accepted(self, accepted))

    def stored(self) -> list[Effect]:
        return self._note(lambda: "stored", lambda: Joiner.stored(self))

    def _called(self, message: PairingMessage) -> str:
        match message:
            case Offer(slot=slot) if isinstance(self._ticket, Typed) and slot != self._ticket.slot:
                return "Offer of another slot"
            case Confirm():
                return "Confirm, tag right"
            case Package(0):
                return "Package of no bytes"
            case Part(data) if len(self._package) + len(data) == self._size:
                return "the last Part"
        return super()._called(message)


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

    def do_anything(self, random: Random) -> None:
        """Do one thing that a device, its person or time can do, asked for or not."""
        acts: list[Callable[[], None]] = [
            *3 * [self.show],
            *3 * [self.begin],
            *3 * [lambda: self.end(guessed=True)],
            lambda: self.end(guessed=False),
            lambda: self.end(guessed=random.random() < 0.5, burn=True),
            self.take_back,
            lambda: self.wait(random.choice([1, 30, 130])),
            lambda: self.wait(PAIRING_LOCK_S if random.random() < 0.2 else 1),
        ]
        before = self.where
        try:
            random.choice(acts)()
        except (PairingRefused, CodeExpired, LocalProtocolError):
            assert self.where == before, "what is refused changes nothing"
