"""The filter against the engine: it agrees on good changes, and stands in front of the bad ones."""

import json
import os
import resource
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from automerge import core
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records import (
    ADA,
    AUTHORS,
    BOB,
    EVE,
    Device,
    RawDocument,
    assembled,
    body_of,
    data,
    devices,
    random_data,
    sealed,
)
from p2pvault.crdt.chunk import encode_unsigned, split
from p2pvault.crdt.engine import MAP, ROOT, TEXT
from p2pvault.crdt.prefilter import inspect, weigh
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Value
from p2pvault.errors import ChangeRefused, CrdtError
from p2pvault.limits import (
    CHANGE_ACTORS_MAX,
    CHANGE_BYTES_MAX,
    CHANGE_DEPENDENCIES_MAX,
    CHANGE_OPERATIONS_MAX,
    CHANGE_PREDECESSORS_MAX,
    CHANGE_SEQUENCE_MAX,
    FIELD_CHARACTERS_MAX,
    INTEGER_MAX,
    KIB,
    MIB,
    OPERATION_COUNTER_MAX,
    SCALAR_BYTES_MAX,
    TIMESTAMP_MS_MAX,
)

COLUMNS = {
    "objects": 0x02,
    "key": 0x15,
    "insert": 0x34,
    "action": 0x42,
    "meta": 0x56,
    "raw": 0x57,
    "predecessors": 0x70,
    "overwritten": 0x71,
    "numbers": 0x73,
}


def agree(device: Device) -> int:
    """Compare what the filter says of every change with what the engine says; count them."""
    document = core.Document.load(device.record.snapshot())
    changes = document.get_changes([])
    for change in changes:
        for chunk in (bytes(change.bytes), bytes(change.raw_bytes)):
            seen = inspect(chunk)
            assert seen.hash == change.hash
            assert seen.actor == change.actor_id
            assert seen.sequence == change.seq
            assert seen.start_op == change.start_op
            assert seen.operations == len(change)
            assert list(seen.deps) == sorted(change.deps)
            assert seen.time == 0
            assert seen.chunk == chunk
    return len(changes)


@pytest.mark.heavy
@given(data, st.lists(st.tuples(st.integers(0, 2), data, st.booleans()), max_size=6))
@settings(max_examples=150)
def test_the_filter_agrees_with_the_engine(
    start: dict[str, Value], edits: list[tuple[int, dict[str, Value], bool]]
) -> None:
    replicas = devices(start)
    for who, wanted, meets in edits:
        replicas[who].edit(wanted)
        if meets:
            replicas[who].meet(replicas[who - 1])
    for device in replicas:
        agree(device)


@pytest.mark.heavy
def test_the_filter_agrees_with_the_engine_on_thousands_of_changes() -> None:
    random = Random(11)
    compared = 0
    while compared < 4_000:
        replicas = devices(random_data(random), AUTHORS)
        for _ in range(40):
            device, other = random.sample(replicas, 2)
            if random.random() < 0.3:
                device.meet(other)
            elif random.random() < 0.1:
                device.delete()
            else:
                device.edit(random_data(random))
        compared += sum(agree(device) for device in replicas)


def test_a15_a_snapshot_is_no_change() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    with pytest.raises(ChangeRefused, match="type 0"):
        inspect(record.snapshot())


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300)
def test_noise_is_refused_and_nothing_else_happens(noise: bytes, has_frame: bool) -> None:
    with pytest.raises(ChangeRefused):
        inspect(sealed(noise) if has_frame else noise)


