"""A device that is about to join: the pairing machine, a person, and a disk that is still empty."""

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from p2pvault.core import asks, io
from p2pvault.core.news import CodeMade, JoinerNamed, News
from p2pvault.core.start import join_vault
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.limits import HANDSHAKE_S
from p2pvault.protocol.code import parse_code
from p2pvault.protocol.invitation import parse_invitation
from p2pvault.protocol.pairing import (
    ConfirmVault,
    Deadline,
    Effect,
    Hangup,
    Joiner,
    Newcomer,
    Received,
    Scanned,
    Send,
    ShowWords,
    Typed,
)
from p2pvault.types import Address, DeviceId, LinkId

if TYPE_CHECKING:
    from sim.simulation import SimParty, Simulation

_PERSON_S = 8.0
"""How long people look at a screen before they type."""


class Guest:
    """One attempt to join.

    Attributes:
        id: The device that it would be.
        sponsor: Who shows it a code.
        request: What the sponsor was asked under.
        stored: Whether the vault is on its disk.
        by_key: Whether the recovery key admits it.
    """

    def __init__(
        self, sim: "Simulation", name: str, sponsor: "SimParty", request: int, entropy: Entropy
    ) -> None:
        self.name = name
        self.address = Address("10.8.0.1", 4_000)
        self.life = 0
        self.switched_off = False
        self.asleep_until = 0.0
        self.stored = False
        self.by_key = False
        self._sim = sim
        self.sponsor = sponsor
        self.request = request
        self._entropy = entropy
        self._keys = DeviceKeys.generate(entropy)
        self.id: DeviceId = device_id(self._keys.public)
        self._random = Random(f"guest/{sim.plan.seed}/{name}")
        self._machine: Joiner | None = None
        self._link: LinkId | None = None
        self._deadlines = 0
        self._words = ""
        self._asked = False

    def is_at(self, sponsor: "SimParty") -> bool:
        """Tell whether it may still be admitted by a device."""
        over = (
            self.stored or self.switched_off or (self._machine is not None and self._machine.over)
        )
        return sponsor is self.sponsor and not over

    # What the sponsor's screen shows -----------------------------------------------------

    def news(self, news: News) -> None:
        """Let the person read what the sponsor says, and type what it asks for."""
        match news:
            case CodeMade(code, uri):
                self._knock(code, uri)
            case JoinerNamed():
                self._asked = True
                self._type_words()
            case _:
                pass

    def _knock(self, code: str, uri: str) -> None:
        ticket: Typed | Scanned
        if self._random.random() < 0.5:
            typed = parse_code(code)
            ticket = Typed(typed.slot, typed.secret)
        else:
            invitation = parse_invitation(uri)
            ticket = Scanned(invitation.secret, invitation.fingerprint)
        newcomer = Newcomer(self._keys, self.name, "computer")
        self._machine = Joiner(newcomer, ticket, self._entropy)
        self._sim.network.pair(self, self.sponsor)

    def _type_words(self) -> None:
        if self._asked and self._words:
            words = self._words if self._random.random() < 0.9 else "window window"
            given = asks.WordsTyped(self.request, words)
            self._later(_PERSON_S, lambda: self._sim.give(self.sponsor, given))

    # The stream --------------------------------------------------------------------------

    def take(self, given: io.Input) -> None:
        """Take what a device would be given."""
        assert self._machine is not None, "it connects with a code in hand"
        match given:
            case io.LinkUp(link):
                self._link = link
                self._do(lambda machine: machine.start())
                self._set_deadline(HANDSHAKE_S)
            case io.BytesReceived(_, data):
                self._do(lambda machine: machine.receive(data))
            case io.LinkDown():
                self._link = None
                self._do(lambda machine: machine.lost())
            case _:
                pass

    def _do(self, move: Callable[[Joiner], Sequence[Effect]]) -> None:
        assert self._machine is not None, "it connects with a code in hand"
        if self._machine.over:
            return
        queue = deque(move(self._machine))
        while queue:
            effect = queue.popleft()
            self._sim.trace.note(self._sim.now.monotonic, self.name, effect)
            queue.extend(self._perform(effect))

    def _perform(self, effect: Effect) -> Sequence[Effect]:
        match effect:
            case Send(data) if self._link is not None:
                self._sim.network.write(self, self._link, data)
            case Deadline(seconds):
                self._set_deadline(seconds)
            case ShowWords(words):
                self._words = " ".join(words)
                self._type_words()
            case ConfirmVault():
                accept = lambda: self._do(lambda it: it.vault_accepted(accepted=True))  # noqa: E731
                self._later(_PERSON_S * self._random.random(), accept)
            case Received():
                return self._store(effect)
            case Hangup() if self._link is not None:
                self._sim.network.hang_up(self, self._link)
            case _:
                pass
        return ()

    def _store(self, received: Received) -> Sequence[Effect]:
        """Make the vault durable, unless this is the moment in which the device goes out."""
        assert self._machine is not None, "it connects with a code in hand"
        if self._sim.faults and self._random.random() < 0.2:
            self._sim.note(None, f"{self.name} goes out while it joins")
            self._sim.network.lose(self, power=True)
            self.switched_off = True
            return ()
        vault = join_vault(self._keys, self._entropy, received)
        self.stored = True
        self._later(0.5, lambda: self._sim.move_in(self.name, vault))
        return self._machine.stored()

    def _set_deadline(self, seconds: float) -> None:
        self._deadlines += 1
        serial = self._deadlines
        self._later(seconds, lambda: self._time_is_up(serial))

    def _time_is_up(self, serial: int) -> None:
        if serial == self._deadlines and not self.switched_off:
            self._do(lambda machine: machine.timeout())

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        self._sim.post(self._sim.now.monotonic + seconds, None, step)
