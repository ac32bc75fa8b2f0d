"""Two pairing machines and the stream between them, without any input or output.

A `Meeting` carries bytes both ways until nobody has anything to say, and keeps all other effects
for the test to look at. Whoever sits on the wire is a function that may change what passes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from harness.entropy import seeded
from p2pvault.crypto.framing import frame
from p2pvault.crypto.keys import DeviceKeys
from p2pvault.protocol.pairing import (
    Admit,
    AskWords,
    ConfirmVault,
    Effect,
    Failed,
    Hangup,
    Host,
    Joiner,
    Newcomer,
    Received,
    Scanned,
    Send,
    Shown,
    ShowWords,
    Sponsor,
    Typed,
    VaultSummary,
)
from p2pvault.protocol.pairing.messages import Hello, PairingMessage, Way, encode, kind_of
from p2pvault.types import VaultId

E = TypeVar("E")

VAULT = VaultSummary(VaultId(b"v" * 32), "Ada's vault", 2, 1_780_000_000_000)
CODE = b"42-lantern-tulip-violin"
SHOWN = Shown(slot=42, typed=CODE, scanned=b"s" * 16)
PACKAGE = b"log and epochs " * 100

Wire = Callable[[str, bytes], bytes]
"""Takes who sends ("sponsor" or "joiner") and what; returns what arrives."""


def keys(name: str) -> DeviceKeys:
    return DeviceKeys.generate(seeded(name))


HOST = Host(keys("laptop"), "laptop", VAULT, frozenset())
NEWCOMER = Newcomer(keys("phone"), "phone", "phone")


def sponsor(seed: object = 0, *, host: Host = HOST, shown: Shown = SHOWN) -> Sponsor:
    return Sponsor(host, shown, seeded(("sponsor", seed)))


def joiner(
    seed: object = 0, *, newcomer: Newcomer = NEWCOMER, ticket: Typed | Scanned | None = None
) -> Joiner:
    return Joiner(newcomer, ticket or Typed(42, CODE), seeded(("joiner", seed)))


@dataclass
class End:
    """One machine, what it asked for besides sending, and what is on its way to it."""

    machine: Sponsor | Joiner
    effects: list[Effect] = field(default_factory=list)
    inbox: bytearray = field(default_factory=bytearray)

    def only(self, kind: type[E]) -> E:
        """Return the one effect of this kind."""
        (found,) = (effect for effect in self.effects if isinstance(effect, kind))
        return found

    def has(self, kind: type[Effect]) -> bool:
        return any(isinstance(effect, kind) for effect in self.effects)

    @property
    def error(self) -> Exception:
        return self.only(Failed).error


class Meeting:
    """A sponsor and a joiner on one stream."""

    def __init__(
        self,
        host: Sponsor | None = None,
        guest: Joiner | None = None,
        wire: Wire = lambda _, data: data,
        piece: int = 1 << 30,
    ) -> None:
        self.sponsor = End(host or sponsor())
        self.joiner = End(guest or joiner())
        self._wire = wire
        self._piece = piece
        self._delivering = False
        self.do(self.sponsor, self.sponsor.machine.start())
        self.do(self.joiner, self.joiner.machine.start())

    def do(self, end: End, effects: list[Effect]) -> None:
        """Carry out effects of one end, then whatever follows from them on both."""
        other, name = (self.joiner, "sponsor") if end is self.sponsor else (self.sponsor, "joiner")
        for effect in effects:
            if isinstance(effect, Send):
                other.inbox += self._wire(name, effect.data)
            else:
                end.effects.append(effect)
        self._deliver()

    def _deliver(self) -> None:
        if self._delivering:
            return  # the loop further up sees what was added
        self._delivering = True
        while waiting := [end for end in (self.sponsor, self.joiner) if end.inbox]:
            for end in waiting:
                piece = bytes(end.inbox[: self._piece])
                del end.inbox[: self._piece]
                self.do(end, end.machine.receive(piece))
        self._delivering = False

    def to_confirmation(self) -> "Meeting":
        """Check that both ends are at the point where people decide."""
        assert self.sponsor.has(AskWords), self.sponsor.effects
        assert self.joiner.has(ShowWords), self.joiner.effects
        return self

    def type_words(self, text: str | None = None) -> None:
        """Type what the joiner shows, or something else, on the sponsor."""
        if text is None:
            text = " ".join(self.joiner.only(ShowWords).words)
        assert isinstance(self.sponsor.machine, Sponsor)
        self.do(self.sponsor, self.sponsor.machine.words_typed(text))

    def accept_vault(self, accepted: bool = True) -> None:
        assert isinstance(self.joiner.machine, Joiner)
        self.do(self.joiner, self.joiner.machine.vault_accepted(accepted))

    def admit(self, package: bytes = PACKAGE) -> None:
        assert isinstance(self.sponsor.machine, Sponsor)
        self.do(self.sponsor, self.sponsor.machine.admitted(package))

    def store(self) -> None:
        assert isinstance(self.joiner.machine, Joiner)
        self.do(self.joiner, self.joiner.machine.stored())

    def end_streams(self) -> None:
        """Let time run out on whoever still waits, then cut the stream."""
        for end in (self.sponsor, self.joiner):
            self.do(end, end.machine.timeout())
        for end in (self.sponsor, self.joiner):
            self.do(end, end.machine.lost())


def run(meeting: Meeting, package: bytes = PACKAGE) -> Meeting:
    """Do everything that people and shells would do as long as the machines ask for it."""
    if meeting.joiner.has(ConfirmVault) and not meeting.joiner.machine.over:
        meeting.accept_vault()
    if meeting.sponsor.has(AskWords) and meeting.joiner.has(ShowWords):
        meeting.type_words()
    if meeting.sponsor.has(Admit):
        meeting.admit(package)
    if meeting.joiner.has(Received):
        meeting.store()
    return meeting


def finished(end: End) -> bool:
    return end.effects[-1] == Hangup() and end.machine.over


def confirming(guest: Joiner | None = None) -> Meeting:
    return Meeting(guest=guest).to_confirmation()


def a_hello() -> Hello:
    return Hello((1,), b"n" * 16, Way.TYPED)


def in_the_open(message: PairingMessage) -> bytes:
    return frame(bytes([kind_of(message)]) + encode(message))