@contextmanager
def frugal(memory_mib: int = 10) -> Iterator[None]:
    """Fail what allocates more than some MiB at a time, or works for more than a second."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < memory_mib * MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 1


def signed(value: int) -> bytes:
    """LEB128 with a sign, for run lengths."""
    groups = bytearray()
    while not -64 <= value < 64:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value & 0x7F)
    return bytes(groups)


def run(count: int, value: bytes) -> bytes:
    return signed(count) + value


def puts(rows: int, **changed: bytes) -> dict[int, bytes]:
    """Return the columns of `rows` creating puts of null under one key, some of them changed."""
    columns = {
        "key": run(rows, b"\x01k"),
        "insert": encode_unsigned(rows),
        "action": run(rows, b"\x01"),
        "meta": run(rows, b"\x00"),
        "raw": b"",
        "predecessors": run(rows, b"\x00"),
    } | changed
    return {key: columns[name] for name, key in COLUMNS.items() if columns.get(name)}


def edits(rows: int) -> dict[int, bytes]:
    """Return the same in an object that the first operation of the author made."""
    return {0x01: run(rows, b"\x00"), 0x02: run(rows, b"\x01")} | puts(rows)


def with_message(body: bytes) -> bytes:
    at = len(ADA) + 5
    return body[:at] + b"\x01m" + body[at + 1 :]


def with_actors(body: bytes, *actors: bytes) -> bytes:
    at = len(ADA) + 6
    named = b"".join(bytes([len(actor)]) + actor for actor in actors)
    return body[:at] + bytes([len(actors)]) + named + body[at + 1 :]


def test_hand_made_columns_pass_which_is_what_the_refusals_below_rest_on() -> None:
    change = inspect(sealed(assembled(puts(5))))
    assert (change.operations, change.actor, change.sequence) == (5, ADA, 1)
    deps = [b"\x01" * 32, b"\x02" * 32]
    assert list(inspect(sealed(assembled(edits(5), deps=deps))).deps) == deps
    assert inspect(sealed(with_actors(assembled(puts(5)), BOB, EVE))).operations == 5
    # And the engine takes the same bytes for the same change.
    taken = core.Document.load(sealed(assembled(puts(5)))).get_changes([])
    assert [len(item) for item in taken] == [5]


def test_a13_a_run_length_bomb_is_refused() -> None:
    bomb = sealed(assembled(puts(4_000_000)))
    assert len(bomb) < 100
    with frugal(), pytest.raises(ChangeRefused, match="4000000 operations"):
        inspect(bomb)


def test_a14_a_deflate_bomb_is_refused() -> None:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = b"".join(squeezer.compress(bytes(MIB)) for _ in range(512)) + squeezer.flush()
    bomb = sealed(b"")[:8] + b"\x02" + encode_unsigned(len(data)) + data
    assert len(bomb) < CHANGE_BYTES_MAX
    with frugal(), pytest.raises(ChangeRefused, match="inflates above"):
        inspect(bomb)


def deflated(body: bytes) -> bytes:
    """Return a change as `sealed` does, deflated."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = squeezer.compress(body) + squeezer.flush()
    return sealed(body)[:8] + b"\x02" + encode_unsigned(len(data)) + data


RUNS = 3 * MIB // 2
"""Of two bytes each: as many as a change of 4 MiB inflated has room for."""


@pytest.mark.parametrize("look", [inspect, weigh])
@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(b"\x00\x00" * RUNS, id="of no rows", marks=pytest.mark.heavy),
        pytest.param(b"\x01\x01" * RUNS, id="of one row", marks=pytest.mark.heavy),
        pytest.param(signed(-2 * RUNS) + b"\x01" * (2 * RUNS), id="a long literal"),
    ],
)
def test_a14_more_runs_than_a_change_has_rows_are_not_kept(
    bomb: bytes, look: Callable[[bytes], object]
) -> None:
    chunk = deflated(assembled(puts(5, action=bomb)))
    assert len(chunk) < 16 * KIB
    with frugal(32), pytest.raises(ChangeRefused):
        look(chunk)


@pytest.mark.parametrize("rows", [2**31, 2**62])
@pytest.mark.parametrize("column", ["key", "insert", "action", "meta", "predecessors"])
def test_a13_a_run_length_bomb_in_any_one_column_is_refused(column: str, rows: int) -> None:
    columns = puts(5)
    columns[COLUMNS[column]] = puts(rows)[COLUMNS[column]]
    with frugal(), pytest.raises(ChangeRefused):
        inspect(sealed(assembled(columns)))


def test_a13_a_bomb_of_overwritten_operations_is_refused() -> None:
    each = CHANGE_PREDECESSORS_MAX // 5 + 1
    bomb = puts(
        5,
        predecessors=run(5, encode_unsigned(each)),
        overwritten=run(5 * each, b"\x00"),
        numbers=run(5 * each, b"\x00"),
    )
    with frugal(), pytest.raises(ChangeRefused, match="overwrites"):
        inspect(sealed(assembled(bomb)))


def test_a_long_key_in_a_long_run_is_refused() -> None:
    key = b"k" * (4 * FIELD_CHARACTERS_MAX + 1)
    bomb = puts(
        CHANGE_OPERATIONS_MAX, key=run(CHANGE_OPERATIONS_MAX, encode_unsigned(len(key)) + key)
    )
    with frugal(), pytest.raises(ChangeRefused, match="key"):
        inspect(sealed(assembled(bomb)))


