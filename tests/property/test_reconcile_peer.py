"""What one side knows of the other: a model with two whole logs, and the rules on bad words."""

from collections.abc import Iterable
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.batches import author, digest
from p2pvault.errors import LimitExceeded, MalformedMessage, UnexpectedMessage
from p2pvault.limits import (
    ENTRY_BYTES_MAX,
    JOURNAL_ENTRIES_MAX,
    JOURNALS_MAX,
    MESSAGE_BYTES_MAX,
    UNACKNOWLEDGED_BYTES_MAX,
)
from p2pvault.protocol.reconcile import (
    UNSETTLED,
    Have,
    Peer,
    Verdict,
    content_digest,
    decode_have,
    decode_refused,
    encode_have,
    encode_refused,
    first_missing,
    missing_here,
    missing_there,
)
from p2pvault.types import AuthorId, EntryHash, Fingerprint, JournalHead, StoredEntry
from p2pvault.wire.codec import pack

authors = st.integers(0, 5).map(author)
heads = st.builds(
    JournalHead, authors, st.integers(1, 9), st.binary(min_size=32, max_size=32).map(EntryHash)
)
contents = st.binary(min_size=32, max_size=32)
CONTENT = b"c" * 32


def entry(by: int, n: int, size: int = 100) -> StoredEntry:
    return StoredEntry(0, author(by), n, EntryHash(digest((by, n))), bytes(size))


def head(by: int, n: int) -> JournalHead:
    return JournalHead(author(by), n, EntryHash(digest((by, n))))


def journals(**numbers: int) -> dict:
    made = [head(int(name[1:]), n) for name, n in numbers.items()]
    return {each.author: each for each in made}


def have(content: bytes = CONTENT, **numbers: int) -> Have:
    return Have(tuple(journals(**numbers).values()), content)


# Messages ----------------------------------------------------------------------------------


@given(st.lists(heads, max_size=8), contents)
def test_a_have_comes_back(listed, content) -> None:
    message = Have(tuple(listed), content)
    assert decode_have(encode_have(message)) == message


def test_the_largest_have_fits_into_a_message() -> None:
    listed = tuple(
        JournalHead(author(number), JOURNAL_ENTRIES_MAX, EntryHash(bytes(32)))
        for number in range(JOURNALS_MAX)
    )
    body = encode_have(Have(listed, bytes(32)))
    assert len(body) <= MESSAGE_BYTES_MAX
    assert len(decode_have(body).journals) == JOURNALS_MAX
    with pytest.raises(LimitExceeded):
        decode_have(encode_have(Have((*listed, listed[0]), bytes(32))))


@pytest.mark.parametrize(
    "tree",
    [
        [],
        [[], b"x" * 31],
        [[[bytes(16), -1, bytes(32)]], bytes(32)],
        [[[b"", 1, b""]], bytes(32)],
        7,
    ],
)
def test_a_have_of_another_shape_is_refused(tree) -> None:
    with pytest.raises(MalformedMessage):
        decode_have(pack(tree))


@given(st.dictionaries(st.text("ab", max_size=3), st.integers(0, 2**256 - 1), max_size=4))
def test_the_content_digest_is_a_function_of_what_the_collections_hold(totals) -> None:
    prints = [Fingerprint(name, total, 0) for name, total in totals.items()]
    assert content_digest(prints) == content_digest(reversed(prints))
    empty = Fingerprint("never used", 0, 0)
    assert content_digest([*prints, empty]) == content_digest(prints)
    more = Fingerprint("another", 1, 0)
    assert content_digest([*prints, more]) != content_digest(prints)


def test_the_content_digest_is_the_one_of_the_specification() -> None:
    hasher = blake2b(digest_size=32, person=b"p2pv-content")
    for part in (b"a", (2**255).to_bytes(32, "big"), b"notes", (5).to_bytes(32, "big")):
        hasher.update(len(part).to_bytes(8, "big") + part)
    prints = [Fingerprint("notes", 5, 1), Fingerprint("a", 2**255, 3)]
    assert content_digest(prints) == hasher.digest()


# What a peer says --------------------------------------------------------------------------


def test_nothing_is_equal_before_the_peer_has_spoken() -> None:
    assert Peer().compare({}, bytes(32)) is Verdict.APART


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict"),
    [
        ({"j1": 2}, {"j1": 2}, Verdict.EQUAL),
        ({}, {}, Verdict.EQUAL),
        ({"j1": 2}, {"j1": 3}, Verdict.APART),
        ({"j1": 3}, {"j1": 2}, Verdict.APART),
        ({"j1": 2}, {"j1": 2, "j2": 1}, Verdict.APART),
        ({"j1": 2, "j2": 1}, {"j1": 2}, Verdict.APART),
    ],
)
def test_journals_decide_what_is_compared(theirs, ours, verdict) -> None:
    peer = Peer()
    peer.heard(have(**theirs))
    assert peer.compare(journals(**ours), CONTENT) is verdict


def test_equal_journals_with_other_content_are_a_contradiction() -> None:
    peer = Peer()
    peer.heard(have(j1=2))
    assert peer.compare(journals(j1=2), b"x" * 32) is Verdict.CONTRADICTION


