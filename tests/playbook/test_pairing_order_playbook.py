"""Pairing: messages and answers in the wrong order, and the count of guesses."""

import pytest

from harness.entropy import seeded
from harness.pairing import (
    CODE,
    HOST,
    NEWCOMER,
    PACKAGE,
    SHOWN,
    End,
    Meeting,
    a_hello,
    confirming,
    finished,
    in_the_open,
    joiner,
    run,
    sponsor,
)
from p2pvault.errors import (
    CodeExpired,
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    UnexpectedMessage,
    Unreachable,
)
from p2pvault.limits import (
    PAIRING_PACKAGE_BYTES_MAX,
)
from p2pvault.protocol.code import parse_code
from p2pvault.protocol.pairing import (
    Failed,
    Hangup,
    Joiner,
    Reason,
    Scanned,
    Send,
    Sponsor,
    Typed,
    refusal,
)
from p2pvault.protocol.pairing.messages import (
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
    Stored,
    Way,
    encode,
    kind_of,
)
from p2pvault.protocol.window import PairingWindow

OTHER_WORDS = "aardvark adroitness"


# Wrong order ---------------------------------------------------------------------------------


def test_answers_to_questions_that_were_not_asked_are_our_own_mistakes() -> None:
    with pytest.raises(LocalProtocolError):
        sponsor().words_typed(OTHER_WORDS)
    with pytest.raises(LocalProtocolError):
        sponsor().admitted(b"")
    with pytest.raises(LocalProtocolError):
        joiner().vault_accepted(True)
    with pytest.raises(LocalProtocolError):
        joiner().stored()
    meeting = confirming()
    meeting.type_words()
    with pytest.raises(LocalProtocolError):
        meeting.type_words()


SOME: tuple[PairingMessage, ...] = (
    a_hello(),
    Offer(1, bytes(16), 42, b"\x09" + bytes(31)),
    Claim(b"\x09" + bytes(31), bytes(32), bytes(64)),
    Confirm(bytes(64)),
    Introduction(bytes(32), bytes(32), bytes(1_216), "n", "k", bytes(64)),
    Presentation(
        bytes(32),
        bytes(32),
        bytes(1_216),
        "n",
        bytes(32),
        "v",
        1,
        0,
        bytes(1_168),
        bytes(32),
        bytes(64),
    ),
    Opening(bytes(32), bytes(32)),
    Accept(),
    Package(1),
    Part(b"x"),
    Stored(),
)


@pytest.mark.parametrize("message", SOME, ids=lambda message: type(message).__name__)
def test_in_the_open_each_side_waits_for_one_message_only(message: PairingMessage) -> None:
    if not isinstance(message, Hello):
        (failed, _) = sponsor().receive(in_the_open(message))
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, UnexpectedMessage | MalformedMessage)
    if not isinstance(message, Offer):
        (failed, _) = joiner().receive(in_the_open(message))
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, UnexpectedMessage | MalformedMessage)


class PuppetJoiner(Joiner):
    """Sends another message in the place of one kind."""

    swap: tuple[type[PairingMessage], PairingMessage]

    def _send(self, message: PairingMessage) -> None:
        kind, other = self.swap
        super()._send(other if isinstance(message, kind) else message)


class PuppetSponsor(Sponsor):
    """The same on the other side."""

    swap: tuple[type[PairingMessage], PairingMessage]

    def _send(self, message: PairingMessage) -> None:
        kind, other = self.swap
        super()._send(other if isinstance(message, kind) else message)


