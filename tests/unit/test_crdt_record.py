from hashlib import shake_256

import pytest
from automerge import core

from harness.records import ADA, BOB, EVE, RawDocument, assembled, devices, sealed
from p2pvault.crdt.engine import LIST, MAP, ROOT, TEXT
from p2pvault.crdt.prefilter import inspect
from p2pvault.crdt.record import Record
from p2pvault.crdt.values import Timestamp, Value
from p2pvault.errors import BadPath, BadValue, CrdtError
from p2pvault.limits import (
    CHANGE_BYTES_MAX,
    CHANGE_OPERATIONS_MAX,
    DEFLATE_BYTES_MIN,
    RECORD_BYTES_MAX,
    SCALAR_BYTES_MAX,
    TEXT_CHARACTERS_MAX,
    VALUE_DEPTH_MAX,
)

STR, INT, BOOL = core.ScalarType.Str, core.ScalarType.Int, core.ScalarType.Boolean
DATA: dict[str, Value] = {
    "name": "Ada Lovelace",
    "born": Timestamp(-4_856_112_000_000),
    "key": b"\x00\xff",
    "numbers": [1, 1.0, True, None],
    "body": "first\nsecond\n",
    "address": {"city": "London", "lines": ["St James's Square", {"flat": 12}]},
}


def test_a_record_is_what_it_was_created_with() -> None:
    record, chunk = Record.create(ADA, "contacts", "ada", DATA)
    assert (record.collection, record.name, record.deleted) == ("contacts", "ada", False)
    assert record.value() == DATA
    assert record.heads == (inspect(chunk).hash,)
    assert record.size == len(chunk)


def test_a_record_is_created_by_one_change_that_depends_on_nothing() -> None:
    change = inspect(Record.create(ADA, "contacts", "ada", DATA)[1])
    assert (change.actor, change.sequence, change.start_op, change.deps) == (ADA, 1, 1, ())


def test_a_record_loads_from_changes_from_a_snapshot_and_from_both() -> None:
    record, first = Record.create(ADA, "contacts", "ada", {"n": 1})
    snapshot = record.snapshot()
    second = record.commit({"n": 2})
    assert second is not None
    for chunks in ([first, second], [snapshot, second], [record.snapshot()]):
        loaded = Record.load(BOB, chunks, record.heads)
        assert (loaded.value(), loaded.heads, loaded.name) == ({"n": 2}, record.heads, "ada")


@pytest.mark.parametrize(("collection", "name"), [("", "x"), ("a/b", "x"), ("a", ""), ("a", "\n")])
def test_a_bad_path_is_refused(collection: str, name: str) -> None:
    with pytest.raises(BadPath):
        Record.create(ADA, collection, name, {})


def test_bad_fields_are_refused_on_creation_and_on_commit() -> None:
    with pytest.raises(BadValue):
        Record.create(ADA, "notes", "one", {"n": 2**63})
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    before = record.snapshot()
    with pytest.raises(BadValue):
        record.commit({"n": float("nan")})
    assert record.snapshot() == before


def test_a_commit_of_what_is_there_makes_no_change() -> None:
    record, _ = Record.create(ADA, "contacts", "ada", DATA)
    assert record.commit(DATA) is None


def test_a_small_edit_of_a_large_record_is_a_small_change() -> None:
    data = {**DATA, "body": "word " * 5_000, "list": list(range(2_000))}
    record, _ = Record.create(ADA, "notes", "one", {**data})
    wanted: dict[str, Value] = {**data, "body": "word " * 4_000 + "New " + "word " * 1_000}
    chunk = record.commit(wanted)
    assert chunk is not None
    assert len(chunk) < 140
    assert inspect(chunk).operations == 4
    wanted |= {"list": [*range(1_000), "new", *range(1_000, 2_000)]}
    chunk = record.commit(wanted)
    assert chunk is not None
    assert inspect(chunk).operations == 1
    assert record.value() == wanted


def test_values_that_python_takes_for_equal_are_told_apart() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1, "list": [0, 1]})
    assert record.commit({"n": True, "list": [0, 1.0]}) is not None
    assert repr(record.value()) == "{'list': [0, 1.0], 'n': True}"


