"""The pairing window of a device that holds the vault: one code, one session at a time.

It composes the pairing machine, the window that counts guesses, the code and the membership. The
node only carries bytes, and shows what the news say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2pvault.core.asks import PairingRequested
from p2pvault.core.io import AdvertisePairing, Effect, Hangup, PairingNews, Report, Write
from p2pvault.core.members import Members
from p2pvault.core.news import (
    AttemptFailed,
    CodeMade,
    JoinerNamed,
    News,
    PairingDone,
    PairingOver,
    WordsUnclear,
)
from p2pvault.crypto.entropy import Entropy
from p2pvault.errors import BadValue, CodeExpired, PairingRefused, Refused, VaultError
from p2pvault.limits import ADDRESSES_PER_PEER_MAX, PAIRING_ADDRESSES_MAX
from p2pvault.protocol.code import ENTROPY_BYTES, draw_code
from p2pvault.protocol.handover import Handover, encode_handover
from p2pvault.protocol.invitation import SECRET_BYTES, Invitation
from p2pvault.protocol.membership import DeviceCard, RecoveryKey, check_key
from p2pvault.protocol.pairing import (
    Admit,
    AskWords,
    Deadline,
    Failed,
    Host,
    Joining,
    Paired,
    Reason,
    Send,
    Shown,
    Sponsor,
    VaultSummary,
    fingerprint,
    refusal,
)
from p2pvault.protocol.pairing import Effect as SessionEffect
from p2pvault.protocol.pairing import Hangup as SessionOver
from p2pvault.protocol.window import PairingWindow, WindowState
from p2pvault.types import Address, DeviceId, Instant, LinkId, Role

_INSTANCE_BYTES = 5
"""40 random bits name a pairing window on the network."""

_NEVER = float("inf")

_ANOTHER_CODE = "Run `p2pvault pair` again for a new code."
"""What to do here; the other device is told to do it there."""


@dataclass(frozen=True, slots=True)
class AdmitDevice:
    """For the device itself: make this a member, durably, and say `admitted`.

    Attributes:
        card: The new device.
        role: What it may do.
        key: The recovery key, if that admits it.
    """

    card: DeviceCard
    role: Role
    key: RecoveryKey | None


Outcome = Effect | AdmitDevice


@dataclass(slots=True)
class _Open:
    """A window that a local program holds open."""

    request: int
    role: Role
    shown: Shown
    closes_at: float
    key: RecoveryKey | None


@dataclass(slots=True)
class _Session:
    """A device at the door."""

    link: LinkId
    machine: Sponsor
    deadline: float = _NEVER
    card: DeviceCard | None = None


class Pairing:
    """Everything about pairing on the side that holds the vault.

    Attributes:
        listening: Where this device accepts links, for the new member to dial at once.
    """

    def __init__(self, members: Members, entropy: Entropy) -> None:
        self._members = members
        self._entropy = entropy
        self._window = PairingWindow()
        self._open: _Open | None = None
        self._session: _Session | None = None
        self.listening: tuple[Address, ...] = ()

    def owns(self, link: LinkId) -> bool:
        """Return whether a stream belongs to the session under way."""
        return self._session is not None and self._session.link == link

    @property
    def deadline(self) -> float:
        """When to call `wake`, on the monotonic clock."""
        if self._session is not None:
            return self._session.deadline
        return self._open.closes_at if self._open is not None else _NEVER

    # The window --------------------------------------------------------------------------

    def open(self, now: Instant, asked: PairingRequested) -> list[Effect]:
        """Show a code.

        Raises:
            Refused: This device may not admit others, or it shows a code already.
            MembershipError: The recovery key is not this vault's.
            PairingRefused: Pairing is locked, or a session is under way.
        """
        key = None if asked.seed is None else RecoveryKey(asked.seed)
        self._check_may_open(key)
        self._window.open(now.monotonic)
        expires_s = self._window.expires_s(now.monotonic)
        code, scanned = draw_code(self._entropy(ENTROPY_BYTES)), self._entropy(SECRET_BYTES)
        self._open = _Open(
            request=asked.request,
            role=Role.ADMIN if asked.admin else Role.MEMBER,
            shown=Shown(code.slot, code.secret, scanned),
            closes_at=now.monotonic + expires_s,
            key=key,
        )
        invitation = Invitation(
            secret=scanned,
            fingerprint=fingerprint(self._members.keys.public),
            addresses=asked.listening[:PAIRING_ADDRESSES_MAX],
            expires=int(now.wall_ms / 1000 + expires_s),
        )
        return [
            AdvertisePairing(self._entropy(_INSTANCE_BYTES).hex()),
            *self._news(CodeMade(str(code), str(invitation), expires_s)),
        ]

    def cancel(self, now: Instant, request: int) -> Sequence[Outcome]:
        """Close the window because the program that opened it is gone."""
        if self._open is None or self._open.request != request:
            return []
        effects = self._carry_out(now, self._session.machine.cancel()) if self._session else ()
        return [*effects, *self._shut()]

    def _check_may_open(self, key: RecoveryKey | None) -> None:
        if key is not None:
            check_key(self._members.membership, key)
        elif not self._members.membership.is_admin(self._members.device):
            raise Refused(
                "this device may not admit others: it is not an admin",
                hint="Pair from an admin device; `p2pvault devices` shows which ones are. If none "
                "is left, use the recovery key: `p2pvault pair --recovery`.",
            )
        if self._open is not None:
            raise Refused("this device shows a pairing code already", hint="Use that one.")

    def _shut(self) -> list[Effect]:
        self._window.close()
        self._open = None
        return [AdvertisePairing(None)]

    # Sessions ----------------------------------------------------------------------------

    def stream_up(self, now: Instant, link: LinkId) -> Sequence[Outcome]:
        """Begin a session with a device that connected, or turn it away."""
        try:
            self._window.begin(now.monotonic)
        except CodeExpired:
            return [Write(link, refusal(Reason.NO_CODE)), Hangup(link)]
        except PairingRefused:
            return [Write(link, refusal(Reason.BUSY)), Hangup(link)]
        assert self._open is not None, "the window is open only while a code is shown"
        machine = Sponsor(self._host(), self._open.shown, self._entropy)
        self._session = _Session(link, machine)
        return self._carry_out(now, machine.start())

    def receive(self, now: Instant, data: bytes) -> Sequence[Outcome]:
        """Take bytes of the session's stream."""
        return self._carry_out(now, self._machine.receive(data))

    def stream_down(self, now: Instant) -> Sequence[Outcome]:
        """Take note that the session's stream is gone."""
        return self._carry_out(now, self._machine.lost())

    def type_words(self, now: Instant, request: int, words: str) -> Sequence[Outcome]:
        """Pass on what the person typed.

        Raises:
            Refused: Nobody is at the door.
        """
        if self._open is None or self._open.request != request or self._session is None:
            raise Refused("no device waits for its words to be typed")
        try:
            return self._carry_out(now, self._session.machine.words_typed(words))
        except BadValue as error:
            return self._news(WordsUnclear(str(error)))

    def admitted(self, now: Instant, device: DeviceId) -> Sequence[Outcome]:
        """Hand over the vault: the new device is a member, and that is durable.

        Its session may be over by then, and another one under way.
        """
        if self._session is None or self._session.card is None or self._session.card.id != device:
            return []
        members = self._members
        handover = Handover(
            operations=tuple(operation.data for operation in members.durable.operations),
            secrets=tuple(sorted(members.shared_secrets.items())),
            addresses=self.listening[:ADDRESSES_PER_PEER_MAX],
        )
        return self._carry_out(now, self._session.machine.admitted(encode_handover(handover)))

    def admission_failed(self, now: Instant, error: VaultError) -> Sequence[Outcome]:
        """End the session: the new device could not be made a member."""
        news = self._news(PairingOver(error))
        return [*news, *self._shut(), *self._carry_out(now, self._machine.cancel())]

    def wake(self, now: Instant) -> Sequence[Outcome]:
        """Let deadlines pass: the session's, or the code's."""
        if now.monotonic < self.deadline:
            return []
        if self._session is not None:
            return self._carry_out(now, self._session.machine.timeout())
        error = CodeExpired("nobody used the pairing code in time", hint=_ANOTHER_CODE)
        return [*self._news(PairingOver(error)), *self._shut()]

    @property
    def _machine(self) -> Sponsor:
        assert self._session is not None, "bytes come on the session's stream only"
        return self._session.machine

    def _host(self) -> Host:
        members, membership = self._members, self._members.membership
        return Host(
            keys=members.keys,
            name=members.name_of(members.device),
            vault=VaultSummary(
                membership.vault, membership.name, len(membership.members), membership.made_ms
            ),
            known={*membership.members, *membership.suspended, *membership.removed},
        )

    # What the machine asks for -----------------------------------------------------------

    def _carry_out(self, now: Instant, asked: Iterable[SessionEffect]) -> Sequence[Outcome]:
        return [effect for each in asked for effect in self._one(now, each)]

    def _one(  # noqa: PLR0911  # one return for each thing that a session may ask for
        self, now: Instant, asked: SessionEffect
    ) -> Sequence[Outcome]:
        session = self._session
        assert session is not None, "the end of a session is the last thing that it asks for"
        match asked:
            case Send(data):
                return [Write(session.link, data)]
            case Deadline(seconds):
                session.deadline = now.monotonic + seconds
                return []
            case Joining(public, name, kind):
                session.card = DeviceCard(public, name, kind)
                return []
            case AskWords(digits):
                assert session.card is not None, "the device says its name first"
                return self._news(JoinerNamed(session.card.name, digits))
            case Admit(public, name, kind):
                return [AdmitDevice(DeviceCard(public, name, kind), self._role, self._key)]
            case Paired():
                return self._paired(now, session)
            case Failed():
                return self._failed(now, session, asked)
            case _:
                assert isinstance(asked, SessionOver), "a sponsor asks for nothing else"
                return self._session_over(now, session)

    def _paired(self, now: Instant, session: _Session) -> list[Effect]:
        assert session.card is not None, "only a device with a name is paired"
        done = self._news(PairingDone(session.card.id, session.card.name))
        self._window.end(now.monotonic, guessed=False, burn=True)
        return [*done, *self._shut()]

    def _failed(self, now: Instant, session: _Session, failed: Failed) -> list[Effect]:
        self._window.end(now.monotonic, guessed=failed.counts_as_guess, burn=failed.burns_code)
        report = Report("warning", "pairing_failed", {"reason": failed.error.code})
        if self._window.state(now.monotonic) is not WindowState.OPEN:
            return [report, *self._news(PairingOver(_last_word(failed))), *self._shut()]
        if session.card is None and not failed.counts_as_guess:
            # Somebody looking for another code leaves before it tries this one; that is no news.
            return []
        return [report, *self._news(AttemptFailed(str(failed.error)))]

    def _session_over(self, now: Instant, session: _Session) -> list[Effect]:
        self._session = None
        return [Hangup(session.link)]

    @property
    def _role(self) -> Role:
        return self._open.role if self._open is not None else Role.MEMBER

    @property
    def _key(self) -> RecoveryKey | None:
        return self._open.key if self._open is not None else None

    def _news(self, news: News) -> list[Effect]:
        return [PairingNews(self._open.request, news)] if self._open is not None else []


def _last_word(failed: Failed) -> VaultError:
    """Return why a window closed with a session: its own fault, or one wrong code too many."""
    if failed.counts_as_guess and not failed.burns_code:
        why = "too many wrong codes were tried; this one is not valid any more"
        return CodeExpired(why, hint=_ANOTHER_CODE)
    return failed.error