@pytest.mark.parametrize("message", SOME, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("place", [Introduction, Opening, Accept, Stored])
def test_the_sponsor_takes_no_message_in_the_place_of_another(
    place: type[PairingMessage], message: PairingMessage
) -> None:
    if isinstance(message, place):
        return
    guest = PuppetJoiner(NEWCOMER, Typed(42, CODE), seeded("puppet"))
    guest.swap = (place, message)
    meeting = run(Meeting(guest=guest))
    assert isinstance(meeting.sponsor.error, UnexpectedMessage)
    assert finished(meeting.sponsor)


@pytest.mark.parametrize("message", SOME, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("place", [Presentation, Package, Part])
def test_the_joiner_takes_no_message_in_the_place_of_another(
    place: type[PairingMessage], message: PairingMessage
) -> None:
    if isinstance(message, place):
        return
    host = PuppetSponsor(HOST, SHOWN, seeded("puppet"))
    host.swap = (place, message)
    meeting = run(Meeting(host=host))
    assert isinstance(meeting.joiner.error, UnexpectedMessage)
    assert finished(meeting.joiner)


def say(meeting: Meeting, end: End, message: PairingMessage) -> None:
    """Let one end say something that nobody asked it to say."""
    end.machine._send(message)
    meeting.do(end, end.machine._drain())


@pytest.mark.parametrize("message", SOME, ids=lambda message: type(message).__name__)
def test_nothing_is_taken_while_a_person_or_a_device_has_to_answer(
    message: PairingMessage,
) -> None:
    deciding = confirming()
    say(deciding, deciding.sponsor, message)
    assert isinstance(deciding.joiner.error, UnexpectedMessage)

    admitting = confirming()
    admitting.accept_vault()
    admitting.type_words()
    say(admitting, admitting.joiner, message)
    assert isinstance(admitting.sponsor.error, UnexpectedMessage)

    storing = confirming()
    storing.accept_vault()
    storing.type_words()
    storing.admit()
    say(storing, storing.sponsor, message)
    assert isinstance(storing.joiner.error, UnexpectedMessage)


def test_a_message_on_another_stream_ends_the_session() -> None:
    meeting = confirming()
    stray = meeting.joiner.machine._link.channel.seal(kind_of(Accept()), encode(Accept()), stream=1)
    meeting.do(meeting.sponsor, meeting.sponsor.machine.receive(stray))
    assert isinstance(meeting.sponsor.error, MalformedMessage)


def test_a_close_in_the_middle_ends_the_session() -> None:
    meeting = confirming()
    close = meeting.joiner.machine._link.channel.close()
    meeting.do(meeting.sponsor, meeting.sponsor.machine.receive(close))
    assert isinstance(meeting.sponsor.error, Unreachable)


def test_a_vault_is_accepted_once() -> None:
    meeting = confirming()
    meeting.accept_vault()
    say(meeting, meeting.joiner, Accept())
    assert isinstance(meeting.sponsor.error, UnexpectedMessage)


@pytest.mark.parametrize(
    ("size", "parts"), [(3, [b"1234"]), (3, [b"12", b"34"]), (3, [b""]), (0, [b"1"])]
)
def test_parts_that_do_not_add_up_are_refused(size: int, parts: list[bytes]) -> None:
    meeting = confirming()
    meeting.accept_vault()
    for message in (Package(size), *(Part(part) for part in parts)):
        if not meeting.joiner.machine.over:
            say(meeting, meeting.sponsor, message)
    assert isinstance(meeting.joiner.error, LimitExceeded | UnexpectedMessage)


def test_a_package_above_its_bound_is_refused_before_any_part() -> None:
    meeting = confirming()
    meeting.accept_vault()
    say(meeting, meeting.sponsor, Package(PAIRING_PACKAGE_BYTES_MAX + 1))
    assert isinstance(meeting.joiner.error, LimitExceeded)


def test_a_newer_joiner_is_told_to_update() -> None:
    (sent, failed, hangup) = sponsor().receive(in_the_open(Hello((2, 3), bytes(16), Way.TYPED)))
    assert sent == Send(refusal(Reason.VERSION))
    assert isinstance(failed, Failed)
    assert "Update" in failed.error.hint
    assert hangup == Hangup()


def test_a_sponsor_that_chooses_what_was_not_offered_is_refused() -> None:
    (failed, _) = joiner().receive(in_the_open(Offer(2, bytes(16), 42, b"\x09" + bytes(31))))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, UnexpectedMessage)


# Guesses -------------------------------------------------------------------------------------


class Attempts:
    """A window with sessions, composed as a daemon composes them."""

    def __init__(self) -> None:
        self.window = PairingWindow()
        self.window.open(0.0)
        self.now = 0.0

    def guess(self, secret: bytes) -> Meeting:
        self.window.begin(self.now)
        meeting = Meeting(guest=joiner(secret, ticket=Typed(42, secret)))
        failed = [e for e in meeting.sponsor.effects if isinstance(e, Failed)]
        self.window.end(
            self.now,
            guessed=any(e.counts_as_guess for e in failed),
            burn=any(e.burns_code for e in failed),
        )
        return meeting


def test_p15_the_fourth_guess_is_not_taken_even_if_it_is_right() -> None:
    attempts = Attempts()
    for n in range(3):
        assert attempts.guess(b"wrong %d" % n).sponsor.has(Failed)
    with pytest.raises(CodeExpired):
        attempts.guess(CODE)


def test_a_right_code_after_two_wrong_ones_still_works() -> None:
    attempts = Attempts()
    attempts.guess(b"wrong")
    attempts.guess(b"wrong")
    attempts.guess(CODE).to_confirmation()


def test_a_right_code_that_came_too_late_is_not_taken() -> None:
    attempts = Attempts()
    attempts.now = 120.0
    with pytest.raises(CodeExpired):
        attempts.guess(CODE)


def test_connecting_and_leaving_is_no_guess() -> None:
    for machine in (sponsor(), sponsor()):
        machine.start()
        machine.receive(in_the_open(a_hello()))
        (failed, _) = machine.lost()
        assert isinstance(failed, Failed)
        assert not failed.counts_as_guess


def test_the_code_that_is_typed_is_the_code_that_pairs() -> None:
    typed = parse_code("42 LAN tul vio")
    meeting = Meeting(guest=joiner(ticket=Typed(typed.slot, typed.secret)))
    meeting.to_confirmation()


def test_no_secret_is_in_any_representation() -> None:
    meeting = run(Meeting())
    shown = repr(
        (
            SHOWN,
            HOST,
            NEWCOMER,
            Typed(42, CODE),
            Scanned(SHOWN.scanned, bytes(16)),
            meeting.sponsor.effects,
            meeting.joiner.effects,
        )
    )
    secrets = (CODE, SHOWN.scanned, HOST.keys.static, NEWCOMER.keys.signing, PACKAGE)
    assert not any(repr(secret)[2:-1] in shown for secret in secrets)
