"""The laws of merging, for any values, edits, deletions and orders of delivery."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records import ADA, AUTHORS, BOB, Device, data, devices, random_data
from p2pvault.crdt.prefilter import Change, inspect
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Value, freeze

pytestmark = pytest.mark.heavy

actions = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(0, 2), data),
        st.tuples(st.just("delete"), st.integers(0, 2), st.none()),
        st.tuples(st.just("meet"), st.integers(0, 2), st.integers(1, 2)),
    ),
    max_size=12,
)
Action = tuple[str, int, dict[str, Value] | int | None]


def play(start: dict[str, Value], script: Sequence[Action]) -> list[Device]:
    replicas = devices(start)
    for name, who, what in script:
        device = replicas[who]
        if name == "edit":
            assert isinstance(what, dict)
            device.edit(what)
            assert freeze(device.record.value()) == freeze(what)
            assert not device.record.deleted
        elif name == "delete":
            device.delete()
            assert device.record.deleted
        else:
            assert isinstance(what, int)
            device.meet(replicas[(who + what) % 3])
    return replicas


def state(record: Record) -> tuple[object, ...]:
    return record.heads, freeze(record.value()), record.deleted, record.collection, record.name


def in_random_order(changes: Sequence[Change], random: Random) -> list[Change]:
    """Return the changes in some order in which causes come first."""
    waiting, ordered, known = list(changes), [], set[bytes]()
    while waiting:
        ready = [change for change in waiting if known.issuperset(change.deps)]
        change = random.choice(ready)
        waiting.remove(change)
        ordered.append(change)
        known.add(change.hash)
    return ordered


@given(data, data)
@settings(max_examples=200)
def test_a_commit_leads_to_the_wanted_value_here_and_elsewhere(
    old: dict[str, Value], new: dict[str, Value]
) -> None:
    record, first = Record.create(ADA, "notes", "one", old)
    assert freeze(record.value()) == freeze(old)
    second = record.commit(new)
    assert (second is None) == (freeze(old) == freeze(new))
    assert freeze(record.value()) == freeze(new)
    changes = [inspect(chunk) for chunk in (first, second) if chunk is not None]
    assert state(Record.receive(BOB, changes)) == state(record)


@given(data, actions)
@settings(max_examples=150)
def test_devices_that_met_all_the_others_are_equal(
    start: dict[str, Value], script: list[Action]
) -> None:
    ada, bob, eve = play(start, script)
    ada.meet(bob)
    bob.meet(eve)
    ada.meet(eve)
    assert state(ada.record) == state(bob.record) == state(eve.record)


@given(data, actions, st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_any_causal_order_in_any_batches_and_more_than_once_leads_to_the_same_record(
    start: dict[str, Value], script: list[Action], random: Random
) -> None:
    ada, bob, eve = play(start, script)
    ada.meet(bob)
    ada.meet(eve)
    every = in_random_order(list(ada.changes.values()), random)
    whole = Record.receive(BOB, random.sample(every, len(every)))
    parts = Record.receive(BOB, every[:1])
    at = 1
    while at < len(every):
        size = random.randint(1, 4)
        parts.apply(random.sample(every[at : at + size], len(every[at : at + size])))
        parts.apply(every[at : at + size])
        at += size
    assert state(whole) == state(parts) == state(ada.record)
    assert state(Record.load(BOB, [ada.record.snapshot()], ada.record.heads)) == state(ada.record)


@given(data, actions)
@settings(max_examples=100)
def test_an_edit_that_did_not_know_of_a_deletion_is_never_lost(
    start: dict[str, Value], script: list[Action]
) -> None:
    ada, bob, _ = play(start, script)
    bob.meet(ada)
    ada.delete()
    kept = {**bob.record.value(), "kept": "by bob"}
    if bob.record.deleted:
        return
    bob.edit(kept)
    ada.meet(bob)
    assert not ada.record.deleted
    assert freeze(ada.record.value()) == freeze(kept)


@given(data, data)
@settings(max_examples=150)
def test_the_changed_fields_of_an_edit_are_those_that_differ(
    old: dict[str, Value], new: dict[str, Value]
) -> None:
    record, _ = Record.create(ADA, "notes", "one", old)
    before = record.heads
    record.commit(new)
    changed = record.changed_fields(before, record.heads)
    tops = {key for key in old.keys() | new.keys() if freeze_of(old, key) != freeze_of(new, key)}
    assert all(any(f"{name}.".startswith(f"{top}.") for top in tops) for name in changed)
    assert all(any(f"{name}.".startswith(f"{top}.") for name in changed) for top in tops)


def freeze_of(fields: dict[str, Value], key: str) -> object:
    return freeze(fields[key]) if key in fields else "absent"


def test_hundreds_of_random_edits_on_three_devices_end_equal() -> None:
    random = Random(7)
    replicas = devices(random_data(random), AUTHORS)
    for _ in range(400):
        device = random.choice(replicas)
        match random.randrange(6):
            case 0:
                device.meet(random.choice([other for other in replicas if other is not device]))
            case 1:
                device.delete()
            case _:
                device.edit(random_data(random))
    ada, bob, eve = replicas
    for left, right in ((ada, bob), (bob, eve), (ada, eve)):
        left.meet(right)
    assert state(ada.record) == state(bob.record) == state(eve.record)