def test_every_kind_of_value_can_take_the_place_of_every_other() -> None:
    kinds: list[Value] = [
        None,
        True,
        7,
        0.5,
        "short",
        "long\n" * 50,
        b"b",
        Timestamp(1),
        [1],
        {"k": 1},
    ]
    record, _ = Record.create(ADA, "notes", "one", {"field": None, "list": [None]})
    for kind in (*kinds, *reversed(kinds)):
        record.commit({"field": kind, "list": [kind]})
        assert record.value() == {"field": kind, "list": [kind]}


def test_a_field_of_prose_merges_by_character_and_another_string_does_not() -> None:
    ada, bob = devices({"body": "one two three", "title": "one two three"}, (ADA, BOB))
    ada.edit({"body": "ONE two three", "title": "ONE two three"})
    bob.edit({"body": "one two THREE", "title": "one two THREE"})
    ada.meet(bob)
    assert ada.record.value()["body"] == "ONE two THREE"
    assert ada.record.value()["title"] in ("ONE two three", "one two THREE")


def test_a_string_field_keeps_the_kind_that_it_was_created_with() -> None:
    ada, bob = devices({"title": "short", "story": "x " * 100}, (ADA, BOB))
    ada.edit({"title": "y" * 200, "story": "sh"})
    bob.meet(ada)
    ada.edit({"title": "A" + "y" * 200, "story": "ssh"})
    bob.edit({"title": "y" * 200 + "B", "story": "shh"})
    ada.meet(bob)
    assert ada.record.value()["story"] == "sshh"
    assert ada.record.value()["title"] in ("A" + "y" * 200, "y" * 200 + "B")


def test_edits_of_different_items_and_fields_merge() -> None:
    start: dict[str, Value] = {"list": [{"n": 1}, {"n": 2}, {"n": 3}], "map": {"a": {"x": 1}}}
    ada, bob = devices(start, (ADA, BOB))
    ada.edit({"list": [{"n": 1, "new": 0}, {"n": 2}, {"n": 3}], "map": {"a": {"x": 2}}})
    bob.edit({"list": [{"n": 1}, {"n": 3, "m": 4}, 5], "map": {"a": {"x": 1, "y": 1}}})
    ada.meet(bob)
    merged = ada.record.value()
    assert merged == bob.record.value()
    assert merged["map"] == {"a": {"x": 2, "y": 1}}
    assert merged["list"] == [{"n": 1, "new": 0}, {"n": 3, "m": 4}, 5]


def test_a_deleted_record_is_there_again_after_a_commit() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    assert record.delete() is not None
    assert record.deleted
    assert record.value() == {"n": 1}
    assert record.delete() is None
    assert record.commit({"n": 1}) is not None
    assert not record.deleted


def test_a_commit_can_leave_a_record_deleted_or_delete_it() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    assert record.commit({"n": 2}, deleted=True) is not None
    assert (record.deleted, record.value()) == (True, {"n": 2})
    assert record.commit({"n": 3}, deleted=True) is not None
    assert (record.deleted, record.value()) == (True, {"n": 3})
    assert record.commit({"n": 3}, deleted=True) is None


def test_a_commit_that_deletes_does_so_on_top_of_an_edit_beside_a_deletion() -> None:
    ada, bob = devices({"n": 1, "m": 1}, (ADA, BOB))
    ada.delete()
    bob.edit({"n": 2, "m": 1})
    ada.meet(bob)
    ada.record.commit({"n": 2, "m": 2}, deleted=True)
    assert (ada.record.deleted, ada.record.value()) == (True, {"n": 2, "m": 2})


def test_an_edit_beside_a_deletion_wins_and_a_later_deletion_wins_over_both() -> None:
    ada, bob = devices({"n": 1, "m": 1}, (ADA, BOB))
    ada.delete()
    bob.edit({"n": 2, "m": 1})
    ada.meet(bob)
    assert not ada.record.deleted
    assert not bob.record.deleted
    assert ada.record.commit({"n": 2, "m": 1}) is None
    bob.delete()
    assert bob.record.deleted
    ada.meet(bob)
    assert ada.record.deleted


