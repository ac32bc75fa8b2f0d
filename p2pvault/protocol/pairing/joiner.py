"""The side that wants to join and has typed or scanned the code.

    state        takes                                    and then
    OFFER        Offer of the slot that was typed         Claim -> CONFIRM
    CONFIRM      Confirm, tag right                       the handshake -> PRESENTATION
    PRESENTATION Presentation, proved and as invited      Opening, ShowWords, ConfirmVault -> DECIDE
    DECIDE       vault_accepted                           Accept -> PACKAGE
    PACKAGE      Package                                  -> PARTS
    PARTS        Part, until all is there                 Received -> STORE
    STORE        stored                                   Stored, close, Paired -> LEAVE
    LEAVE        the sponsor's close, or the end          Hangup

Anything else ends the session. The handshake lies between CONFIRM and PRESENTATION.
"""

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from p2pvault.crypto.cpace import SCALAR_BYTES, Agreement, Contribution, Exchange
from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.hybrid import Initiator, Party
from p2pvault.crypto.keys import DeviceKeys, PublicKeys, sign
from p2pvault.crypto.seal import open_sealed
from p2pvault.errors import (
    HandshakeFailed,
    LimitExceeded,
    LocalProtocolError,
    NoPairingDevice,
    PairingRefused,
    SealBroken,
    UnexpectedMessage,
    WrongCode,
)
from p2pvault.limits import HANDSHAKE_S, PAIRING_CONFIRM_S, WRITE_STALL_S
from p2pvault.protocol.pairing import ceremony
from p2pvault.protocol.pairing.effects import (
    ConfirmVault,
    Deadline,
    Effect,
    Paired,
    Received,
    ShowWords,
    VaultSummary,
)
from p2pvault.protocol.pairing.messages import (
    NONCE_BYTES,
    SEED_BYTES,
    VERSION,
    Accept,
    Claim,
    Confirm,
    Hello,
    Introduction,
    Offer,
    Opening,
    Package,
    PairingMessage,
    Part,
    Presentation,
    Reason,
    Refusal,
    Stored,
    Way,
)
from p2pvault.protocol.pairing.session import REFUSED, Session
from p2pvault.protocol.pairing.words import commit, short_string
from p2pvault.types import VaultId


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The joiner's own part: new keys, and what it is called."""

    keys: DeviceKeys
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Typed:
    """A code that a person typed: the slot that the sponsor must show, and the secret."""

    slot: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A QR code: the secret, and the 16 bytes that the sponsor's keys must hash to."""

    secret: bytes = field(repr=False)
    fingerprint: bytes


class State(Enum):
    """What the joiner waits for; see the table above."""

    OFFER = auto()
    CONFIRM = auto()
    PRESENTATION = auto()
    DECIDE = auto()
    PACKAGE = auto()
    PARTS = auto()
    STORE = auto()
    LEAVE = auto()


