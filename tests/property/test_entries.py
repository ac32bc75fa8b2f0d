"""Messages of entries: what one entry says already the next one leaves out, and nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.entropy import seeded
from p2pvault.crypto.keys import DeviceKeys, device_id, entry_hash, sign
from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.limits import (
    ENTRIES_MESSAGE_BYTES_MAX,
    ENTRY_BYTES_MAX,
    ENTRY_CHANGES_MAX,
    JOURNAL_ENTRIES_MAX,
    MESSAGE_WORK_MAX,
)
from p2pvault.protocol.entries import decode_entries, encode_entries, share_messages
from p2pvault.protocol.journal import Journal, Writer, header_of, write_entry
from p2pvault.types import EntryHash, JournalHead, JournalId, RecordId, VaultId
from p2pvault.wire.codec import Tree, pack, unpack

VAULT = VaultId(b"v" * 32)
KEYS = DeviceKeys.generate(seeded("writer"))
FRONT_BYTES = 88 + 1 + 34
"""Format, vault, device and journal; a small number; the hash of the entry before."""

starts = st.sampled_from([0, 1, 126, 127, 128, 255, 256, 65_535, 2**32 - 1, 2**32])


def journal(
    entries: int, name: bytes = b"j", start: int = 0, change: bytes = b"change"
) -> list[bytes]:
    """Return entries of one journal that follow each other, the first one with `start` + 1."""
    writer = Writer(Journal(VAULT, device_id(KEYS.public), JournalId(name * 16)), KEYS)
    head = JournalHead(writer.journal.author, start, EntryHash(b"h" * 32)) if start else None
    made = []
    for wall_ms in range(entries):
        entry = write_entry(writer, head, (), wall_ms, [(RecordId(bytes(16)), change)])
        made.append(entry.data)
        head = entry.head
    return made


def items(entries: list[bytes]) -> list[Tree]:
    found = unpack(encode_entries(entries))
    assert isinstance(found, list)
    return found


def are_sequels(entries: list[bytes]) -> list[bool]:
    return [isinstance(item, list) for item in items(entries)]


chains = st.builds(
    journal, st.integers(1, 5), st.sampled_from([b"j", b"k"]), starts, st.binary(max_size=300)
)
anything = st.one_of(
    st.binary(max_size=50),
    st.sampled_from([header_of(data, ["notes"]) for data in journal(3)]),
)


@given(st.lists(st.one_of(chains, anything.map(lambda data: [data])), min_size=1, max_size=6))
def test_entries_come_back_in_their_order_whatever_they_are(parts) -> None:
    entries = [data for part in parts for data in part]
    assert decode_entries(encode_entries(entries)) == tuple(entries)


@given(chains)
def test_what_follows_in_its_journal_is_a_sequel(chain) -> None:
    assert are_sequels(chain) == [False] + [True] * (len(chain) - 1)


@pytest.mark.parametrize("change_bytes", [1, 300, 70_000])
def test_entries_of_every_size_have_sequels(change_bytes) -> None:
    chain = journal(3, change=bytes(change_bytes))
    assert are_sequels(chain) == [False, True, True]
    assert decode_entries(encode_entries(chain)) == tuple(chain)


def test_a_sequel_is_shorter_by_what_the_entry_before_it_says() -> None:
    chain = journal(100)
    saved = len(pack(chain)) - len(encode_entries(chain))
    assert saved >= 99 * FRONT_BYTES


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(journal(1) + journal(2, b"k"), id="another journal"),
        pytest.param([journal(3)[0], journal(3)[2]], id="a gap"),
        pytest.param([journal(1)[0], *journal(2, change=b"other")[1:]], id="another branch"),
        pytest.param(list(reversed(journal(2))), id="backwards"),
        pytest.param(journal(1) * 2, id="again"),
        pytest.param([header_of(journal(2)[0], ["notes"]), journal(2)[1]], id="behind a header"),
        pytest.param([*journal(1), header_of(journal(2)[1], ["notes"])], id="a header"),
        pytest.param([journal(2)[0], journal(2)[1] + b"\0"], id="with a byte behind it"),
    ],
)
def test_everything_else_travels_in_full(entries) -> None:
    assert not any(are_sequels(entries)[:2])
    assert decode_entries(encode_entries(entries)) == tuple(entries)


def test_nothing_follows_the_highest_number() -> None:
    last = journal(1, start=JOURNAL_ENTRIES_MAX - 1)
    assert decode_entries(encode_entries(last * 2)) == tuple(last * 2)
    with pytest.raises(MalformedMessage, match="sequel to what is no entry"):
        decode_entries(pack([last[0], [b"rest", bytes(64)]]))


def test_an_entry_that_could_be_a_sequel_is_not_taken_in_full() -> None:
    with pytest.raises(MalformedMessage, match="sequel is enough"):
        decode_entries(pack(journal(2)))


@pytest.mark.parametrize("before", [[], [b""], [header_of(journal(1)[0], ["notes"])]])
def test_a_sequel_needs_an_entry_right_before_it(before) -> None:
    _, sequel = items(journal(2))
    with pytest.raises(MalformedMessage, match="sequel to what is no entry"):
        decode_entries(pack([*before, sequel]))


@given(st.data())
def test_a_sequel_behind_another_entry_is_another_entry(drawn: st.DataObject) -> None:
    place = drawn.draw(st.integers(0, 2))
    listed = items(journal(4))
    del listed[place]
    if place == 0:
        listed[0] = journal(1, b"k")[0]
    assert not set(decode_entries(pack(listed))[max(place, 1) :]) & set(journal(4))


def test_a_sequel_of_another_shape_is_refused() -> None:
    first = journal(1)[0]
    for sequel in ([], [b"rest"], [b"rest", bytes(63)], [7, bytes(64)], [b"", b"", b""], 7, "rest"):
        with pytest.raises(MalformedMessage):
            decode_entries(pack([first, sequel]))


def test_a_sequel_makes_no_longer_entry_than_there_may_be() -> None:
    first = journal(1)[0]
    overhead = len(decode_entries(pack([first, [bytes(2**17), bytes(64)]]))[1]) - 2**17
    longest = ENTRY_BYTES_MAX - overhead
    (_, entry) = decode_entries(pack([first, [bytes(longest), bytes(64)]]))
    assert len(entry) == ENTRY_BYTES_MAX
    with pytest.raises(LimitExceeded):
        decode_entries(pack([first, [bytes(longest + 1), bytes(64)]]))


def test_an_entry_of_another_format_has_no_sequel() -> None:
    packed, _ = unpack(journal(1)[0])
    body = packed[:1] + b"\x02" + packed[2:]
    first = pack([body, sign(KEYS.signing, entry_hash(body))])
    with pytest.raises(MalformedMessage, match="sequel to what is no entry"):
        decode_entries(pack([first, [b"rest", bytes(64)]]))


def test_a_message_of_entries_has_some_but_not_too_many() -> None:
    with pytest.raises(MalformedMessage):
        decode_entries(encode_entries([]))
    with pytest.raises(LimitExceeded):
        decode_entries(encode_entries([b""] * (ENTRY_CHANGES_MAX + 1)))


LARGE = ENTRIES_MESSAGE_BYTES_MAX // 2
weights = st.sampled_from([1, 100, MESSAGE_WORK_MAX // 2, MESSAGE_WORK_MAX, MESSAGE_WORK_MAX + 1])
sizes = st.sampled_from([10, 1_000, LARGE // 2, LARGE, LARGE + 1, 3 * LARGE])


@given(st.lists(st.tuples(sizes, weights), max_size=20))
def test_messages_are_shared_as_far_as_size_and_work_allow(drawn: list[tuple[int, int]]) -> None:
    entries = {n.to_bytes(4, "big").ljust(size, b"."): work for n, (size, work) in enumerate(drawn)}
    messages = share_messages(entries, entries.__getitem__)
    assert [data for message in messages for data in message] == list(entries)
    loads = [
        (sum(map(len, message)), sum(entries[data] for data in message)) for message in messages
    ]
    for message, (size, work) in zip(messages, loads, strict=True):
        is_handy = size <= ENTRIES_MESSAGE_BYTES_MAX and work <= MESSAGE_WORK_MAX
        assert is_handy or len(message) == 1
    for (size, work), message in zip(loads, messages[1:], strict=False):
        first = message[0]
        assert (
            size + len(first) > ENTRIES_MESSAGE_BYTES_MAX
            or work + entries[first] > MESSAGE_WORK_MAX
            or max(size, len(first)) > LARGE
        ), "it had room for one more"


def test_a_large_entry_is_not_weighed() -> None:
    """It has a message of its own, and would be inflated for nothing."""
    entries = [bytes(LARGE + 1)] * 2
    assert share_messages(entries, lambda _: pytest.fail("weighed")) == [[each] for each in entries]
