"""The side that holds the vault and shows the code.

    state        takes                                    and then
    HELLO        Hello                                    Offer -> CLAIM
    CLAIM        Claim, tag right                         Confirm, greeting -> INTRODUCTION
                 Claim, tag wrong                         Refusal; a guess -> over
    INTRODUCTION Introduction, proved, not a member       Presentation -> OPENING
    OPENING      Opening, as committed and answered       Joining, AskWords -> CONFIRM
    CONFIRM      words_typed right, and Accept; any order Admit -> ADMIT
                 words_typed wrong                        Refusal; a guess, burns -> over
    ADMIT        admitted                                 Package, Part... -> STORED
    STORED       Stored                                   close, Paired -> over

Anything else ends the session. The handshake lies between CLAIM and INTRODUCTION.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from hmac import compare_digest

from p2pvault.crypto.cpace import SCALAR_BYTES, Contribution, Exchange
from p2pvault.crypto.entropy import Entropy, draw
from p2pvault.crypto.hybrid import Party, Responder
from p2pvault.crypto.keys import DeviceKeys, PublicKeys, device_id, sign
from p2pvault.crypto.seal import seal_to
from p2pvault.errors import (
    HandshakeFailed,
    LocalProtocolError,
    PairingRefused,
    UnexpectedMessage,
    Unreachable,
    WrongCode,
)
from p2pvault.limits import (
    HANDSHAKE_S,
    PAIRING_BYTES_PER_S_MIN,
    PAIRING_CONFIRM_S,
    PAIRING_PACKAGE_BYTES_MAX,
    PAIRING_PART_BYTES,
    WRITE_STALL_S,
)
from p2pvault.protocol.pairing import ceremony
from p2pvault.protocol.pairing.effects import (
    Admit,
    AskWords,
    Deadline,
    Effect,
    Joining,
    Paired,
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
from p2pvault.protocol.pairing.words import ShortString, opens, short_string
from p2pvault.types import DeviceId


@dataclass(frozen=True, slots=True)
class Host:
    """The sponsor's own part.

    Attributes:
        keys: Its keys.
        name: Its name.
        vault: What the new device's person is told about the vault.
        known: Every device that is or ever was a member; none of them joins again.
    """

    keys: DeviceKeys
    name: str
    vault: VaultSummary
    known: AbstractSet[DeviceId]


@dataclass(frozen=True, slots=True)
class Shown:
    """The code that the sponsor shows, in both its forms.

    Attributes:
        slot: The number in front of the typed code, not secret.
        typed: The secret of the typed code.
        scanned: The secret of the QR code.
    """

    slot: int
    typed: bytes = field(repr=False)
    scanned: bytes = field(repr=False)


class State(Enum):
    """What the sponsor waits for; see the table above."""

    HELLO = auto()
    CLAIM = auto()
    INTRODUCTION = auto()
    OPENING = auto()
    CONFIRM = auto()
    ADMIT = auto()
    STORED = auto()


class Sponsor(Session):
    """One session with one device that connected while a code was shown.

    Args:
        host: This device and its vault.
        shown: The code.
        entropy: Where randomness comes from.
    """

    def __init__(self, host: Host, shown: Shown, entropy: Entropy) -> None:
        super().__init__()
        self._host = host
        self._shown = shown
        self._entropy = entropy
        self._state = State.HELLO
        self._exchange: Exchange
        self._hello: Hello
        self._commitment: bytes
        self._newcomer: Introduction
        self._challenge: bytes
        self._seed: bytes
        self._short: ShortString
        self._words_match = False
        self._vault_accepted = False

    def start(self) -> list[Effect]:
        """Begin. The joiner speaks first."""
        return [Deadline(HANDSHAKE_S)]

    def words_typed(self, text: str) -> list[Effect]:
        """Take the two words that the person read off the new device.

        Raises:
            BadValue: Not two words that a device could show: ask again, nothing has changed.
            LocalProtocolError: The words were not asked for, or were right already.
        """
        if self._over:
            return []
        if self._state is not State.CONFIRM or self._words_match:
            raise LocalProtocolError("words were typed that nobody asked for")
        if self._short.matches(text):
            self._words_match = True
            self._admit_if_both_agree()
        else:
            self._refuse(
                Reason.WRONG_WORDS,
                WrongCode(
                    "these are not the words that belong to this pairing",
                    hint="If the new device shows exactly these, somebody is between the two "
                    "devices. Start again with a new code, on a network that you trust.",
                ),
                guess=True,
            )
        return self._drain()

    def admitted(self, package: bytes) -> list[Effect]:
        """Say that the new device is a member, and hand over what it needs.

        Args:
            package: At most `PAIRING_PACKAGE_BYTES_MAX` bytes, opaque here.

        Raises:
            LocalProtocolError: `Admit` was not asked for.
        """
        if self._over:
            return []
        if self._state is not State.ADMIT:
            raise LocalProtocolError("a device was admitted that nobody asked to admit")
        assert len(package) <= PAIRING_PACKAGE_BYTES_MAX, "the package is too large to be received"
        self._send(Package(len(package)))
        for start in range(0, len(package), PAIRING_PART_BYTES):
            self._send(Part(package[start : start + PAIRING_PART_BYTES]))
        self._effects.append(Deadline(WRITE_STALL_S + len(package) / PAIRING_BYTES_PER_S_MIN))
        self._state = State.STORED
        return self._drain()

    def _handle(self, message: PairingMessage) -> None:
        match self._state, message:
            case State.STORED, Refusal():
                self._stream_ended()
            case _, Refusal(reason):
                self._fail(REFUSED[reason]())
            case State.HELLO, Hello():
                self._greet(message)
            case State.CLAIM, Claim():
                self._check_claim(message)
            case State.INTRODUCTION, Introduction():
                self._check_introduction(message)
            case State.OPENING, Opening():
                self._check_opening(message)
            case State.CONFIRM, Accept() if not self._vault_accepted:
                self._vault_accepted = True
                self._admit_if_both_agree()
            case State.STORED, Stored():
                self._finish()
            case _:
                raise UnexpectedMessage(
                    f"a {type(message).__name__} while waiting for {self._state.name}"
                )

    def _greet(self, hello: Hello) -> None:
        if VERSION not in hello.versions:
            self._refuse(Reason.VERSION, REFUSED[Reason.VERSION]())
            return
        secret = self._shown.typed if hello.way is Way.TYPED else self._shown.scanned
        nonce = draw(self._entropy, NONCE_BYTES)
        self._hello = hello
        self._exchange = Exchange(
            ceremony.SPONSOR_SIDE,
            ceremony.terms(secret, nonce, hello.nonce),
            ceremony.sponsor_data(VERSION, nonce, self._shown.slot),
            draw(self._entropy, SCALAR_BYTES),
        )
        share = self._exchange.contribution.share
        self._send(Offer(VERSION, nonce, self._shown.slot, share))
        self._state = State.CLAIM

    def _check_claim(self, claim: Claim) -> None:
        """The only place where somebody learns whether a code is right."""
        associated = ceremony.joiner_data(self._hello, claim.commitment)
        agreement = self._exchange.agree(Contribution(claim.share, associated))
        if not agreement.confirms(claim.tag):
            error = WrongCode("a device tried to join with a wrong code")
            self._refuse(Reason.WRONG_CODE, error, guess=True)
            return
        self._commitment = claim.commitment
        self._send(Confirm(agreement.tag))
        self._state = State.INTRODUCTION
        party = Party(ceremony.LABEL, self._host.keys.static, self._entropy)
        self._begin_handshake(Responder(party, [ceremony.gate(agreement.key)]))

    def _on_established(self) -> None:
        """The joiner introduces itself first."""

    def _check_introduction(self, newcomer: Introduction) -> None:
        public = ceremony.proved_keys(newcomer, self._link.remote_static, self._link.binding)
        if device_id(public) in self._host.known:
            error = PairingRefused("the device that knows the code is or was a member already")
            self._refuse(Reason.KNOWN_DEVICE, error)
            return
        self._newcomer = newcomer
        self._present(public)
        self._state = State.OPENING

    def _present(self, newcomer: PublicKeys) -> None:
        """Show who we are, and send our seed: the joiner is committed to its own by now."""
        binding = self._link.binding
        own, vault = self._host.keys.public, self._host.vault
        self._challenge = draw(self._entropy, SEED_BYTES)
        self._seed = draw(self._entropy, SEED_BYTES)
        sealed = seal_to(newcomer.box, self._challenge, ceremony.challenge_info(binding))
        unsigned = Presentation(
            own.signing,
            own.static,
            own.box,
            self._host.name,
            vault.id,
            vault.name,
            vault.devices,
            vault.made_ms,
            sealed,
            self._seed,
            b"",
        )
        signature = sign(self._host.keys.signing, ceremony.proof(unsigned, binding))
        self._send(replace(unsigned, signature=signature))

    def _check_opening(self, opening: Opening) -> None:
        binding = self._link.binding
        if not opens(self._commitment, opening.seed):
            raise HandshakeFailed("the new device changed its mind about its random number")
        if not compare_digest(opening.answer, ceremony.answer(self._challenge, binding)):
            raise HandshakeFailed("the new device did not prove that its box key is its own")
        self._short = short_string(binding, self._seed, opening.seed)
        self._state = State.CONFIRM
        self._effects += [
            Joining(self._public, self._newcomer.name, self._newcomer.kind),
            AskWords(self._short.digits),
            Deadline(PAIRING_CONFIRM_S),
        ]

    def _admit_if_both_agree(self) -> None:
        if self._words_match and self._vault_accepted:
            self._state = State.ADMIT
            self._effects.append(Admit(self._public, self._newcomer.name, self._newcomer.kind))

    def _finish(self) -> None:
        self._send_close()
        self._effects.append(Paired())
        self._end()

    @property
    def _public(self) -> PublicKeys:
        return PublicKeys(self._newcomer.signing, self._newcomer.static, self._newcomer.box)

    def _timed_out(self) -> None:
        if self._state is State.ADMIT:
            # It is this device that is busy, and the other one that waits.
            self._effects.append(Deadline(WRITE_STALL_S))
            return
        if self._state is State.CONFIRM:
            error = PairingRefused("the two devices were not compared in time")
            self._refuse(Reason.TIMEOUT, error)
        elif self._state is State.STORED:
            self._stream_ended()
        else:
            super()._timed_out()

    def _stream_ended(self) -> None:
        if self._state in (State.ADMIT, State.STORED):
            self._fail(
                Unreachable(
                    "the new device is a member, but did not say that it has stored the vault",
                    hint="If it does not show the vault, remove it with `p2pvault devices revoke` "
                    "and pair it again.",
                )
            )
        else:
            super()._stream_ended()
