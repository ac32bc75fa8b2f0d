"""The traps of the binding, each one shown, and shown to be closed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from automerge import core

from harness.records import ADA, BOB
from p2pvault.crdt import engine
from p2pvault.crdt.engine import ROOT
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Timestamp
from p2pvault.errors import BadValue, CrdtError
from p2pvault.limits import TIMESTAMP_MS_MAX, TIMESTAMP_MS_MIN

INT = core.ScalarType.Int


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own, because it might take the interpreter down."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "RUST_BACKTRACE": "0"},
    )


def test_a_transaction_dropped_open_takes_the_process_down_which_is_why_none_ever_is() -> None:
    result = run(
        "from automerge import core\n"
        "document = core.Document(bytes(16))\n"
        "document.transaction().put(core.ROOT, 'key', core.ScalarType.Int, 1)\n"
    )
    assert result.returncode < 0


def test_a23_a_transaction_whose_call_panicked_is_an_error_and_the_process_ends_well() -> None:
    result = run(
        "from automerge import core\n"
        "from p2pvault.crdt import engine\n"
        "from p2pvault.errors import CrdtError\n"
        "document = engine.new(bytes(16))\n"
        "try:\n"
        "    with engine.transaction(document) as transaction:\n"
        "        transaction.put(core.ROOT, 'key', core.ScalarType.Unknown, 1)\n"
        "except CrdtError as error:\n"
        "    print(error)\n"
        "del document, transaction\n"
    )
    assert result.returncode == 0, result.stderr
    assert "not yet implemented" in result.stdout


@pytest.mark.parametrize("kind", [BadValue, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_a_transaction_rolls_it_back_and_passes(kind: type[BaseException]) -> None:
    document = engine.new(ADA)

    def edit() -> None:
        with engine.transaction(document) as transaction:
            transaction.put(ROOT, "key", INT, 1)
            raise kind("stop")

    with pytest.raises(kind):
        edit()
    assert document.keys(ROOT) == []
    with engine.transaction(document) as transaction:
        transaction.put(ROOT, "other", INT, 1)
    assert document.keys(ROOT) == ["other"]


def test_a23_what_the_engine_refuses_is_an_error_of_ours() -> None:
    with pytest.raises(CrdtError, match="refused"):
        engine.load(ADA, b"no chunk")
    with pytest.raises(CrdtError, match="refused"), engine.transaction(engine.new(ADA)) as handle:
        handle.insert(ROOT, 5, INT, 1)


def test_a_bug_of_ours_is_not_taken_for_a_fault_of_the_engine() -> None:
    with pytest.raises(AssertionError), engine.shield:
        raise AssertionError
    with pytest.raises(ValueError, match="ours"), engine.shield:
        raise ValueError("ours")


def test_loaded_and_forked_documents_write_as_their_author() -> None:
    document = engine.new(ADA)
    with engine.transaction(document) as transaction:
        transaction.put(ROOT, "key", INT, 1)
    for copy in (engine.load(BOB, document.save()), engine.fork(BOB, document)):
        with engine.transaction(copy) as transaction:
            transaction.put(ROOT, "key", INT, 2)
        change = copy.get_last_local_change()
        assert change is not None
        assert engine.load(ADA, document.save() + change.raw_bytes).get_actor() == ADA
        assert change.actor_id == BOB


def test_editing_a_fork_leaves_the_original_alone() -> None:
    document = engine.new(ADA)
    with engine.transaction(document) as transaction:
        transaction.put(ROOT, "key", INT, 1)
    before = document.save()
    with engine.transaction(engine.fork(ADA, document)) as transaction:
        transaction.put(ROOT, "key", INT, 2)
        transaction.put(ROOT, "other", INT, 2)
    assert document.save() == before


def test_the_engine_takes_no_clock_so_the_same_edits_make_the_same_bytes() -> None:
    chunks = {Record.create(ADA, "notes", "one", {"field": 1, "body": "text"})[1] for _ in range(3)}
    assert len(chunks) == 1


def test_loading_and_editing_again_and_again_does_not_add_actors() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 0})
    for number in range(1, 30):
        record = Record.load(ADA, [record.snapshot()], record.heads)
        record.commit({"n": number})
    assert len(record.snapshot()) < 400


@pytest.fixture(
    params=[
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "Asia/Manila",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
    ]
)
def local_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("local_zone")
def test_times_come_back_in_every_time_zone_although_the_binding_makes_local_ones() -> None:
    hour = 3_600_000
    autumn = 1_729_987_200_000  # 2024-10-27T00:00Z, when Berlin's clocks are put back
    moments = [TIMESTAMP_MS_MIN, TIMESTAMP_MS_MAX, -1, 0, 1, -2_208_988_800_001]
    moments += [autumn + step * hour // 2 + 123 for step in range(-4, 8)]
    data = {f"{moment}": Timestamp(moment) for moment in moments}
    record, _ = Record.create(ADA, "notes", "one", {**data})
    assert record.value() == data


def test_a20_the_engine_is_given_no_message_but_our_own() -> None:
    """Its messages have Bloom filters that panic; ours are made here, of inspected changes."""
    package = Path(engine.__file__).parents[1]
    decoding = [file for file in package.rglob("*.py") if "Message.decode(" in file.read_text()]
    assert decoding == [Path(engine.__file__)]
    heads, needs, filters = engine._MESSAGE_OF_CHANGES[1:]
    assert (heads, needs, filters) == (0, 0, 0)