def test_an_edit_on_top_of_a_deletion_and_an_edit_keeps_the_record() -> None:
    ada, bob = devices({"n": 1}, (ADA, BOB))
    ada.delete()
    bob.edit({"n": 2})
    ada.meet(bob)
    ada.edit({"n": 3})
    bob.meet(ada)
    assert len(bob.record.heads) == 1
    assert not bob.record.deleted


def test_two_deletions_apart_delete() -> None:
    ada, bob = devices({"n": 1}, (ADA, BOB))
    ada.delete()
    bob.delete()
    ada.meet(bob)
    assert len(ada.record.heads) == 2
    assert ada.record.deleted
    assert bob.record.deleted


def test_changed_fields_are_named_with_dots() -> None:
    record, _ = Record.create(ADA, "contacts", "ada", DATA)
    created = record.heads
    assert record.changed_fields((), created) == tuple(sorted(DATA))
    address: dict[str, Value] = {"city": "Paris", "lines": ["St James's Square", {"flat": 13}]}
    record.commit({**DATA, "address": address, "body": "first\nthird\n", "new": {"a": 1}})
    edited = record.heads
    assert record.changed_fields(created, edited) == (
        "address.city",
        "address.lines",
        "body",
        "new",
    )
    assert record.changed_fields(edited, edited) == ()
    record.delete()
    assert record.changed_fields(edited, record.heads) == ()


def test_changes_apply_in_any_order_and_twice() -> None:
    ada, bob = devices({"n": 0}, (ADA, BOB))
    for number in range(1, 6):
        ada.edit({"n": number})
    changes = list(ada.changes.values())
    bob.record.apply(changes[:0:-1])
    assert bob.record.heads == ada.record.heads
    bob.record.apply(changes)
    bob.record.apply(changes[2:4])
    assert (bob.record.heads, bob.record.value()) == (ada.record.heads, {"n": 5})


def test_a18_changes_with_missing_dependencies_are_refused_and_leave_the_record_alone() -> None:
    ada, bob = devices({"n": 0}, (ADA, BOB))
    ada.edit({"n": 1})
    ada.edit({"n": 2})
    _, first, second = ada.changes.values()
    with pytest.raises(CrdtError, match="missing"):
        bob.record.apply([second])
    assert bob.record.value() == {"n": 0}
    bob.record.apply([first])
    bob.record.apply([second])
    assert bob.record.heads == ada.record.heads
    with pytest.raises(CrdtError):
        Record.receive(BOB, [second])


def test_chunks_that_do_not_add_up_to_their_heads_are_refused() -> None:
    record, first = Record.create(ADA, "notes", "one", {"n": 1})
    created = record.heads
    second = record.commit({"n": 2})
    third = record.commit({"n": 3})
    assert second is not None
    assert third is not None
    for chunks, heads in (
        ([first], record.heads),
        ([first, second], created),
        ([first, third], record.heads),
        ([first, second, third[:-1]], record.heads),
        ([second, third], record.heads),
        ([], record.heads),
        ([], ()),
    ):
        with pytest.raises(CrdtError):
            Record.load(ADA, chunks, heads)


def test_a_second_creation_of_the_same_record_is_refused() -> None:
    ada, bob = devices({"n": 1}, (ADA, BOB))
    other = inspect(Record.create(EVE, "notes", "other", {"n": 2})[1])
    with pytest.raises(CrdtError):
        ada.record.apply([other])
    with pytest.raises(CrdtError):
        ada.record.apply([*ada.changes.values(), other])
    with pytest.raises(CrdtError, match="one change"):
        Record.receive(BOB, [*ada.changes.values(), other])
    assert ada.record.value() == bob.record.value() == {"n": 1}


def meta(*operations: tuple[object, ...], data: core.ObjType = MAP) -> bytes:
    """Return a creating change with a `meta` made by hand and an empty `data`."""
    made_first = b"\x10\x10" + EVE + b"\x00\x01"  # the engine's name for the first object
    return RawDocument(EVE).change(
        ("put_object", ROOT, "meta", MAP),
        ("put_object", ROOT, "data", data),
        *((name, made_first, *rest) for name, *rest in operations),
    )


