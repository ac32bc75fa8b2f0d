"""This input, exactly these effects: the state tables of docs/protocol/pairing.md, line by line."""

from collections.abc import Callable
from dataclasses import replace

import pytest

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
    a_hello,
    confirming,
    finished,
    in_the_open,
    joiner,
    keys,
    run,
    sponsor,
)
from p2pvault.crypto.keys import device_id, sign
from p2pvault.errors import (
    BadValue,
    CodeExpired,
    CryptoError,
    HandshakeFailed,
    LimitExceeded,
    MalformedMessage,
    NoPairingDevice,
    PairingRefused,
    Unreachable,
    WrongCode,
)
from p2pvault.limits import (
    HANDSHAKE_S,
    PAIRING_BYTES_PER_S_MIN,
    PAIRING_CONFIRM_S,
    PAIRING_PART_BYTES,
    WRITE_STALL_S,
)
from p2pvault.protocol.pairing import (
    Admit,
    AskWords,
    ConfirmVault,
    Deadline,
    Failed,
    Hangup,
    Host,
    Joiner,
    Joining,
    Newcomer,
    Paired,
    Reason,
    Received,
    Scanned,
    Shown,
    ShowWords,
    Sponsor,
    Typed,
    ceremony,
    fingerprint,
    refusal,
)
from p2pvault.protocol.pairing import joiner as joiner_module
from p2pvault.protocol.pairing.messages import (
    Confirm,
    Introduction,
    Offer,
    PairingMessage,
    Presentation,
)

PHONE = NEWCOMER.keys.public
OTHER_WORDS = "aardvark adroitness"


def test_a_whole_pairing_asks_for_exactly_this() -> None:
    meeting = run(Meeting())
    shown = meeting.joiner.only(ShowWords)
    assert meeting.sponsor.effects == [
        Deadline(HANDSHAKE_S),
        Joining(PHONE, "phone", "phone"),
        AskWords(shown.digits),
        Deadline(PAIRING_CONFIRM_S),
        Admit(PHONE, "phone", "phone"),
        Deadline(WRITE_STALL_S + len(PACKAGE) / PAIRING_BYTES_PER_S_MIN),
        Paired(),
        Hangup(),
    ]
    assert meeting.joiner.effects == [
        Deadline(HANDSHAKE_S),
        ShowWords(shown.words, shown.digits),
        ConfirmVault(VAULT, "laptop"),
        Deadline(PAIRING_CONFIRM_S + HANDSHAKE_S),
        Deadline(WRITE_STALL_S),
        Deadline(WRITE_STALL_S),
        Received(PACKAGE, VAULT, HOST.keys.public),
        Paired(),
        Deadline(WRITE_STALL_S),
        Hangup(),
    ]


def test_the_sponsor_is_not_told_the_words_that_it_asks_for() -> None:
    meeting = confirming()
    shown = meeting.joiner.only(ShowWords)
    assert not any(word in repr(meeting.sponsor.effects) for word in shown.words)


def test_a_scanned_code_pairs_too() -> None:
    ticket = Scanned(SHOWN.scanned, fingerprint(HOST.keys.public))
    meeting = run(Meeting(guest=joiner(ticket=ticket)))
    assert meeting.sponsor.has(Paired)
    assert meeting.joiner.has(Paired)


def test_a_scanned_code_of_another_device_is_refused() -> None:
    ticket = Scanned(SHOWN.scanned, fingerprint(keys("stranger").public))
    meeting = Meeting(guest=joiner(ticket=ticket))
    assert isinstance(meeting.joiner.error, HandshakeFailed)
    assert not meeting.joiner.has(ShowWords)


def test_the_two_answers_may_come_in_any_order() -> None:
    meeting = confirming()
    meeting.type_words()
    assert not meeting.sponsor.has(Admit)
    meeting.accept_vault()
    assert meeting.sponsor.has(Admit)


def test_nothing_is_admitted_before_the_words_are_typed() -> None:
    meeting = confirming()
    meeting.accept_vault()
    assert not meeting.sponsor.has(Admit)
    meeting.type_words()
    assert meeting.sponsor.has(Admit)