@pytest.mark.parametrize(("theirs", "ours"), [(UNSETTLED, CONTENT), (CONTENT, UNSETTLED)])
def test_content_that_is_unsettled_on_either_side_proves_nothing(theirs, ours) -> None:
    peer = Peer()
    peer.heard(have(theirs, j1=2))
    assert peer.compare(journals(j1=2), ours) is Verdict.APART


def test_entries_continue_what_is_held_or_under_way_without_a_gap() -> None:
    peer = Peer()
    peer.heard(have(j1=2))
    assert peer.continues([])
    assert peer.continues([entry(1, 3), entry(2, 1), entry(1, 4)])
    assert not peer.continues([entry(1, 4)])
    assert not peer.continues([entry(1, 3), entry(1, 5)])
    assert not peer.continues([entry(2, 2)])
    peer.sent(entry(1, 3))
    assert peer.continues([entry(1, 4)])


def test_one_number_with_two_hashes_is_a_contradiction_whatever_else_differs() -> None:
    peer = Peer()
    peer.heard(have(j1=2, j2=7))
    ours = {author(1): JournalHead(author(1), 2, EntryHash(bytes(32)))}
    assert peer.compare(ours, bytes(32)) is Verdict.CONTRADICTION


def test_a_contested_journal_is_a_contradiction_where_all_else_is_equal() -> None:
    peer = Peer()
    peer.heard(have(j1=2))
    assert peer.compare(journals(j1=2), CONTENT) is Verdict.EQUAL
    peer.contested.add(author(1))
    assert peer.compare(journals(j1=2), CONTENT) is Verdict.CONTRADICTION


def test_an_entry_of_the_peer_does_not_make_its_last_word_a_contradiction() -> None:
    """Its HAVE about the entry may still be on its way when the entry is durable here."""
    peer = Peer()
    peer.heard(have(j1=1))
    peer.received(entry(1, 2))
    assert peer.compare(journals(j1=2), b"moved on" * 4) is Verdict.APART
    peer.heard(have(b"moved on" * 4, j1=2))
    assert peer.compare(journals(j1=2), b"moved on" * 4) is Verdict.EQUAL


@pytest.mark.parametrize(
    "bad", [have(j1=2), Have((JournalHead(author(1), 3, EntryHash(bytes(32))),), bytes(32))]
)
def test_a_journal_of_a_peer_never_goes_back_nor_changes(bad) -> None:
    peer = Peer()
    peer.heard(have(j1=3))
    with pytest.raises(UnexpectedMessage):
        peer.heard(bad)


def test_a_peer_cannot_name_more_journals_than_there_may_be() -> None:
    peer = Peer()
    named = [Have((head(number, 1),), bytes(32)) for number in range(JOURNALS_MAX + 1)]
    for each in named[:-1]:
        peer.heard(each)
    with pytest.raises(LimitExceeded):
        peer.heard(named[-1])


def test_what_the_peer_sent_is_never_sent_back() -> None:
    peer = Peer()
    peer.heard(have())
    peer.received(entry(1, 1))
    assert not peer.lacks(entry(1, 1))
    assert peer.lacks(entry(1, 2))
    assert first_missing(journals(j1=2), peer) == [(author(1), 2)]


def test_the_window_is_what_is_not_acknowledged() -> None:
    peer = Peer()
    peer.heard(have())
    for n in range(1, 6):
        peer.sent(entry(1, n, ENTRY_BYTES_MAX))
    assert peer.window_bytes == 0
    peer.heard(have(j1=2))
    assert peer.window_bytes == UNACKNOWLEDGED_BYTES_MAX - 3 * ENTRY_BYTES_MAX
    peer.heard(have(j1=5))
    assert (peer.in_flight_bytes, len(peer.in_flight)) == (0, 0)


def test_what_the_peer_refused_is_settled_without_being_held() -> None:
    peer = Peer()
    peer.heard(have())
    for n in range(1, 6):
        peer.sent(entry(1, n, ENTRY_BYTES_MAX))
    peer.heard_refused([(author(1), 3)])
    assert peer.window_bytes == UNACKNOWLEDGED_BYTES_MAX - 2 * ENTRY_BYTES_MAX
    assert peer.compare(journals(j1=5), bytes(32)) is Verdict.APART
    peer.heard_refused([(author(1), 9)])
    assert (peer.in_flight_bytes, len(peer.in_flight)) == (0, 0)
    assert not peer.lacks(entry(1, 9))
    assert peer.lacks(entry(1, 10))
    assert first_missing(journals(j1=9, j2=1), peer) == [(author(2), 1)]
    peer.heard_refused([(author(1), 2)])
    assert not peer.lacks(entry(1, 9)), "refusals do not shrink on one link"


def test_a_peer_cannot_refuse_more_journals_than_there_may_be() -> None:
    peer = Peer()
    peer.heard_refused((author(number), 1) for number in range(JOURNALS_MAX))
    with pytest.raises(LimitExceeded):
        peer.heard_refused([(author(JOURNALS_MAX), 1)])


