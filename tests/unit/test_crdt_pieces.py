"""Records that are put together again from what is sound of their copies."""

import pytest

from harness.entropy import seeded
from p2pvault.crdt.pieces import began, piece_together, salvage, without_rivals
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.errors import CrdtError
from p2pvault.types import AuthorId

ADA, BOB = AuthorId(seeded("ada")(16)), AuthorId(seeded("bob")(16))
EDITS = ({"a": 1}, {"a": 2}, {"a": 2, "b": 3})


def written(actor: AuthorId, *edits: dict) -> tuple[Record, list[bytes]]:
    """Return a record after some edits, and the change of each."""
    record, chunk = Record.create(actor, "notes", "one", edits[0])
    return record, [chunk, *(record.commit(edit) for edit in edits[1:])]


def spoiled(chunk: bytes) -> bytes:
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


def backwards(chunks: list[bytes]) -> list[Change]:
    return [inspect(chunk) for chunk in reversed(chunks)]


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("damage", [spoiled, lambda chunk: chunk[1:], lambda _: b""])
def test_a_change_that_is_spoiled_comes_from_elsewhere(at, damage):
    record, chunks = written(ADA, *EDITS)
    stored = [damage(chunk) if each == at else chunk for each, chunk in enumerate(chunks)]
    again = piece_together(ADA, stored, [inspect(chunks[at])], record.heads)
    assert again.heads == record.heads
    assert again.value() == {"a": 2, "b": 3}


def test_what_was_stored_behind_a_snapshot_is_put_on_it():
    record, chunks = written(ADA, *EDITS[:2])
    snapshot = record.snapshot()
    later = record.commit(EDITS[2])
    again = piece_together(BOB, [snapshot, spoiled(later)], [inspect(later)], record.heads)
    assert again.heads == record.heads
    again = piece_together(BOB, [spoiled(snapshot), later], backwards(chunks), record.heads)
    assert again.heads == record.heads


def test_what_is_nowhere_is_missed():
    record, chunks = written(ADA, *EDITS)
    with pytest.raises(CrdtError, match="do not add up"):
        piece_together(ADA, [chunks[0], spoiled(chunks[1]), chunks[2]], [], record.heads)
    with pytest.raises(CrdtError):
        piece_together(ADA, [spoiled(chunks[0]), *chunks[1:]], [], record.heads)


@pytest.mark.parametrize("folded", [True, False])
def test_what_is_sound_of_a_damaged_copy_is_put_on_another_one(folded):
    """The copy that came ends before what is only here; nothing that builds on nowhere."""
    record, chunks = written(ADA, *EDITS[:2])
    other = record.copy()
    stored = [record.snapshot()] if folded else [spoiled(chunks[0]), chunks[1]]
    last = record.commit(EDITS[2])
    fresh = salvage(BOB, other, [*stored, last])
    assert [each.chunk for each in fresh] == [last]
    assert other.heads == record.heads
    beyond = record.commit({"a": 4})
    spoilt = [*stored, last, spoiled(beyond), record.commit({"a": 5})]
    assert salvage(BOB, other, spoilt) == []
    apart = Record.receive(BOB, backwards(chunks[:1]))
    fresh = salvage(BOB, apart, [*stored, last])
    assert [each.chunk for each in fresh] == [chunks[1], last]
    forked, _ = written(ADA, EDITS[0], {"a": 7})
    with pytest.raises(CrdtError):
        salvage(BOB, forked, [*stored, last, *chunks])


def test_more_than_the_index_says_is_taken_too():
    record, chunks = written(ADA, *EDITS[:2])
    heads = record.heads
    later = record.commit(EDITS[2])
    changes = backwards([*chunks, later])
    again = piece_together(ADA, [chunks[0], spoiled(chunks[1])], changes, heads)
    assert again.heads == record.heads


def test_a_record_is_taken_back_to_before_its_rivals():
    base, (first,) = written(ADA, EDITS[0])
    one, two = base.copy(), base.copy()
    mine = inspect(one.commit({"a": 1, "mine": 1}))
    theirs = two.commit({"a": 1, "theirs": 1})
    follower = Record.load(BOB, [first, theirs], two.heads)
    follower.commit({"a": 1, "theirs": 1, "more": 2})
    back = without_rivals(follower, [mine])
    assert back.heads == base.heads
    back.apply([mine])
    assert back.value() == {"a": 1, "mine": 1}
    assert without_rivals(one, [mine]) is one


def test_a_record_that_a_rival_began_is_nothing_without_it():
    _, (first,) = written(ADA, {"a": 1})
    other, (begun,) = written(ADA, {"another": "record"})
    with pytest.raises(CrdtError, match="another change began"):
        without_rivals(other, [inspect(first)])
    assert began([inspect(begun)])
    assert not began([inspect(other.commit({"more": 1}))])
