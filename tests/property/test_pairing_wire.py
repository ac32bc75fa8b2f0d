"""Whoever sits on the wire, between two honest devices or as one of them, gets nothing."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.entropy import seeded
from harness.pairing import (
    CODE,
    HOST,
    PACKAGE,
    SHOWN,
    VAULT,
    Meeting,
    finished,
    joiner,
    keys,
    run,
    sponsor,
)
from p2pvault.crypto.framing import frame
from p2pvault.errors import BadValue, VaultError, WrongCode
from p2pvault.protocol.pairing import (
    Admit,
    AskWords,
    Effect,
    Failed,
    Host,
    Joiner,
    Newcomer,
    Paired,
    Received,
    Scanned,
    Shown,
    ShowWords,
    Sponsor,
    Typed,
    fingerprint,
)
from p2pvault.protocol.pairing.messages import PairingMessage, Way, decode, encode, kind_of
from p2pvault.protocol.pairing.words import (
    TYPED_CHARACTERS_MAX,
    commit,
    opens,
    read_words,
    short_string,
)

SIDES = ("sponsor", "joiner")


@cache
def lengths() -> dict[str, int]:
    """How many bytes each side sends in a whole pairing; no key or random number changes it."""
    sent = dict.fromkeys(SIDES, 0)

    def count(sender: str, data: bytes) -> bytes:
        sent[sender] += len(data)
        return data

    run(Meeting(wire=count))
    return sent


class Tamper:
    """Changes or cuts what one side sends, at one place of its whole stream."""

    def __init__(self, side: str, at: int, flip: int | None) -> None:
        self._side = side
        self._at = at
        self._flip = flip
        self._passed = 0

    def __call__(self, sender: str, data: bytes) -> bytes:
        if sender != self._side:
            return data
        place = self._at - self._passed
        self._passed += len(data)
        if not place < len(data):
            return data
        if self._flip is None:
            return data[: max(0, place)]
        if place < 0:
            return data
        return data[:place] + bytes([data[place] ^ self._flip]) + data[place + 1 :]


def check_that_it_failed_closed(meeting: Meeting) -> None:
    meeting.end_streams()
    assert finished(meeting.sponsor)
    assert finished(meeting.joiner)
    assert meeting.sponsor.has(Failed) or meeting.joiner.has(Failed) or meeting.joiner.has(Paired)
    # What reached a person or a store is what the honest side sent.
    for received in (e for e in meeting.joiner.effects if isinstance(e, Received)):
        assert received == Received(PACKAGE, VAULT, HOST.keys.public)
    if meeting.sponsor.has(Paired):
        assert meeting.joiner.has(Paired)
    if meeting.sponsor.has(AskWords) and meeting.joiner.has(ShowWords):
        assert meeting.sponsor.only(AskWords).digits == meeting.joiner.only(ShowWords).digits


@settings(max_examples=150)
@given(st.data(), st.sampled_from(SIDES), st.integers(1, 255))
def test_p10_a_changed_byte_anywhere_fails_closed(data, side: str, flip: int) -> None:
    at = data.draw(st.integers(0, lengths()[side] - 1))
    meeting = run(Meeting(wire=Tamper(side, at, flip)))
    check_that_it_failed_closed(meeting)
    assert meeting.sponsor.has(Failed) or meeting.joiner.has(Failed) or _only_the_close(side, at)


def _only_the_close(side: str, at: int) -> bool:
    """The last frame of each side is its close; the other side is done without it."""
    return at >= lengths()[side] - 274


@pytest.mark.parametrize("side", SIDES)
def test_p10_every_changed_byte_in_the_open_ends_before_the_words(side: str) -> None:
    for at in range({"sponsor": 128, "joiner": 168}[side]):
        meeting = run(Meeting(wire=Tamper(side, at, 1)))
        assert not meeting.sponsor.has(AskWords)
        assert not meeting.joiner.has(ShowWords)
        assert not meeting.sponsor.has(Admit)
        check_that_it_failed_closed(meeting)


def rewriting(
    side: str, rewrite: Callable[[PairingMessage], PairingMessage]
) -> Callable[[str, bytes], bytes]:
    """Return a wire on which somebody rewrites the first message of one side, well-formed."""
    done: list[bool] = []

    def wire(sender: str, data: bytes) -> bytes:
        if sender != side or done:
            return data
        done.append(True)
        message = rewrite(decode(data[2], data[3:]))
        return frame(bytes([kind_of(message)]) + encode(message))

    return wire


@pytest.mark.parametrize(
    "changes", [{"versions": (1, 2)}, {"versions": (0, 1)}, {"nonce": bytes(16)}]
)
def test_p12_a_rewritten_hello_is_noticed_by_both(
    changes: dict[str, bytes | tuple[int, ...]],
) -> None:
    meeting = Meeting(wire=rewriting("joiner", lambda hello: replace(hello, **changes)))
    assert isinstance(meeting.sponsor.error, WrongCode)
    assert isinstance(meeting.joiner.error, WrongCode)


def test_a_hello_turned_from_scanned_to_typed_is_noticed_even_if_the_secrets_are_equal() -> None:
    host = sponsor(shown=Shown(42, CODE, CODE))
    wire = rewriting("joiner", lambda hello: replace(hello, way=Way.SCANNED))
    meeting = Meeting(host, wire=wire)
    assert isinstance(meeting.sponsor.error, WrongCode)


@pytest.mark.parametrize("changes", [{"slot": 43}, {"nonce": bytes(16)}])
def test_p12_a_rewritten_offer_is_noticed_by_both(changes: dict[str, int | bytes]) -> None:
    ticket = Scanned(SHOWN.scanned, fingerprint(HOST.keys.public))
    wire = rewriting("sponsor", lambda offer: replace(offer, **changes))
    meeting = Meeting(guest=joiner(ticket=ticket), wire=wire)
    assert isinstance(meeting.sponsor.error, WrongCode)
    assert isinstance(meeting.joiner.error, WrongCode)


@settings(max_examples=150)
@given(st.data(), st.sampled_from(SIDES))
def test_p9_a_stream_cut_anywhere_fails_closed(data, side: str) -> None:
    at = data.draw(st.integers(0, lengths()[side] - 1))
    meeting = run(Meeting(wire=Tamper(side, at, None)))
    check_that_it_failed_closed(meeting)


@settings(max_examples=15)
@given(st.integers(1, 300))
def test_bytes_in_any_pieces_have_the_same_effects(piece: int) -> None:
    whole, pieces = run(Meeting()), run(Meeting(piece=piece))
    assert _comparable(whole.sponsor.effects) == _comparable(pieces.sponsor.effects)
    assert _comparable(whole.joiner.effects) == _comparable(pieces.joiner.effects)


def _comparable(effects: list[Effect]) -> list[object]:
    """The words and digits differ each time: HPKE and ML-KEM take randomness of their own."""
    varying = AskWords | ShowWords
    return [type(effect) if isinstance(effect, varying) else effect for effect in effects]


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_any_bytes_at_all_end_in_one_clear_failure(pieces: list[bytes], with_code: bool) -> None:
    machine: Sponsor | Joiner = sponsor() if with_code else joiner()
    machine.start()
    effects = [effect for piece in pieces for effect in machine.receive(piece)]
    effects += machine.lost()
    failures = [effect for effect in effects if isinstance(effect, Failed)]
    assert len(failures) == 1
    assert isinstance(failures[0].error, VaultError)
    assert not failures[0].counts_as_guess


@settings(max_examples=300)
@given(st.integers(0, 15), st.binary(max_size=300))
def test_a_message_has_one_encoding_only(kind: int, body: bytes) -> None:
    try:
        message = decode(kind, body)
    except VaultError:
        return
    assert (kind_of(message), encode(message)) == (kind, body)


# Somebody in the middle who knows the code ---------------------------------------------------

ATTACKER = keys("attacker")


def in_the_middle(seed: object) -> tuple[Meeting, Meeting]:
    """The attacker joins at the sponsor, and is the sponsor of the real new device."""
    false_joiner = Joiner(
        Newcomer(ATTACKER, "phone", "phone"), Typed(42, CODE), seeded(("towards sponsor", seed))
    )
    false_sponsor = Sponsor(
        Host(ATTACKER, "laptop", VAULT, frozenset()), SHOWN, seeded(("towards joiner", seed))
    )
    left = Meeting(sponsor(seed), false_joiner).to_confirmation()
    right = Meeting(false_sponsor, joiner(seed)).to_confirmation()
    return left, right


def test_p16_somebody_in_the_middle_who_knows_the_code_is_found_by_the_words() -> None:
    left, right = in_the_middle("found")
    left.accept_vault()
    left.type_words(" ".join(right.joiner.only(ShowWords).words))
    failed = left.sponsor.only(Failed)
    assert isinstance(failed.error, WrongCode)
    assert failed.burns_code
    assert not left.sponsor.has(Admit)


def test_p16_the_words_on_both_sides_of_an_attacker_are_independent() -> None:
    words, digits, same_first = Counter[str](), 0, 0
    runs = 150
    for seed in range(runs):
        left, right = in_the_middle(seed)
        # The attacker's own joiner knows what the sponsor will ask for.
        asked, shown = left.joiner.only(ShowWords), right.joiner.only(ShowWords)
        assert asked.words != shown.words
        words.update((*asked.words, *shown.words))
        digits += asked.digits == shown.digits
        same_first += asked.words[0] == shown.words[0]
    # Of 150 independent pairs 0.6 share the first word and 1.5 the digits; 12 has p < 1e-7.
    assert same_first < 12
    assert digits < 12
    # 600 draws from two lists of 256 leave about e**-1.17 = 31 % unseen.
    assert 300 < len(words) < 410


def test_the_words_are_the_specified_function_of_three_inputs() -> None:
    """docs/protocol/pairing.md, written out with the standard library alone."""
    even, odd = (
        files("p2pvault.protocol").joinpath("words", f"pgp-{parity}.txt").read_text().split()
        for parity in ("even", "odd")
    )
    for n in range(50):
        inputs = [seeded(n)(size) for size in (64, 32, 32)]
        hasher = hashlib.blake2b(digest_size=32, person=b"p2pv-sas")
        for part in inputs:
            hasher.update(len(part).to_bytes(8, "big") + part)
        hashed = hasher.digest()
        short = short_string(*inputs)
        assert short.words == (even[hashed[0]], odd[hashed[1]])
        assert short.digits == f"{int.from_bytes(hashed[2:10], 'big') % 100:02}"
        assert short.matches(" ".join(short.words))


def test_all_words_and_digits_come_about_equally_often() -> None:
    first, second, digits = Counter[str](), Counter[str](), Counter[str]()
    for n in range(25_600):
        short = short_string(n.to_bytes(64, "big"), b"s", b"j")
        first[short.words[0]] += 1
        second[short.words[1]] += 1
        digits[short.digits] += 1
    # 100 (256 for digits) expected each; seven standard deviations either way.
    assert len(first) == len(second) == 256
    assert len(digits) == 100
    assert all(30 < count < 170 for count in (*first.values(), *second.values()))
    assert all(144 < count < 368 for count in digits.values())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_p17_a_commitment_opens_with_its_seed_only(seed: bytes, other: bytes) -> None:
    assert opens(commit(seed), seed)
    assert opens(commit(seed), other) == (seed == other)


def test_words_are_read_up_to_as_many_characters_as_may_be_typed() -> None:
    words = ("aardvark", "adroitness")
    assert read_words(" ".join(words).ljust(TYPED_CHARACTERS_MAX)) == words
    with pytest.raises(BadValue):
        read_words(" ".join(words).ljust(TYPED_CHARACTERS_MAX + 1))


@given(st.text(max_size=80))
def test_any_typed_text_is_two_words_or_one_clear_error(text: str) -> None:
    try:
        message = " ".join(read_words(text))
    except VaultError as error:
        message = str(error)
    assert message.isprintable()
