"""The filter for document chunks: it takes all that the engine saves, and bounds all else."""

import time
import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.documents import Parts, deflate, framed, run, taken_apart
from harness.records import ADA, AUTHORS, BOB, data, devices, random_data
from p2pvault.crdt import document as filter_
from p2pvault.crdt.chunk import frame
from p2pvault.crdt.document import inspect_document
from p2pvault.crdt.record import Record
from p2pvault.crdt.snapshot import inspect_snapshot, merge, restore
from p2pvault.crdt.values import Value
from p2pvault.errors import BadValue, ChangeRefused, CrdtError
from p2pvault.limits import (
    CHANGE_DEPENDENCIES_MAX,
    JOURNALS_MAX,
    KIB,
    MIB,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_INFLATED_BYTES_MAX,
    SNAPSHOT_OPERATIONS_MAX,
)

BOMB = 1 << 40
BUDGET_BYTES = 64 * MIB
BUDGET_S = 0.25


def a_record() -> Record:
    record, _ = Record.create(ADA, "notes", "one", {"text": "x y " * 100, "n": 1, "l": [1, 2.5]})
    for n in range(4):
        record.commit({"text": "x y " * 100 + str(n), "n": n, "l": [n, 2.5, b"raw"]})
    return record


def parts() -> Parts:
    return taken_apart(a_record().snapshot())


def refused(chunk: bytes, match: str | None = None) -> None:
    """Insist on a refusal within the budget of one hostile message."""
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(ChangeRefused, match=match):
            inspect_document(chunk)
        spent_s, peak_bytes = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < BUDGET_BYTES
    assert spent_s < BUDGET_S


@pytest.mark.heavy
def test_the_filter_takes_what_the_engine_saves_of_hundreds_of_histories():
    random = Random(23)
    for _ in range(150):
        replicas = devices(random_data(random), AUTHORS)
        for _ in range(20):
            device, other = random.sample(replicas, 2)
            if random.random() < 0.3:
                device.meet(other)
            elif random.random() < 0.1:
                device.delete()
            else:
                device.edit(random_data(random))
        for device in replicas:
            head = inspect_document(device.record.snapshot())
            assert head.heads == device.record.heads
            assert head.changes == len(device.changes)
            assert head.operations >= sum(each.operations for each in device.changes.values())
            assert set(head.authors) >= {each.actor for each in device.changes.values()}


@pytest.mark.heavy
@given(data, st.lists(st.tuples(st.integers(0, 2), data, st.booleans()), max_size=5))
@settings(max_examples=100)
def test_snapshots_carry_records_whole_and_merge_like_changes(
    start: dict[str, Value], edits: list[tuple[int, dict[str, Value], bool]]
):
    replicas = devices(start)
    for who, wanted, meets in edits:
        replicas[who].edit(wanted)
        if meets:
            replicas[who].meet(replicas[who - 1])
    for device in replicas:
        there = device.record
        for whole in (there.snapshot(), b"".join(c.chunk for c in device.changes.values())):
            snapshot = inspect_snapshot(whole, there.heads)
            assert snapshot.data == whole
            assert restore(BOB, snapshot).value() == there.value()
    one, other = replicas[0], replicas[1]
    lacking = [h for h in other.changes if h not in one.changes]
    fresh = merge(ADA, one.record, inspect_snapshot(other.record.snapshot(), other.record.heads))
    assert sorted(change.hash for change in fresh) == sorted(lacking)
    one.changes |= other.changes
    expected = Record.receive(BOB, list(one.changes.values()))
    assert (one.record.heads, one.record.value()) == (expected.heads, expected.value())


def test_a_document_with_changes_behind_it_is_a_snapshot_too():
    record = a_record()
    stored = record.snapshot() + (record.commit({"n": 9}) or b"")
    snapshot = inspect_snapshot(stored, record.heads)
    assert restore(BOB, snapshot).value() == {"n": 9}
    with pytest.raises(CrdtError, match="does not lead"):
        restore(BOB, inspect_snapshot(stored, inspect_document(record.snapshot()).heads[:0]))