def test_words_may_be_typed_untidily() -> None:
    meeting = confirming()
    first, second = meeting.joiner.only(ShowWords).words
    meeting.accept_vault()
    meeting.type_words(f"  {first.upper()} - {second.title()} ")
    assert meeting.sponsor.has(Admit)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "aardvark",
        "aardvark adroitness acid",
        "adroitness aardvark",
        "ardvark adroitness",
        "x" * 999,
    ],
)
def test_a_slip_of_the_fingers_asks_again_and_changes_nothing(typed: str) -> None:
    meeting = confirming()
    with pytest.raises(BadValue) as slip:
        meeting.type_words(typed)
    assert slip.value.hint
    run(meeting)
    assert meeting.sponsor.has(Paired)


def test_p16_other_words_end_the_session_and_burn_the_code() -> None:
    meeting = confirming()
    meeting.type_words(OTHER_WORDS)
    failed = meeting.sponsor.only(Failed)
    assert isinstance(failed.error, WrongCode)
    assert failed.counts_as_guess
    assert failed.burns_code
    assert not meeting.sponsor.has(Admit)
    assert isinstance(meeting.joiner.error, WrongCode)
    assert finished(meeting.sponsor)
    assert finished(meeting.joiner)


def test_a_vault_that_is_not_wanted_is_not_joined() -> None:
    meeting = confirming()
    meeting.type_words()
    meeting.accept_vault(False)
    assert isinstance(meeting.joiner.error, PairingRefused)
    assert isinstance(meeting.sponsor.error, PairingRefused)
    assert not meeting.sponsor.only(Failed).counts_as_guess
    assert not meeting.sponsor.has(Admit)


def test_a_wrong_code_is_one_guess_and_both_are_told() -> None:
    meeting = Meeting(guest=joiner(ticket=Typed(42, b"42-lantern-tulip-violet")))
    failed = meeting.sponsor.only(Failed)
    assert isinstance(failed.error, WrongCode)
    assert failed.counts_as_guess
    assert not failed.burns_code
    assert isinstance(meeting.joiner.error, WrongCode)
    assert finished(meeting.sponsor)
    assert finished(meeting.joiner)


def test_a_typed_code_does_not_pass_for_the_scanned_one() -> None:
    meeting = Meeting(guest=joiner(ticket=Scanned(CODE, fingerprint(HOST.keys.public))))
    assert meeting.sponsor.only(Failed).counts_as_guess


def test_another_slot_ends_the_session_before_anything_is_guessed() -> None:
    meeting = Meeting(guest=joiner(ticket=Typed(43, CODE)))
    assert isinstance(meeting.joiner.error, NoPairingDevice)
    meeting.end_streams()
    assert not meeting.sponsor.only(Failed).counts_as_guess


def test_a_false_sponsor_is_refused_by_its_missing_proof() -> None:
    meeting = Meeting(host=sponsor(shown=Shown(42, b"42-guess", b"")))
    # The false sponsor does not refuse, it answers with a tag that it makes up.
    guest = End(joiner("again"))
    guest.machine.start()
    offer = Offer(1, bytes(16), 42, b"\x09" + bytes(31))
    guest.machine.receive(in_the_open(offer))
    (failed, hangup) = guest.machine.receive(in_the_open(Confirm(bytes(64))))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, WrongCode)
    assert hangup == Hangup()
    assert isinstance(meeting.joiner.error, WrongCode)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (Reason.NO_CODE, CodeExpired),
        (Reason.BUSY, PairingRefused),
        (Reason.VERSION, PairingRefused),
        (Reason.WRONG_CODE, WrongCode),
        (Reason.WRONG_WORDS, WrongCode),
        (Reason.KNOWN_DEVICE, PairingRefused),
        (Reason.DECLINED, PairingRefused),
        (Reason.TIMEOUT, PairingRefused),
    ],
)
def test_a_refusal_says_why(reason: Reason, error: type[Exception]) -> None:
    guest = joiner()
    guest.start()
    failed, hangup = guest.receive(refusal(reason))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, error)
    assert hangup == Hangup()


def test_p20_a_device_that_is_a_member_changes_nothing_and_is_not_even_shown() -> None:
    host = Host(HOST.keys, HOST.name, VAULT, frozenset({device_id(PHONE)}))
    meeting = Meeting(host=sponsor(host=host))
    assert isinstance(meeting.sponsor.error, PairingRefused)
    assert isinstance(meeting.joiner.error, PairingRefused)
    assert not meeting.sponsor.has(Joining)
    assert not meeting.sponsor.only(Failed).counts_as_guess