def test_a18_floods_of_dependencies_actors_and_columns_are_refused() -> None:
    deps = [number.to_bytes(32, "big") for number in range(CHANGE_DEPENDENCIES_MAX + 1)]
    with frugal(), pytest.raises(ChangeRefused, match="dependencies"):
        inspect(sealed(assembled(puts(5), deps=deps)))
    good = assembled(puts(5))
    at = len(ADA) + 6
    assert good[at : at + 1] == b"\x00"
    flood = good[:at] + encode_unsigned(CHANGE_ACTORS_MAX) + good[at + 1 :]
    with frugal(), pytest.raises(ChangeRefused, match="actors"):
        inspect(sealed(flood))
    flood = good[: at + 1] + encode_unsigned(10**6) + good[at + 2 :]
    with frugal(), pytest.raises(ChangeRefused, match="columns"):
        inspect(sealed(flood))


def test_a21_the_most_operations_that_a_change_may_have_pass_and_one_more_does_not() -> None:
    assert (
        inspect(sealed(assembled(puts(CHANGE_OPERATIONS_MAX)))).operations == CHANGE_OPERATIONS_MAX
    )
    with pytest.raises(ChangeRefused, match="operations"):
        inspect(sealed(assembled(puts(CHANGE_OPERATIONS_MAX + 1))))


@pytest.mark.parametrize(
    "change",
    [
        assembled(puts(5), sequence=b"\x00"),
        assembled(puts(5), sequence=encode_unsigned(CHANGE_SEQUENCE_MAX + 1)),
        assembled(puts(5), sequence=encode_unsigned(2**63)),
        assembled(puts(5), sequence=b"\x81\x00"),
        assembled(puts(5), start_op=b"\x00"),
        assembled(puts(5), start_op=encode_unsigned(OPERATION_COUNTER_MAX - 4)),
        assembled(puts(5), actor=b"short"),
        assembled(puts(5), rest=b"\x00"),
        assembled(puts(5), deps=[bytes(32)]),
        assembled(edits(5), deps=[b"\x02" * 32, b"\x01" * 32]),
        assembled(edits(5), deps=[b"\x01" * 32, b"\x01" * 32]),
        assembled({}),
        assembled(puts(5) | {0x94: b"\x05"}),
        assembled(puts(5) | {0xA5: run(5, b"\x01m")}),
        assembled(dict(reversed(puts(5).items()))),
        assembled(puts(5, action=run(4, b"\x01"))),
        assembled(puts(5, key=run(6, b"\x01k"))),
        assembled(puts(5, insert=b"\x04")),
        assembled(puts(5, meta=b"")),
        assembled(puts(5, raw=b"\x00")),
        assembled(puts(5, key=run(5, b"\x01\xff"))),
        assembled(puts(5, key=run(5, b"\x00"))),
        assembled(puts(5, action=b"\x00\x05")),
        assembled(puts(5, predecessors=run(5, b"\x01"))),
        with_message(assembled(puts(5))),
        with_actors(assembled(puts(5)), BOB, BOB),
        with_actors(assembled(puts(5)), ADA),
        assembled({0x01: run(5, b"\x01"), 0x02: run(5, b"\x01")} | puts(5)),
        assembled(puts(5) | {0x70: run(5, b"\x01"), 0x71: run(5, b"\x00"), 0x73: run(5, b"\x7f")}),
        assembled(puts(5, objects=run(5, encode_unsigned(OPERATION_COUNTER_MAX + 1)))),
    ],
    ids=[
        "sequence 0", "sequence too high", "sequence 2**63", "sequence in a longer form",
        "first operation 0", "last operation too high", "short actor", "extra bytes",
        "root of an existing record", "dependencies not sorted", "dependency twice",
        "no operations", "marks", "mark names", "columns out of order", "too few actions",
        "too many keys", "too few inserts", "no values", "value bytes behind", "key not UTF-8",
        "empty key", "null actions", "no predecessors", "a message",
        "an actor twice", "the author twice", "an actor that is not named",
        "an overwritten operation below 0", "object too high",
    ],
)  # fmt: skip
def test_a17_a_change_that_no_writer_of_ours_makes_is_refused(change: bytes) -> None:
    with pytest.raises(ChangeRefused):
        inspect(sealed(change))


@pytest.mark.parametrize("action", range(8))
def test_only_operations_that_records_have_pass(action: int) -> None:
    chunk = sealed(assembled(puts(5, action=run(5, bytes([action])))))
    if action < 5:
        assert inspect(chunk).operations == 5
    else:
        with pytest.raises(ChangeRefused, match="kind"):
            inspect(chunk)


def with_value(kind: int, raw: bytes, length: int | None = None) -> bytes:
    tag = encode_unsigned((len(raw) if length is None else length) << 4 | kind)
    return sealed(assembled(puts(1, meta=b"\x7f" + tag, raw=raw)))


