"""How much work one entry may be, on the side that writes it and on the side that takes it."""

import pytest

from harness.records import body_of, sealed
from harness.world import World
from p2pvault.core import asks
from p2pvault.core.jobs import EntriesJob, paced, weigh_entry
from p2pvault.crdt.prefilter import inspect, weigh
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Value
from p2pvault.crypto.keys import DeviceKeys, device_id
from p2pvault.errors import BadValue, ChangeRefused, LimitExceeded
from p2pvault.limits import (
    ENTRY_WORK_MAX,
    KIB,
    MESSAGE_WORK_MAX,
    TEXT_CHARACTERS_MAX,
    WORK_PER_CHANGE,
    WORK_VALUE_BYTES,
)
from p2pvault.protocol.journal import Entry, Journal, Writer, write_entry
from p2pvault.types import JournalHead, JournalId, LinkId, RecordId, VaultId

LONG = "many words " * (TEXT_CHARACTERS_MAX // 11)
KEYS = DeviceKeys(bytes(32), bytes([1]) * 32, bytes(96))
WRITER = Writer(Journal(VaultId(bytes(32)), device_id(KEYS.public), JournalId(bytes(16))), KEYS)


def change(text: str) -> bytes:
    return Record.create(WRITER.journal.author, "notes", "one", {"body": text})[1]


def inflating() -> bytes:
    """Return a short change of long values."""
    fields: dict[str, Value] = {f"{n}": b"ab" * 30_000 for n in range(60)}
    return Record.create(WRITER.journal.author, "notes", "one", fields)[1]


def entry(*changes: bytes, after: JournalHead | None = None) -> Entry:
    numbered = [(RecordId(bytes([n]) * 16), each) for n, each in enumerate(changes)]
    return write_entry(WRITER, after, (), 0, numbered)


@pytest.mark.parametrize("text", ["", "short", "two words", LONG, "日本語" * 9_000])
def test_a_text_weighs_little_more_than_its_operations(text: str) -> None:
    chunk = change(text)
    beside = weigh(chunk) - inspect(chunk).operations - len(text.encode()) // WORK_VALUE_BYTES
    assert WORK_PER_CHANGE < beside < WORK_PER_CHANGE + 60


def test_what_is_described_at_length_weighs_more_than_its_operations() -> None:
    _, chunk = Record.create(
        WRITER.journal.author, "notes", "one", {f"field {n}": [{"a": n}] for n in range(1_000)}
    )
    assert weigh(chunk) > 2 * inspect(chunk).operations


def test_values_that_a_few_bytes_inflate_to_are_work():
    """An entry of 1 MiB has room for 250 of these, which inflate to 1 GiB."""
    chunk = inflating()
    assert len(chunk) < 4 * KIB
    assert weigh(chunk) > ENTRY_WORK_MAX // 2
    with pytest.raises(LimitExceeded, match="work"):
        paced(EntriesJob(LinkId(1), (entry(chunk, chunk),)))


def test_behind_too_much_work_nothing_is_looked_at():
    """What follows would be inflated to be weighed."""
    with pytest.raises(LimitExceeded, match="work"):
        paced(EntriesJob(LinkId(1), (entry(inflating(), inflating(), b"no change"),)))


def test_an_edit_that_would_be_too_much_work_is_refused_where_it_is_made() -> None:
    record, _ = Record.create(WRITER.journal.author, "notes", "one", {"n": 1})
    with pytest.raises(BadValue, match="too many"):
        record.commit({"n": 1, "rows": [{"a": 1} for _ in range(20_000)]})
    assert record.value() == {"n": 1}
    assert record.commit({"n": 1, "rows": [{"a": 1} for _ in range(9_000)]}) is not None


def test_a_change_that_ends_too_early_is_not_weighed() -> None:
    body = body_of(change("short"))
    for size in range(len(body)):
        with pytest.raises(ChangeRefused):
            weigh(sealed(body[:size]))


def test_a_commit_of_much_text_becomes_several_entries_and_arrives() -> None:
    world = World()
    ada = world.found("ada")
    bob = world.join("bob", ada)
    world.run()
    edits = [asks.Edit(f"notes/{n}", ((("body",), LONG),)) for n in range(2)]
    world.edit(ada, *edits)
    world.run()
    (head,) = ada.device.pipeline.durable.journals.values()
    assert head.n == 2
    assert world.value(bob, "notes/1") == {"body": LONG}


def test_an_entry_of_too_much_work_is_refused() -> None:
    assert 2 * weigh(change(LONG)) > ENTRY_WORK_MAX
    with pytest.raises(LimitExceeded, match="work"):
        paced(EntriesJob(LinkId(1), (entry(*[change(LONG)] * 2),)))


def test_entries_of_too_much_work_in_one_message_are_refused() -> None:
    first = entry(change(LONG))
    second = entry(change(LONG), after=first.head)
    with pytest.raises(LimitExceeded, match="work"):
        paced(EntriesJob(LinkId(1), (first, second)))
    for entries in ((first,), (first, entry(change("b"), after=first.head))):
        (whole,) = paced(EntriesJob(LinkId(1), entries))
        assert whole.entries == entries
        assert whole.work == sum(map(weigh_entry, entries)) <= MESSAGE_WORK_MAX


def test_heavy_entries_that_wait_for_a_peer_travel_in_messages_that_it_takes() -> None:
    world = World()
    ada = world.found("ada")
    bob = world.join("bob", ada)
    world.run()
    world.part(ada, bob)
    for n in range(3):
        world.put(ada, f"notes/{n}", body=LONG)
    world.mend()
    world.pass_time(60)
    assert world.value(bob, "notes/2") == {"body": LONG}