PATH = [("put", "collection", STR, "notes"), ("put", "name", STR, "one")]


def test_a_change_made_by_hand_in_the_right_layout_is_a_record() -> None:
    assert Record.receive(ADA, [inspect(meta(*PATH))]).name == "one"


@pytest.mark.parametrize(
    "chunk",
    [
        RawDocument(EVE).change(("put", ROOT, "meta", INT, 1), ("put_object", ROOT, "data", MAP)),
        RawDocument(EVE).change(("put_object", ROOT, "data", MAP)),
        meta(*PATH, data=TEXT),
        meta(*PATH, data=LIST),
        RawDocument(EVE).change(
            ("put_object", ROOT, "data", MAP), ("put_object", ROOT, "meta", LIST)
        ),
        meta(),
        meta(PATH[0]),
        meta(*PATH, ("put", "extra", INT, 1)),
        meta(PATH[0], ("put", "name", INT, 1)),
        meta(PATH[0], ("put_object", "name", TEXT)),
        meta(PATH[0], ("put", "name", STR, "")),
        meta(PATH[0], ("put", "name", STR, "\x1b[2J")),
        meta(PATH[0], ("put", "name", STR, "n" * 201)),
        meta(PATH[1], ("put", "collection", STR, "a/b")),
        meta(*PATH, ("put", "deleted", INT, 1)),
        meta(*PATH, ("put_object", "deleted", MAP)),
    ],
    ids=[
        "meta a number", "no meta", "data a text", "data a list", "meta a list", "no path",
        "no name", "extra key",
        "name a number", "name a text", "name empty", "name with escapes", "name too long",
        "collection with a slash", "flag a number", "flag a map",
    ],
)  # fmt: skip
def test_a_document_that_is_no_record_is_refused(chunk: bytes) -> None:
    with pytest.raises(CrdtError):
        Record.receive(ADA, [inspect(chunk)])


def test_a_change_that_breaks_the_layout_is_refused_and_leaves_the_record_alone() -> None:
    record, chunk = Record.create(ADA, "notes", "one", {"n": 1})
    raw = RawDocument(EVE, chunk)
    broken = raw.change(("delete", raw.child(ROOT, "meta"), "name"))
    with pytest.raises(CrdtError, match="name"):
        record.apply([inspect(broken)])
    assert (record.name, record.value(), record.deleted) == ("one", {"n": 1}, False)
    assert record.commit({"n": 2}) is not None


def test_an_object_nested_too_deep_by_another_program_is_an_error_to_read() -> None:
    record, chunk = Record.create(ADA, "notes", "one", {"n": 1})
    raw = RawDocument(EVE, chunk)
    obj = raw.child(ROOT, "data")
    changes = []
    for _ in range(VALUE_DEPTH_MAX):
        changes.append(inspect(raw.change(("put_object", obj, "deeper", MAP))))
        obj = raw.child(obj, "deeper")
    record.apply(changes)
    with pytest.raises(CrdtError, match="deeper"):
        record.value()


def test_a_text_with_several_characters_in_one_element_can_still_be_edited() -> None:
    record, chunk = Record.create(ADA, "notes", "one", {"body": "start "})
    raw = RawDocument(EVE, chunk)
    text = raw.child(raw.child(ROOT, "data"), "body")
    record.apply([inspect(raw.change(("insert", text, 6, STR, "several")))])
    assert record.value() == {"body": "start several"}
    record.commit({"body": "start sevral"})
    assert record.value() == {"body": "start sevral"}


def test_a_deflated_change_is_the_same_change() -> None:
    body = "many words " * DEFLATE_BYTES_MIN
    record, chunk = Record.create(ADA, "notes", "one", {"name": body[:90], "body": body})
    assert chunk[8] == 2
    assert len(chunk) < len(body) / 4
    assert Record.receive(BOB, [inspect(chunk)]).value()["body"] == body
    assert record.heads == (inspect(chunk).hash,)


