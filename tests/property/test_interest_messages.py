"""Statements about collections, and headers: what is said is heard, and nothing else passes."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.core.interest import AGREED, Interest, interest_of
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import (
    LimitExceeded,
    MalformedMessage,
    RemoteProtocolError,
    SealBroken,
    UnexpectedMessage,
)
from p2pvault.limits import INTEREST_COLLECTIONS_MAX, PARTIAL_COLLECTIONS_MAX
from p2pvault.protocol.interest import Interests, Statement
from p2pvault.protocol.journal import (
    Journal,
    Writer,
    decode_entry,
    header_of,
    outside_of,
    records_in,
    write_entry,
)
from p2pvault.types import JournalId, RecordId, VaultId
from p2pvault.wire.codec import pack, unpack

VAULT = VaultId(b"v" * 32)
KEYS = DeviceKeys.generate(seeded("writer"))
WRITER = Writer(Journal(VAULT, device_id(KEYS.public), JournalId(b"j" * 16)), KEYS)

names = st.sampled_from(["contacts", "notes", "photos"])
sets = st.frozensets(names)
statements = st.builds(Statement, sets, sets, sets)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("state"), st.booleans(), statements),
        st.tuples(st.just("deliver"), st.booleans(), st.none()),
    ),
    max_size=40,
)


class End:
    """One side: what it would say, and what waits for it."""

    def __init__(self) -> None:
        self.interests = Interests()
        self.ours = Statement()
        self.inbox: deque[bytes] = deque()

    def say(self, to: "End") -> None:
        message = self.interests.say(self.ours)
        if message is not None:
            to.inbox.append(message)

    def deliver(self, back: "End") -> None:
        if self.inbox:
            self.interests.hear(self.inbox.popleft())
            self.say(back)


@given(moves)
def test_both_sides_come_to_leave_out_the_same(drawn) -> None:
    ends = (End(), End())
    for move, which, statement in drawn:
        end, other = ends[which], ends[not which]
        if move == "state":
            end.ours = statement
            end.say(other)
        else:
            end.deliver(other)
        if end.interests.is_settled(end.ours):
            assert other.interests.theirs == end.ours
    for _ in range(100):
        for end, other in (ends, ends[::-1]):
            end.deliver(other)
    for end, other in (ends, ends[::-1]):
        assert not end.inbox
        assert end.interests.is_settled(end.ours)
        assert end.interests.theirs == other.ours
        assert end.interests.without == end.ours.forgotten | other.ours.forgotten
        assert end.interests.say(end.ours) is None


def test_whoever_keeps_everything_says_nothing() -> None:
    assert Interests().say(Statement()) is None


@pytest.mark.parametrize(
    "tree",
    [
        [],
        [1, 0, ["a"], [], []][:4],
        [1, 0, ["b", "a"], [], []],
        [1, 0, ["a", "a"], [], []],
        [1, 0, [""], [], []],
        [1, 0, ["a/b"], [], []],
        [1, 0, ["a" * 65], [], []],
        [1, 0, [1], [], []],
        [1, 0, [f"{n:03}" for n in range(INTEREST_COLLECTIONS_MAX + 1)], [], []],
        [1, 0, [], [f"{n:04}" for n in range(PARTIAL_COLLECTIONS_MAX + 1)], []],
        [1, 1, ["a"], [], []],
        [2, 0, ["a"], [], []],
        [0, 0, ["a"], [], []],
        [1, 0, [], [], []],
        [-1, 0, [], [], []],
    ],
)
def test_a_statement_out_of_bounds_or_out_of_order_is_refused(tree) -> None:
    with pytest.raises(RemoteProtocolError):
        Interests().hear(pack(tree))


def test_what_was_heard_is_not_taken_back() -> None:
    ours, theirs = Interests(), Interests()
    said = ours.say(Statement(frozenset({"a"})))
    assert said is not None
    theirs.hear(said)
    answer = theirs.say(Statement())
    assert answer is not None
    ours.hear(answer)
    with pytest.raises(UnexpectedMessage, match="not made"):
        ours.hear(pack([0, 0, [], [], []]))


# Headers -----------------------------------------------------------------------------------


def entry(*changed: int):
    parts = [(RecordId(bytes([number]) * 16), b"change") for number in changed]
    return write_entry(WRITER, None, (), 1, parts)


def test_a_header_stands_for_its_entry() -> None:
    written = entry(1, 2, 1)
    header = decode_entry(header_of(written.data, ["notes", "contacts", "notes"]), VAULT)
    assert (header.head, header.author) == (written.head, written.author)
    assert (header.body.vault, header.body.device) == (VAULT, written.body.device)
    assert (header.outside, header.body.changes) == (("contacts", "notes"), ())
    assert header.follows(None)
    header.verify(KEYS.public.signing)
    assert outside_of(header.data) == ("contacts", "notes")
    assert outside_of(written.data) == ()
    assert records_in(header.data) == ()
    assert records_in(written.data) == (RecordId(b"\1" * 16), RecordId(b"\2" * 16))


@pytest.mark.parametrize("field", [4, 5])
def test_a_header_with_another_hash_or_signature_is_nobodys(field: int) -> None:
    tree = unpack(header_of(entry(1).data, ["notes"]))
    assert isinstance(tree, list)
    value = tree[field]
    assert isinstance(value, bytes)
    tree[field] = bytes([value[0] ^ 1]) + value[1:]
    with pytest.raises(SealBroken):
        decode_entry(pack(tree), VAULT).verify(KEYS.public.signing)


@pytest.mark.parametrize(("field", "value"), [(2, 0), (6, []), (6, ["b", "a"]), (0, b"short")])
def test_a_header_that_says_nothing_is_refused(field: int, value) -> None:
    tree = unpack(header_of(entry(1).data, ["notes"]))
    assert isinstance(tree, list)
    tree[field] = value
    with pytest.raises(MalformedMessage):
        decode_entry(pack(tree), VAULT)


# What the store keeps ----------------------------------------------------------------------


@given(sets, sets, st.dictionaries(names, st.integers(0, 2**40)), sets)
def test_an_interest_comes_back_from_the_store(forgotten, partial, erasing, agreed) -> None:
    kept = Interest(forgotten, partial, erasing, agreed=agreed)
    assert interest_of(kept.meta(Interest(turn=1, agreed=agreed | {"before"}))) == kept
    assert AGREED not in kept.meta(Interest(turn=1, agreed=agreed))
    assert kept.meta(kept) == {}
    assert interest_of({}) == Interest()


@given(sets, sets)
def test_what_was_agreed_on_is_in_doubt_again_when_somebody_joins(partial, agreed) -> None:
    before = Interest(partial=partial | agreed).whole(agreed)
    assert (before.partial, before.agreed) == (partial - agreed, agreed)
    after = before.joined()
    assert (after.partial, after.agreed) == (partial | agreed, frozenset())
    assert after.joined() == after
    assert before.lacking(agreed).agreed == frozenset()


def test_nothing_is_agreed_on_that_never_was_in_doubt() -> None:
    assert Interest().whole(frozenset({"notes"})).agreed == frozenset()


def test_what_was_agreed_on_is_forgotten_where_it_leaves_no_room() -> None:
    kept = Interest().keep("notes", alone=True)
    assert kept.agreed == {"notes"}
    full = kept.lacking(frozenset(f"c{n}" for n in range(PARTIAL_COLLECTIONS_MAX)))
    assert (len(full.partial), full.agreed) == (PARTIAL_COLLECTIONS_MAX, frozenset())


def test_more_is_not_remembered_than_there_is_room_for() -> None:
    full = Interest().lacking(frozenset(f"c{n}" for n in range(PARTIAL_COLLECTIONS_MAX)))
    with pytest.raises(LimitExceeded):
        full.lacking(frozenset({"one more"}))
    assert full.lacking_if_room(frozenset({"one more"})) == full
    assert full.lacking(frozenset({"c1"})) is full