def test_p18_a_device_does_not_pair_with_itself() -> None:
    meeting = Meeting(guest=joiner(newcomer=Newcomer(HOST.keys, "laptop", "laptop")))
    meeting.end_streams()
    assert not meeting.sponsor.has(Joining)
    assert meeting.sponsor.has(Failed)
    assert isinstance(meeting.joiner.error, HandshakeFailed)


def test_p18_a_device_that_hears_itself_does_not_pair() -> None:
    for machine in (sponsor(), joiner()):
        heard = [e.data for e in machine.start() if hasattr(e, "data")]
        heard += [e.data for e in machine.receive(in_the_open(a_hello())) if hasattr(e, "data")]
        for data in heard:
            machine.receive(data)
        assert machine.over


@pytest.mark.parametrize(
    "name", ["\x1b[2J", "lap\u202etop", "x" * 65, "x" * 1_000_000, "nul\0", "", " ", "u\u0308"]
)
def test_p19_a_newcomer_with_a_harmful_name_is_turned_away(name: str) -> None:
    meeting = Meeting(guest=joiner(newcomer=Newcomer(NEWCOMER.keys, name, "phone")))
    assert isinstance(meeting.sponsor.error, MalformedMessage | LimitExceeded)
    assert not meeting.sponsor.has(Joining)


def test_p17_a_changed_seed_does_not_open_the_commitment() -> None:
    cheat = joiner()
    meeting = Meeting(guest=cheat, wire=_change_seed_after_claim(cheat))
    assert isinstance(meeting.sponsor.error, HandshakeFailed)
    assert "random number" in str(meeting.sponsor.error)
    assert not meeting.sponsor.has(AskWords)


def _change_seed_after_claim(cheat: Joiner) -> Callable[[str, bytes], bytes]:
    def wire(sender: str, data: bytes) -> bytes:
        if cheat._state is joiner_module.State.PRESENTATION:
            cheat._seed = bytes(32)
        return data

    return wire


class Thief(Joiner):
    """Introduces itself with a public key that belongs to somebody else."""

    stolen: dict[str, bytes]

    def _send(self, message: PairingMessage) -> None:
        if isinstance(message, Introduction):
            claimed = replace(message, **self.stolen)
            proof = ceremony.proof(claimed, self._link.binding)
            message = replace(claimed, signature=sign(NEWCOMER.keys.signing, proof))
        super()._send(message)

    def _open_challenge(self, sealed: bytes) -> bytes:
        return bytes(32)


@pytest.mark.parametrize(
    ("key", "complaint"),
    [("signing", "keys are its own"), ("static", "another key"), ("box", "box key")],
)
def test_a6_a_key_of_somebody_else_is_found_out(key: str, complaint: str) -> None:
    thief = Thief(NEWCOMER, Typed(42, CODE), seeded("thief"))
    thief.stolen = {key: getattr(keys("victim").public, key)}
    meeting = Meeting(guest=thief)
    assert isinstance(meeting.sponsor.error, HandshakeFailed)
    assert complaint in str(meeting.sponsor.error)
    assert not meeting.sponsor.has(Joining)


def test_an_unusable_box_key_ends_the_session() -> None:
    thief = Thief(NEWCOMER, Typed(42, CODE), seeded("thief"))
    thief.stolen = {"box": b"\xff" * 1_216}
    meeting = Meeting(guest=thief)
    assert isinstance(meeting.sponsor.error, CryptoError)
    assert finished(meeting.sponsor)


class FalseSponsor(Sponsor):
    """Changes its presentation, before or after it signs."""

    changes: dict[str, str | bytes]
    signs: bool

    def _send(self, message: PairingMessage) -> None:
        if isinstance(message, Presentation):
            message = replace(message, **self.changes)
            if self.signs:
                proof = ceremony.proof(message, self._link.binding)
                message = replace(message, signature=sign(HOST.keys.signing, proof))
        super()._send(message)


@pytest.mark.parametrize(
    ("changes", "signs", "complaint"),
    [
        ({"vault_name": "Somebody's vault"}, False, "keys are its own"),
        ({"static": bytes(32)}, True, "another key"),
        ({"challenge": bytes(1_168)}, True, "another key than ours"),
        ({"challenge": b"\x09" * 1_168}, True, "another key than ours"),
    ],
)
def test_a_presentation_that_does_not_hold_ends_the_session(
    changes: dict[str, str | bytes], signs: bool, complaint: str
) -> None:
    host = FalseSponsor(HOST, SHOWN, seeded("false"))
    host.changes, host.signs = changes, signs
    meeting = Meeting(host=host)
    assert isinstance(meeting.joiner.error, HandshakeFailed)
    assert complaint in str(meeting.joiner.error)
    assert not meeting.joiner.has(ConfirmVault)