def test_a_snapshot_of_another_record_merges_into_nothing():
    record, other = a_record(), Record.create(BOB, "notes", "two", {})[0]
    before = record.heads
    with pytest.raises(CrdtError):
        merge(ADA, record, inspect_snapshot(other.snapshot(), other.heads))
    assert record.heads == before


def test_hand_made_parts_are_what_the_engine_saves():
    taken = parts()
    assert inspect_document(taken.chunk()) == inspect_document(a_record().snapshot())
    assert Record.load(BOB, (taken.chunk(),), a_record().heads).value() == a_record().value()


@pytest.mark.parametrize("at", range(0, 420, 7))
def test_a_flipped_bit_is_noticed(at: int):
    chunk = bytearray(a_record().snapshot())
    chunk[at % len(chunk)] ^= 1 << (at % 8)
    with pytest.raises(ChangeRefused):
        inspect_document(bytes(chunk))


@pytest.mark.heavy
def test_whatever_the_columns_say_loading_fails_as_an_error_and_costs_little():
    random = Random(5)
    outcomes = set()
    for _ in range(3_000):
        whole = a_record_body()
        for _ in range(random.randrange(1, 4)):
            whole[random.randrange(len(whole))] = random.randrange(256)
        chunk = framed(bytes(whole))
        try:
            snapshot = inspect_snapshot(chunk, a_record().heads)
            restore(BOB, snapshot)
            outcomes.add("taken")
        except ChangeRefused:
            outcomes.add("refused")
        except CrdtError:
            outcomes.add("not loaded")
    assert outcomes >= {"refused", "not loaded"}


_BODY: list[bytes] = []


def a_record_body() -> bytearray:
    if not _BODY:
        chunk = a_record().snapshot()
        _, start, stop = frame(chunk)
        _BODY.append(chunk[start:stop])
    return bytearray(_BODY[0])


@pytest.mark.parametrize("column", sorted(parts().operations))
def test_a13_a_bomb_in_any_column_of_operations_is_refused(column: int):
    taken = parts()
    key = b"\x01k" if column == 0x15 else b"\x01"
    if column == 0x34:
        taken.operations[column] = b"\x80\x80\x80\x80\x80\x20"
    elif column == 0x57:
        taken.operations[column] += bytes(1)
    else:
        taken.operations[column] = run(BOMB, 0)[:-1] + key
    refused(taken.chunk())


@pytest.mark.parametrize("column", [0x11, 0x13, 0x15, 0x80])
def test_a14_runs_of_no_rows_are_refused_however_many_they_are(column: int):
    taken = parts()
    runs = bytes(4 * MIB) + taken.operations.get(column, b"")
    taken.operations = dict(sorted({**taken.operations, column: runs}.items()))
    chunk = taken.chunk(squeezed=frozenset({column}))
    assert len(chunk) < 32 * KIB
    refused(chunk, "differ in length")


@pytest.mark.parametrize("column", [0x11, 0x13, 0x15, 0x80])
def test_a14_columns_of_more_runs_than_rows_are_read_no_further(column: int):
    taken = parts()
    runs = (b"\x01\x00" if column == 0x11 else b"\x01\x01") * (4 * MIB)
    taken.operations = dict(sorted({**taken.operations, column: runs}.items()))
    refused(taken.chunk(squeezed=frozenset({column})), "differ in length")


def test_a14_truth_values_are_read_no_further_than_there_are_rows():
    taken = parts()
    taken.operations[0x34] = bytes(8 * MIB)
    refused(taken.chunk(squeezed=frozenset({0x34})), "differ in length")


@pytest.mark.parametrize("column", sorted(parts().changes))
def test_a_bomb_in_any_column_of_changes_is_refused(column: int):
    taken = parts()
    taken.changes[column] = run(BOMB, 1)
    refused(taken.chunk())