GOOD_VALUES = [
    (0, b""), (1, b""), (2, b""), (3, b"\x05"), (3, encode_unsigned(INTEGER_MAX)),
    (4, signed(-5)), (4, signed(-INTEGER_MAX - 1)), (5, struct.pack("<d", -1.5)), (6, "ä".encode()),
    (6, b""), (7, b"\xff"), (7, bytes(SCALAR_BYTES_MAX)), (9, signed(-1)),
    (9, signed(TIMESTAMP_MS_MAX)),
]  # fmt: skip
BAD_VALUES = [
    (0, b"\x00"), (1, b"\x01"), (3, b""), (3, encode_unsigned(INTEGER_MAX + 1)), (3, b"\x05\x00"),
    (3, b"\x85\x00"), (4, b""), (4, b"\x80"), (4, b"\x05\x05"), (5, bytes(4)),
    (5, struct.pack("<d", float("nan"))), (5, struct.pack("<d", float("inf"))), (6, b"\xff"),
    (7, bytes(SCALAR_BYTES_MAX + 1)), (8, b"\x05"), (9, signed(TIMESTAMP_MS_MAX + 1)),
    (9, signed(2**62)), (9, signed(-(2**62))), (10, b"\x05"), (15, b""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "raw"), GOOD_VALUES)
def test_a_value_that_a_record_can_hold_passes(kind: int, raw: bytes) -> None:
    assert inspect(with_value(kind, raw)).operations == 1


@pytest.mark.parametrize(("kind", "raw"), BAD_VALUES)
def test_a22_a_value_that_no_record_can_hold_is_refused_counters_among_them(
    kind: int, raw: bytes
) -> None:
    with pytest.raises(ChangeRefused):
        inspect(with_value(kind, raw))


def test_a21_a_value_longer_than_its_bytes_is_refused() -> None:
    with frugal(), pytest.raises(ChangeRefused):
        inspect(with_value(7, b"abc", length=4))
    with frugal(), pytest.raises(ChangeRefused):
        inspect(
            sealed(assembled(puts(CHANGE_OPERATIONS_MAX, meta=run(CHANGE_OPERATIONS_MAX, b"\x13"))))
        )


def test_marks_of_another_program_are_refused() -> None:
    record, chunk = Record.create(ADA, "notes", "one", {"body": "text"})
    raw = RawDocument(EVE, chunk)
    text = raw.child(raw.child(ROOT, "data"), "body")
    boolean, both = core.ScalarType.Boolean, core.ExpandMark.Both
    with pytest.raises(ChangeRefused):
        inspect(raw.change(("mark", text, 0, 2, "bold", boolean, True, both)))
    assert record.value() == {"body": "text"}


def test_a_peer_cannot_replace_the_root_of_a_record() -> None:
    _, chunk = Record.create(ADA, "notes", "one", {"n": 1})
    raw = RawDocument(EVE, chunk)
    for operation in (
        ("put_object", ROOT, "data", MAP),
        ("put_object", ROOT, "more", TEXT),
        ("delete", ROOT, "meta"),
    ):
        with pytest.raises(ChangeRefused, match="root"):
            inspect(raw.change(operation))


def test_a17_a_gap_or_a_repetition_in_an_authors_sequence_is_refused() -> None:
    record, first = Record.create(ADA, "notes", "one", {"n": 1})
    other = Record.receive(BOB, [inspect(first)])
    second = other.commit({"n": 2})
    assert second is not None
    body = body_of(second)
    at = body.index(BOB) + len(BOB)
    for sequence in (2, 3, 100):
        forged = inspect(sealed(body[:at] + bytes([sequence]) + body[at + 1 :]))
        assert forged.sequence == sequence
        with pytest.raises(CrdtError):
            record.apply([forged])
    record.apply([inspect(second)])
    repeated = Record.receive(BOB, [inspect(first)]).commit({"n": 3})
    assert repeated is not None
    with pytest.raises(CrdtError):
        record.apply([inspect(repeated)])
    assert record.value() == {"n": 2}


def test_changes_are_cut_apart_and_inspected_one_by_one() -> None:
    record, first = Record.create(ADA, "notes", "one", {"n": 1})
    second = record.commit({"n": 2})
    assert second is not None
    changes = [inspect(chunk) for chunk in split(first + second)]
    assert [change.sequence for change in changes] == [1, 2]
    assert changes[1].deps == (changes[0].hash,)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2])
def test_a23_thousands_of_mutants_with_good_checksums_do_no_harm(seed: int) -> None:
    tests = Path(__file__).parent.parent
    result = subprocess.run(
        [sys.executable, "-m", "harness.mutants", str(seed), "5000"],
        cwd=tests,
        env={**os.environ, "RUST_BACKTRACE": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)
    assert counts["refused by the filter"] > 1_000
    assert counts["refused by the record"] > 100
    assert counts["applied"] > 30
    assert "an error later" not in counts