@given(st.lists(st.tuples(authors, st.integers(0, 9)), max_size=8))
def test_a_refusal_comes_back(listed) -> None:
    assert decode_refused(encode_refused(listed)) == tuple(listed)


@pytest.mark.parametrize("tree", [7, [[bytes(15), 1]], [[bytes(16), -1]], [[bytes(16)]]])
def test_a_refusal_of_another_shape_is_refused(tree) -> None:
    with pytest.raises(MalformedMessage):
        decode_refused(pack(tree))


@given(st.lists(heads, max_size=6), st.lists(heads, max_size=6))
def test_what_is_missing_is_counted_from_both_sides(one: Iterable, other: Iterable) -> None:
    ours, theirs = ({each.author: each for each in listed} for listed in (one, other))
    assert missing_here(ours, theirs) == missing_there(theirs, ours)
    assert (missing_here(ours, theirs) == 0) == all(
        each.author in ours and ours[each.author].n >= each.n for each in theirs.values()
    )


# The model ---------------------------------------------------------------------------------


REFUSED = author(4)
"""A journal that its writer's peer refuses whatever it says."""


class Log:
    """One device: what it holds, in order of arrival, and what it knows of the other."""

    def __init__(self) -> None:
        self.entries: list[StoredEntry] = []
        self.peer = Peer()
        self.inbox: list[StoredEntry | Have | dict[AuthorId, int]] = []

    @property
    def journals(self) -> dict:
        found = {}
        for each in self.entries:
            found[each.author] = JournalHead(each.author, each.n, each.hash)
        return found

    @property
    def content(self) -> bytes:
        return digest(sorted((each.author, each.n) for each in self.entries))

    def have(self) -> Have:
        return Have(tuple(self.journals.values()), self.content)


class TwoLogs(RuleBasedStateMachine):
    """Two logs and the messages between them; nobody sends an entry twice, and both get equal."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = (Log(), Log())
        self.sent: set[tuple[int, AuthorId, int]] = set()
        for side in (0, 1):
            self.say(side)

    @rule(side=st.integers(0, 1), by=st.integers(0, 1), size=st.integers(1, ENTRY_BYTES_MAX))
    def write(self, side: int, by: int, size: int) -> None:
        log, name = self.logs[side], side * 2 + by
        n = log.journals[author(name)].n + 1 if author(name) in log.journals else 1
        log.entries.append(entry(name, n, size))

    @rule(size=st.integers(1, ENTRY_BYTES_MAX))
    def write_what_is_refused(self, size: int) -> None:
        log = self.logs[0]
        n = log.journals[REFUSED].n + 1 if REFUSED in log.journals else 1
        log.entries.append(entry(4, n, size))

    @rule(side=st.integers(0, 1))
    def say(self, side: int) -> None:
        self.logs[1 - side].inbox.append(self.logs[side].have())

    @rule(side=st.integers(0, 1))
    def send(self, side: int) -> None:
        log = self.logs[side]
        if log.peer.content is None:
            return
        for each in log.entries:
            if log.peer.window_bytes == 0:
                return
            if log.peer.lacks(each):
                assert (side, each.author, each.n) not in self.sent
                self.sent.add((side, each.author, each.n))
                log.peer.sent(each)
                self.logs[1 - side].inbox.append(each)

    @precondition(lambda self: any(log.inbox for log in self.logs))
    @rule(side=st.integers(0, 1))
    def receive(self, side: int) -> None:
        log = self.logs[side]
        if not log.inbox:
            return
        message = log.inbox.pop(0)
        if isinstance(message, Have):
            log.peer.heard(message)
        elif isinstance(message, dict):
            log.peer.heard_refused(message.items())
        elif message.author == REFUSED:
            log.peer.received(message)
            self.logs[1 - side].inbox.append({REFUSED: message.n})
        else:
            held = log.journals.get(message.author)
            assert message.n == (held.n if held else 0) + 1
            log.entries.append(message)
            log.peer.received(message)
            self.say(side)

    @invariant()
    def nobody_has_more_under_way_than_it_may(self) -> None:
        for log in self.logs:
            assert log.peer.in_flight_bytes < UNACKNOWLEDGED_BYTES_MAX + ENTRY_BYTES_MAX
            assert log.peer.compare(log.journals, log.content) is not Verdict.CONTRADICTION

    def teardown(self) -> None:
        quiet = 0
        for _ in range(200):
            before = len(self.sent)
            for side in (0, 1):
                self.say(side)
                self.send(side)
                while self.logs[side].inbox:
                    self.receive(side)
            # A window that was full is open in the round after the next one.
            quiet = quiet + 1 if len(self.sent) == before else 0
            if quiet == 3:
                break
        one, other = self.logs
        refused = one.journals.get(REFUSED)
        assert {a: head for a, head in one.journals.items() if a != REFUSED} == other.journals
        verdict = Verdict.EQUAL if refused is None else Verdict.APART
        for log in self.logs:
            assert log.peer.compare(log.journals, log.content) is verdict
            assert not log.peer.in_flight


TestTwoLogs = TwoLogs.TestCase