def test_an_edit_of_more_operations_than_a_change_may_have_is_refused_and_changes_nothing() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    body = "x " * (TEXT_CHARACTERS_MAX // 2)
    with pytest.raises(BadValue, match=str(CHANGE_OPERATIONS_MAX)):
        record.commit({"body": body, "notes": body})
    assert record.value() == {"n": 1}
    chunk = record.commit({"n": 1, "body": body})
    assert chunk is not None
    assert inspect(chunk).operations == TEXT_CHARACTERS_MAX + 1


def test_an_edit_of_more_bytes_than_a_change_may_have_is_refused_and_changes_nothing() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    noise = bytes(range(256)) * (SCALAR_BYTES_MAX // 256)
    data: dict[str, Value] = {str(number): noise for number in range(17)}
    with pytest.raises(BadValue, match="bytes"):
        record.commit(data)
    assert record.value() == {"n": 1}
    with pytest.raises(BadValue, match="bytes"):
        Record.create(ADA, "notes", "two", data)
    assert CHANGE_BYTES_MAX < 17 * SCALAR_BYTES_MAX


def test_strings_and_texts_beyond_their_bound_are_refused() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"name": "short", "body": "short"})
    too_long = "x " * (TEXT_CHARACTERS_MAX // 2 + 1)
    for field in ("name", "body", "new", "notes"):
        with pytest.raises(BadValue, match="characters"):
            record.commit({"name": "short", "body": "short", field: too_long})
    with pytest.raises(BadValue, match="characters"):
        record.commit({"name": "short", "body": "short", "list": [too_long]})


def test_a_text_that_a_merge_made_too_long_can_be_shortened_and_other_fields_edited() -> None:
    ada, bob = devices({"body": "", "n": 1}, (ADA, BOB))
    ada.edit({"body": "a " * 15_000, "n": 1})
    bob.edit({"body": "b" * 30_000, "n": 1})
    ada.meet(bob)
    merged = ada.record.value()["body"]
    assert isinstance(merged, str)
    assert len(merged) == 60_000
    ada.edit({"body": merged, "n": 2})
    ada.edit({"body": merged[1:], "n": 2})
    assert ada.record.value() == {"body": merged[1:], "n": 2}
    with pytest.raises(BadValue):
        ada.edit({"body": merged + "c", "n": 2})


def test_a_change_to_an_object_that_is_not_there_is_refused_and_leaves_the_record_alone() -> None:
    record, chunk = Record.create(ADA, "notes", "one", {"n": 1})
    ghost = assembled(
        # One `set` of an integer in an object that this record has never had.
        {1: b"\x7f\x00", 2: b"\x7f\x63", 0x15: b"\x7f\x01k", 0x34: b"\x01", 0x42: b"\x7f\x01",
         0x56: b"\x7f\x14", 0x57: b"\x05", 0x70: b"\x7f\x00"},
        deps=[inspect(chunk).hash], actor=EVE, start_op=b"\x08",
    )  # fmt: skip
    with pytest.raises(CrdtError):
        record.apply([inspect(sealed(ghost))])
    assert record.value() == {"n": 1}
    assert record.commit({"n": 2}) is not None


def noise(seed: int) -> dict[str, Value]:
    """Return fields of 1 000 000 bytes that do not deflate."""
    data = shake_256(bytes([seed])).digest(1_000_000)
    return {str(part): data[part * 250_000 :][:250_000] for part in range(4)}


def test_an_edit_that_stays_too_long_when_deflated_is_refused_and_changes_nothing() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    with pytest.raises(BadValue, match="deflated"):
        record.commit(noise(1) | {"more": shake_256(b"more").digest(100_000)})
    assert record.value() == {"n": 1}


def test_a_record_that_would_grow_beyond_its_bound_is_refused_the_edit() -> None:
    record, _ = Record.create(ADA, "notes", "one", {"n": 1})
    for seed in range(8):
        record.commit(noise(seed))
    before = record.value()
    assert record.size <= RECORD_BYTES_MAX
    with pytest.raises(BadValue, match="record of more"):
        record.commit(noise(8))
    assert record.value() == before
    assert record.commit(before | {"n": 2}) is not None