class Joiner(Session):
    """One session with one device that may be the one that shows the code.

    Args:
        newcomer: This device.
        ticket: What was typed or scanned.
        entropy: Where randomness comes from.
    """

    def __init__(self, newcomer: Newcomer, ticket: Typed | Scanned, entropy: Entropy) -> None:
        super().__init__()
        self._newcomer = newcomer
        self._ticket = ticket
        self._entropy = entropy
        self._state = State.OFFER
        self._seed = draw(entropy, SEED_BYTES)
        way = Way.TYPED if isinstance(ticket, Typed) else Way.SCANNED
        self._hello = Hello((VERSION,), draw(entropy, NONCE_BYTES), way)
        self._agreement: Agreement
        self._sponsor: PublicKeys
        self._vault: VaultSummary
        self._size = 0
        self._package = bytearray()

    def start(self) -> list[Effect]:
        """Begin with the first message."""
        self._send(self._hello)
        self._effects.append(Deadline(HANDSHAKE_S))
        return self._drain()

    def vault_accepted(self, accepted: bool) -> list[Effect]:
        """Take the person's answer to `ConfirmVault`.

        Raises:
            LocalProtocolError: There was no such question.
        """
        if self._over:
            return []
        if self._state is not State.DECIDE:
            raise LocalProtocolError("a vault was accepted that nobody offered")
        if accepted:
            self._send(Accept())
            self._state = State.PACKAGE
        else:
            error = PairingRefused("this is not the vault to join: nothing was changed")
            self._refuse(Reason.DECLINED, error)
        return self._drain()

    def stored(self) -> list[Effect]:
        """Say that the package is durable.

        Raises:
            LocalProtocolError: No package was received.
        """
        if self._over:
            return []
        if self._state is not State.STORE:
            raise LocalProtocolError("a package was stored that was never received")
        self._send(Stored())
        self._send_close()
        self._effects += [Paired(), Deadline(WRITE_STALL_S)]
        self._state = State.LEAVE
        return self._drain()

    def _handle(self, message: PairingMessage) -> None:
        match self._state, message:
            case _, Refusal(reason) if self._state is not State.LEAVE:
                self._fail(REFUSED[reason]())
            case State.OFFER, Offer():
                self._claim(message)
            case State.CONFIRM, Confirm():
                self._check_confirmation(message)
            case State.PRESENTATION, Presentation():
                self._check_presentation(message)
            case State.PACKAGE, Package():
                self._begin_package(message)
            case State.PARTS, Part():
                self._take_part(message)
            case _:
                raise UnexpectedMessage(
                    f"a {type(message).__name__} while waiting for {self._state.name}"
                )

    def _claim(self, offer: Offer) -> None:
        if isinstance(self._ticket, Typed) and offer.slot != self._ticket.slot:
            # Nothing that depends on the secret has been sent: this was no guess at it.
            self._fail(NoPairingDevice("that device shows another code"))
            return
        if offer.version != VERSION:
            raise UnexpectedMessage("the other device chose a version that was not offered")
        commitment = commit(self._seed)
        exchange = Exchange(
            ceremony.JOINER_SIDE,
            ceremony.terms(self._ticket.secret, offer.nonce, self._hello.nonce),
            ceremony.joiner_data(self._hello, commitment),
            draw(self._entropy, SCALAR_BYTES),
        )
        sponsor = Contribution(
            offer.share, ceremony.sponsor_data(offer.version, offer.nonce, offer.slot)
        )
        self._agreement = exchange.agree(sponsor)
        self._send(Claim(exchange.contribution.share, commitment, self._agreement.tag))
        self._state = State.CONFIRM

    def _check_confirmation(self, confirm: Confirm) -> None:
        if not self._agreement.confirms(confirm.tag):
            raise WrongCode("the other device does not know this code")
        self._state = State.PRESENTATION
        party = Party(ceremony.LABEL, self._newcomer.keys.static, self._entropy)
        self._begin_handshake(Initiator(party, ceremony.gate(self._agreement.key)))

    def _on_established(self) -> None:
        own, newcomer = self._newcomer.keys.public, self._newcomer
        unsigned = Introduction(own.signing, own.static, own.box, newcomer.name, newcomer.kind, b"")
        proof = ceremony.proof(unsigned, self._link.binding)
        self._send(replace(unsigned, signature=sign(newcomer.keys.signing, proof)))

    def _check_presentation(self, sponsor: Presentation) -> None:
        binding = self._link.binding
        public = ceremony.proved_keys(sponsor, self._link.remote_static, binding)
        if isinstance(self._ticket, Scanned):
            self._check_invited(public, self._ticket)
        challenge = self._open_challenge(sponsor.challenge)
        self._send(Opening(self._seed, ceremony.answer(challenge, binding)))
        self._sponsor = public
        self._vault = VaultSummary(
            VaultId(sponsor.vault), sponsor.vault_name, sponsor.devices, sponsor.made_ms
        )
        short = short_string(binding, sponsor.seed, self._seed)
        self._state = State.DECIDE
        self._effects += [
            ShowWords(short.words, short.digits),
            ConfirmVault(self._vault, sponsor.name),
            # Longer than the sponsor waits, so that it is the one to say that time ran out.
            Deadline(PAIRING_CONFIRM_S + HANDSHAKE_S),
        ]

    def _check_invited(self, public: PublicKeys, ticket: Scanned) -> None:
        if ceremony.fingerprint(public) != ticket.fingerprint:
            raise HandshakeFailed("this is not the device whose code was scanned")

    def _open_challenge(self, sealed: bytes) -> bytes:
        info = ceremony.challenge_info(self._link.binding)
        try:
            return open_sealed(self._newcomer.keys.box, sealed, info)
        except SealBroken as error:
            raise HandshakeFailed("the other device sealed to another key than ours") from error

    def _begin_package(self, package: Package) -> None:
        self._size = package.size
        self._state = State.PARTS
        self._effects.append(Deadline(WRITE_STALL_S))
        self._receive_if_whole()

    def _take_part(self, part: Part) -> None:
        if not part.data:
            raise UnexpectedMessage("an empty part, which would never come to an end")
        if len(self._package) + len(part.data) > self._size:
            raise LimitExceeded("more parts than were announced")
        self._package += part.data
        self._effects.append(Deadline(WRITE_STALL_S))
        self._receive_if_whole()

    def _receive_if_whole(self) -> None:
        if len(self._package) == self._size:
            self._state = State.STORE
            self._effects.append(Received(bytes(self._package), self._vault, self._sponsor))
            self._package.clear()

    def _timed_out(self) -> None:
        if self._state is State.LEAVE:
            self._end()
        elif self._state is State.STORE:
            # It is this device that is busy, and the other one that waits.
            self._effects.append(Deadline(WRITE_STALL_S))
        else:
            super()._timed_out()

    def _stream_ended(self) -> None:
        if self._state is State.LEAVE:
            self._end()
        else:
            super()._stream_ended()