def test_a_few_rows_that_refer_to_very_many_are_refused():
    taken = parts()
    rows = sum(1 for _ in filter_._runs(taken.operations[0x42]))
    assert rows > 1
    taken.operations[0x80] = run(5, BOMB)
    refused(taken.chunk(), "differ in length")
    taken = parts()
    taken.changes[0x40] = run(5, BOMB)
    refused(taken.chunk(), "references")


def test_a14_columns_that_inflate_without_end_are_refused():
    for size in (SNAPSHOT_INFLATED_BYTES_MAX + 1, 512 * MIB):
        taken = parts()
        taken.operations[0x57] = bytes(size)
        refused(taken.chunk(squeezed=frozenset({0x57})), "above its bound|more than")
    taken = parts()
    body = framed(deflate(b"x")[:-1])
    with pytest.raises(ChangeRefused):
        inspect_document(body)
    chunk = taken.chunk(squeezed=frozenset({0x57}))
    assert inspect_document(chunk) == inspect_document(a_record().snapshot())


def test_two_columns_share_one_budget():
    taken = parts()
    half = bytes(SNAPSHOT_INFLATED_BYTES_MAX * 2 // 3)
    taken.operations[0x57] = taken.operations[0x01] = half
    refused(taken.chunk(squeezed=frozenset({0x57, 0x01})), "above its bound|more than")


def test_a_column_that_does_not_inflate_is_refused():
    good = parts().chunk(squeezed=frozenset({0x57}))
    squeezed = deflate(parts().operations[0x57])
    for broken in (b"\xff" * len(squeezed), b"\x02" + squeezed[1:]):
        refused(framed(a_body(good).replace(squeezed, broken)), "inflate")


def a_body(chunk: bytes) -> bytes:
    _, start, stop = frame(chunk)
    return chunk[start:stop]


def test_a_long_key_for_many_rows_counts_as_often_as_it_would_be_copied():
    taken = parts()
    rows = sum(count for count, _ in filter_._runs(taken.operations[0x42]))
    key = encode_key("k" * 200)
    for column in (0x01, 0x02, 0x11, 0x13, 0x21, 0x23, 0x80, 0x81, 0x83):
        taken.operations.pop(column, None)
    many = SNAPSHOT_OPERATIONS_MAX
    assert rows < many
    taken.operations |= {0x15: run(many, 0)[:-1] + key, 0x42: run(many, 1), 0x56: run(many, 0)}
    taken.operations[0x34] = b"\x80\x80\x40"
    taken.operations[0x57] = b""
    refused(taken.chunk(), "more than")


def encode_key(text: str) -> bytes:
    return bytes([len(text) & 0x7F | 0x80, len(text) >> 7]) + text.encode()


def test_numbers_of_actors_heads_and_columns_are_bounded():
    taken = parts()
    taken.actors = [n.to_bytes(16, "big") for n in range(JOURNALS_MAX + 1)]
    refused(taken.chunk(), "actors")
    taken = parts()
    taken.actors = []
    refused(taken.chunk(), "0 actors")
    taken = parts()
    taken.actors = [b"short"]
    refused(taken.chunk(), "actor of 5 bytes")
    taken = parts()
    taken.actors = [BOB, ADA]
    refused(taken.chunk(), "not sorted")
    taken = parts()
    taken.heads = [n.to_bytes(32, "big") for n in range(CHANGE_DEPENDENCIES_MAX + 1)]
    refused(taken.chunk(), "heads")
    taken = parts()
    taken.heads = [bytes(32), bytes(32)]
    refused(taken.chunk(), "not sorted")
    taken = parts()
    taken.operations |= {0x101 + 16 * n: b"" for n in range(20)}
    refused(taken.chunk(), "columns of one kind")


@pytest.mark.parametrize("column", [0x94, 0xA5, 0x9999])
def test_columns_that_we_never_write_are_refused(column: int):
    taken = parts()
    taken.operations = dict(list(taken.operations.items())[:-1]) | {column: b"\x01"}
    refused(taken.chunk(), "unknown or out of order")


def test_content_that_no_record_has_is_refused():
    taken = parts()
    rows = sum(count for count, _ in filter_._runs(taken.operations[0x42]))
    taken.operations[0x42] = run(rows, 5)
    refused(taken.chunk(), "kind 5")
    taken = parts()
    taken.operations[0x56], taken.operations[0x57] = run(rows, 0x18), bytes(rows)
    refused(taken.chunk(), "kind 8")
    taken = parts()
    taken.operations[0x01] = run(rows, 1)
    refused(taken.chunk(), "actor 1 of 1")
    taken = parts()
    taken.operations[0x57] += b"more"
    refused(taken.chunk(), "behind its values")
    taken = parts()
    taken.operations[0x57] = taken.operations[0x57][:-1]
    refused(taken.chunk(), "fewer bytes")
    taken = parts()
    taken.changes[0x56] = run(5, 0x17)
    refused(taken.chunk(), "bytes of its own")
    taken = parts()
    taken.changes[0x13] = run(5, 1 << 33)
    refused(taken.chunk(), "a number")


def test_a16_the_frame_is_checked():
    chunk = a_record().snapshot()
    refused(chunk + b"x", "behind it")
    refused(chunk[:-1], "shorter")
    refused(framed(b""), "too early")
    refused(a_record().commit({"n": 5}) or b"", "no document")
    refused(framed(a_body(chunk) + b"x"), "behind the columns")
    refused(framed(a_body(chunk)[:-1]), "too early")
    refused(framed(bytes(SNAPSHOT_BYTES_MAX)), "bytes")
    taken = parts()
    taken.tail = b"\x07"
    refused(taken.chunk(), "head at change 7")
    broken = chunk[:4] + bytes(4) + chunk[8:]
    refused(broken, "checksum")
    with pytest.raises(ChangeRefused, match="snapshot of"):
        inspect_snapshot(bytes(SNAPSHOT_BYTES_MAX + 1), ())


def test_a_snapshot_of_changes_is_bounded_in_operations(monkeypatch: pytest.MonkeyPatch):
    record, chunk = Record.create(ADA, "notes", "one", {"n": 1})
    monkeypatch.setattr("p2pvault.crdt.snapshot.SNAPSHOT_OPERATIONS_MAX", 3)
    with pytest.raises(ChangeRefused, match="operations"):
        inspect_snapshot(chunk, record.heads)


def test_a_history_too_large_for_a_document_chunk_is_kept_as_changes(
    monkeypatch: pytest.MonkeyPatch,
):
    record = a_record()
    monkeypatch.setattr("p2pvault.crdt.document.SNAPSHOT_INFLATED_BYTES_MAX", 100)
    kept = record.snapshot()
    snapshot = inspect_snapshot(kept, record.heads)
    assert (snapshot.document, len(snapshot.changes)) == (b"", 5)
    assert restore(BOB, snapshot).value() == record.value()


def test_a_record_takes_no_more_operations_than_a_peer_would(monkeypatch: pytest.MonkeyPatch):
    record = a_record()
    monkeypatch.setattr("p2pvault.crdt.record.RECORD_OPERATIONS_MAX", 450)
    before = record.value()
    with pytest.raises(BadValue, match="operations"):
        record.commit({"text": "z" * 100})
    assert record.value() == before


def test_a_document_without_rows_or_with_too_few_keys_is_refused():
    taken = parts()
    taken.operations[0x42] = b""
    refused(taken.chunk(), "0 operations")
    taken = parts()
    taken.changes[0x01] = b""
    refused(taken.chunk(), "0 changes")
    taken = parts()
    taken.operations[0x15] = run(1, 0)[:-1] + encode_key("k" * 200)
    refused(taken.chunk(), "differ in length")