def test_a_package_of_many_parts_arrives_whole() -> None:
    package = bytes(range(256)) * (5 * PAIRING_PART_BYTES // 512) + b"end"
    meeting = run(Meeting(), package)
    assert meeting.joiner.only(Received).package == package
    assert meeting.sponsor.has(Paired)


def test_an_empty_package_arrives_too() -> None:
    assert run(Meeting(), b"").joiner.only(Received).package == b""


def test_the_sponsor_is_not_done_before_the_joiner_has_stored() -> None:
    meeting = confirming()
    meeting.accept_vault()
    meeting.type_words()
    meeting.admit()
    assert meeting.joiner.has(Received)
    assert not meeting.sponsor.has(Paired)
    assert not meeting.joiner.has(Paired)
    meeting.store()
    assert meeting.sponsor.has(Paired)


# Time and streams ---------------------------------------------------------------------------


def test_silence_ends_both_sides() -> None:
    for machine in (sponsor(), joiner()):
        machine.start()
        effects = machine.timeout()
        assert isinstance(effects[-2], Failed)
        assert isinstance(effects[-2].error, Unreachable)
        assert effects[-1] == Hangup()


def test_nobody_comparing_the_words_ends_both_sides() -> None:
    meeting = confirming()
    meeting.do(meeting.sponsor, meeting.sponsor.machine.timeout())
    assert isinstance(meeting.sponsor.error, PairingRefused)
    assert isinstance(meeting.joiner.error, PairingRefused)


def test_time_does_not_run_while_a_device_works_for_itself() -> None:
    meeting = confirming()
    meeting.accept_vault()
    meeting.type_words()
    assert meeting.sponsor.machine.timeout() == [Deadline(WRITE_STALL_S)]
    meeting.admit()
    assert meeting.joiner.machine.timeout() == [Deadline(WRITE_STALL_S)]
    meeting.store()
    assert meeting.sponsor.has(Paired)


@pytest.mark.parametrize("ending", ["lost", "timeout"])
def test_a_member_that_never_said_stored_is_reported_as_such(ending: str) -> None:
    meeting = confirming()
    meeting.accept_vault()
    meeting.type_words()
    meeting.admit()
    meeting.do(meeting.sponsor, getattr(meeting.sponsor.machine, ending)())
    assert "is a member" in str(meeting.sponsor.error)


def test_a_member_that_gives_up_before_it_stored_is_reported_as_one() -> None:
    meeting = confirming()
    meeting.accept_vault()
    meeting.type_words()
    meeting.admit()
    assert meeting.joiner.has(Received)
    meeting.do(meeting.joiner, meeting.joiner.machine.cancel())
    assert "is a member" in str(meeting.sponsor.error)


@pytest.mark.parametrize("ending", ["lost", "timeout"])
def test_a_joiner_that_is_paired_does_not_mind_how_the_stream_ends(ending: str) -> None:
    guest = joiner()
    meeting = confirming(guest)
    meeting.accept_vault()
    meeting.type_words()
    meeting.admit()
    guest.stored()
    assert getattr(guest, ending)() == [Hangup()]


def test_cancelling_tells_the_other_side() -> None:
    for side in ("sponsor", "joiner"):
        meeting = confirming()
        end = getattr(meeting, side)
        meeting.do(end, end.machine.cancel())
        assert isinstance(meeting.sponsor.error, PairingRefused)
        assert isinstance(meeting.joiner.error, PairingRefused)


def test_a_session_that_is_over_takes_everything_and_does_nothing() -> None:
    meeting = run(Meeting())
    for machine in (meeting.sponsor.machine, meeting.joiner.machine):
        assert machine.receive(b"\xff" * 1000) == machine.lost() == machine.timeout() == []
        assert machine.cancel() == []
    assert isinstance(meeting.sponsor.machine, Sponsor)
    assert isinstance(meeting.joiner.machine, Joiner)
    assert meeting.sponsor.machine.words_typed("x") == meeting.sponsor.machine.admitted(b"") == []
    assert meeting.joiner.machine.vault_accepted(True) == meeting.joiner.machine.stored() == []
