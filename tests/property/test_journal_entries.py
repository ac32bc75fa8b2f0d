"""Entries: what a device signs comes back whole, and nothing else passes for it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.keys import DeviceKeys, device_id, sign
from p2pvault.errors import (
    LimitExceeded,
    MalformedMessage,
    RemoteProtocolError,
    SealBroken,
    UnexpectedMessage,
)
from p2pvault.limits import (
    CHANGE_BYTES_MAX,
    ENTRY_BYTES_MAX,
    ENTRY_CHANGES_MAX,
    ENTRY_WORK_MAX,
    KIB,
)
from p2pvault.protocol.journal import (
    CHANGE_OVERHEAD_BYTES,
    ENTRY_OVERHEAD_BYTES,
    FORMAT,
    Entry,
    Journal,
    RecordChange,
    Writer,
    decode_entry,
    split_changes,
    write_entry,
)
from p2pvault.types import EMPTY_HASH, EntryHash, JournalHead, JournalId, RecordId, VaultId
from p2pvault.wire.codec import Tree, pack, unpack

VAULT = VaultId(b"v" * 32)
KEYS = DeviceKeys.generate(seeded("writer"))
OTHER_KEYS = DeviceKeys.generate(seeded("other"))
WRITER = Writer(Journal(VAULT, device_id(KEYS.public), JournalId(b"j" * 16)), KEYS)

records = st.binary(min_size=16, max_size=16).map(RecordId)
changes = st.tuples(records, st.binary(min_size=1, max_size=80))
commits = st.lists(changes, min_size=1, max_size=8)
hashes = st.binary(min_size=32, max_size=32)


def entry(
    parts: list[RecordChange] | None = None, after: JournalHead | None = None, wall_ms: int = 1
) -> Entry:
    return write_entry(WRITER, after, (), wall_ms, parts or [(RecordId(bytes(16)), b"change")])


@given(commits, st.lists(hashes, max_size=8), st.integers(-(2**63), 2**63 - 1))
def test_an_entry_comes_back_and_verifies(parts, heads, wall_ms) -> None:
    written = write_entry(WRITER, None, heads, wall_ms, parts)
    read = decode_entry(written.data, VAULT)
    assert read == written
    read.verify(KEYS.public.signing)


@given(commits, st.data())
def test_a_flipped_bit_anywhere_is_refused(parts, drawn: st.DataObject) -> None:
    data = bytearray(entry(parts).data)
    bit = drawn.draw(st.integers(0, 8 * len(data) - 1))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((RemoteProtocolError, SealBroken)):
        decode_entry(bytes(data), VAULT).verify(KEYS.public.signing)


def test_every_bit_of_a_small_entry_counts() -> None:
    good = entry().data
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises((RemoteProtocolError, SealBroken)):
            decode_entry(bytes(data), VAULT).verify(KEYS.public.signing)


def test_another_device_cannot_sign_in_its_place() -> None:
    written = entry()
    with pytest.raises(SealBroken):
        written.verify(OTHER_KEYS.public.signing)


@given(st.lists(commits, min_size=1, max_size=6))
def test_a_journal_is_a_chain_that_starts_at_one(all_parts) -> None:
    head, chain = None, []
    for parts in all_parts:
        written = entry(parts, head)
        assert written.follows(head)
        chain.append(written)
        head = written.head
    assert [each.body.n for each in chain] == list(range(1, len(chain) + 1))
    assert chain[0].body.previous == EMPTY_HASH
    for place, each in enumerate(chain):
        fits = [index for index, other in enumerate(chain, 1) if each.follows(other.head)]
        assert fits == ([place] if place else [])
        assert each.follows(None) == (place == 0)


def test_an_entry_does_not_follow_a_head_with_its_number_and_another_hash() -> None:
    first = entry()
    second = entry(None, first.head)
    fork = JournalHead(first.author, 1, EntryHash(b"f" * 32))
    assert second.follows(first.head)
    assert not second.follows(fork)


def signed(tree: Tree) -> bytes:
    """Return an entry with this body and a signature that is right."""
    packed = pack(tree)
    return pack([packed, sign(KEYS.signing, digest(b"p2pv-entry", packed))])


def body(**fields: Tree) -> Tree:
    packed, _ = unpack(entry().data)
    tree = dict(
        zip(
            ("format", "vault", "device", "journal", "n", "previous", "heads", "wall", "changes"),
            unpack(packed),
            strict=True,
        )
    )
    return list((tree | fields).values())


def test_the_body_in_the_tests_is_a_good_one() -> None:
    assert signed(body()) == entry().data


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"format": FORMAT + 1}, MalformedMessage),
        ({"format": 0}, MalformedMessage),
        ({"vault": b"w" * 32}, UnexpectedMessage),
        ({"n": 0}, MalformedMessage),
        ({"n": 2**63}, LimitExceeded),
        ({"changes": []}, MalformedMessage),
        ({"changes": [[bytes(15), b"x"]]}, MalformedMessage),
        ({"changes": [[bytes(16), b"x", b""]]}, MalformedMessage),
        ({"changes": [[bytes(16), b"x"]] * (ENTRY_CHANGES_MAX + 1)}, LimitExceeded),
        ({"changes": [[bytes(16), bytes(CHANGE_BYTES_MAX + 1)]]}, LimitExceeded),
        ({"heads": [bytes(32)] * 9}, LimitExceeded),
        ({"heads": [bytes(31)]}, MalformedMessage),
        ({"previous": bytes(31)}, MalformedMessage),
        ({"wall": 2**63}, MalformedMessage),
        ({"device": b""}, MalformedMessage),
        ({"journal": bytes(17)}, MalformedMessage),
    ],
)
def test_a_signed_body_that_breaks_a_rule_is_refused(fields, error) -> None:
    with pytest.raises(error):
        decode_entry(signed(body(**fields)), VAULT)


def test_an_entry_above_its_bound_is_not_looked_at() -> None:
    with pytest.raises(LimitExceeded):
        decode_entry(bytes(ENTRY_BYTES_MAX + 1), VAULT)


sizes = st.one_of(st.integers(1, 200), st.integers(CHANGE_BYTES_MAX - 2, CHANGE_BYTES_MAX))


@settings(max_examples=25)
@given(st.lists(st.one_of(sizes, st.integers(1, 400 * KIB)), max_size=12))
def test_a_commit_is_cut_into_entries_that_fit_and_nothing_is_lost(lengths) -> None:
    commit = [(RecordId(number.to_bytes(16, "big")), bytes(n)) for number, n in enumerate(lengths)]
    parts = split_changes(commit)
    assert [each for part in parts for each in part] == commit
    head = JournalHead(WRITER.journal.author, 2**62, EntryHash(b"h" * 32))
    for part in parts:
        written = write_entry(WRITER, head, [b"m" * 32] * 8, -(2**63), part)
        assert decode_entry(written.data, VAULT) == written


@pytest.mark.parametrize("count", [1, ENTRY_CHANGES_MAX, ENTRY_CHANGES_MAX + 1, 3_500])
def test_small_changes_fill_entries_to_their_number(count: int) -> None:
    parts = split_changes([(RecordId(bytes(16)), b"x")] * count)
    assert len(parts) == -(-count // ENTRY_CHANGES_MAX)
    assert all(len(part) == ENTRY_CHANGES_MAX for part in parts[:-1])


def test_a_commit_within_the_bounds_is_one_entry() -> None:
    room = ENTRY_BYTES_MAX - 1_024 - 10 * 24
    commit = [(RecordId(bytes(16)), bytes(room // 10))] * 10
    assert len(split_changes(commit)) == 1
    assert len(split_changes([])) == 0


@given(st.lists(st.tuples(st.integers(0, CHANGE_BYTES_MAX), st.integers(1, ENTRY_WORK_MAX))))
def test_a_part_ends_exactly_where_the_next_change_would_not_fit(drawn) -> None:
    """Sizes are told apart from work by weighing a change by its place and not by its bytes."""
    commit = [(RecordId(bytes(16)), bytes(size)) for size, _ in drawn]
    work = iter([work for _, work in drawn])
    parts = split_changes(commit, lambda _: next(work))
    assert [change for part in parts for change in part] == commit
    weights, place = [(size + CHANGE_OVERHEAD_BYTES, work) for size, work in drawn], 0
    room_bytes = ENTRY_BYTES_MAX - ENTRY_OVERHEAD_BYTES
    for part in parts:
        total = [sum(each) for each in zip(*weights[place : place + len(part)], strict=True)]
        assert total[0] <= room_bytes
        assert total[1] <= ENTRY_WORK_MAX
        place += len(part)
        if place < len(weights):
            size, work_behind = weights[place]
            assert total[0] + size > room_bytes or total[1] + work_behind > ENTRY_WORK_MAX


@pytest.mark.parametrize(("n", "previous"), [(1, b"p" * 32), (2, bytes(32)), (2, b"p" * 32)])
def test_only_an_entry_one_after_nothing_begins_a_journal(n: int, previous: bytes) -> None:
    first = entry()
    body = replace(first.body, n=n, previous=EntryHash(previous))
    assert not replace(first, body=body).follows(None)


def test_a_part_may_be_filled_to_the_last_byte_and_the_last_unit_of_work() -> None:
    room_bytes = ENTRY_BYTES_MAX - ENTRY_OVERHEAD_BYTES - 2 * CHANGE_OVERHEAD_BYTES
    for more, parts in ((0, 1), (1, 2)):
        commit = [(RecordId(bytes(16)), bytes(n)) for n in (300_000, room_bytes - 300_000 + more)]
        assert len(split_changes(commit)) == parts
        heavy = [(RecordId(bytes(16)), bytes(n)) for n in (9, ENTRY_WORK_MAX - 9 + more)]
        assert len(split_changes(heavy, len)) == parts
