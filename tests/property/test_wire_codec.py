"""The codec: one encoding for each tree, bounds before anything is made of it, nothing else."""

import struct
import tracemalloc
from contextlib import suppress

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from p2pvault.limits import (
    MESSAGE_BYTES_MAX,
    MIB,
    PAIRING_PACKAGE_BYTES_MAX,
    WIRE_ARRAY_ITEMS_MAX,
    WIRE_DEPTH_MAX,
    WIRE_OBJECTS_MAX,
)
from p2pvault.wire.codec import Tree, pack, unpack

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | texts
)


def trees(depth: int = WIRE_DEPTH_MAX) -> st.SearchStrategy[Tree]:
    inner: st.SearchStrategy[Tree] = leaves
    for _ in range(depth - 1):
        inner = leaves | st.lists(inner, max_size=4)
    return inner


@given(trees())
def test_a_tree_comes_back_as_it_was(tree: Tree) -> None:
    assert unpack(pack(tree)) == tree


@given(trees(4), st.integers(0, 400), st.integers(1, 255))
def test_what_is_accepted_is_what_would_be_written(tree: Tree, place: int, flip: int) -> None:
    data = bytearray(pack(tree))
    data[place % len(data)] ^= flip
    try:
        read = unpack(bytes(data))
    except RemoteProtocolError:
        return
    assert pack(read) == bytes(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_tree_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert pack(unpack(data)) == data


@given(trees(), st.data())
def test_a_cut_or_longer_message_is_refused(tree: Tree, drawn: st.DataObject) -> None:
    data = pack(tree)
    cut = drawn.draw(st.integers(0, len(data) - 1))
    for wrong in (data[:cut], data + b"\x00", data + data):
        with pytest.raises(MalformedMessage):
            unpack(wrong)


def in_other_encoding() -> list[bytes]:
    return [
        b"\xcc\x01",  # 1 in two bytes
        b"\xcd\x00\xff",
        b"\xd0\x01",
        b"\xcf" + bytes(7) + b"\x01",
        b"\xd9\x01a",  # a short string with a long header
        b"\xda\x00\x01a",
        b"\xc5\x00\x01a",
        b"\xc6\x00\x00\x00\x01a",
        b"\xdc\x00\x01\x00",  # an array of one with a long header
        b"\xdd\x00\x00\x00\x01\x00",
    ]


def never_travelling() -> list[bytes]:
    return [
        b"\x80",
        b"\x81\x01\x01",
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\xde\x00\x00",
        b"\xdf\x00\x00\x00\x00",
        b"\xdf\xff\xff\xff\xff",
        b"\xc1",
        b"\xca" + struct.pack(">f", 1.0),
        b"\xcb" + struct.pack(">d", float("nan")),
        b"\xd4\x01\x00",
        b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
        b"\xc7\x0c\xff" + bytes(12),
        b"\xa1\xff",  # no UTF-8
        b"\xa3\xed\xa0\x80",  # a surrogate
        b"\xa2\xc0\x80",  # NUL in two bytes
        b"",
    ]


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: b"\x92\x01" + data])
@pytest.mark.parametrize("data", [*in_other_encoding(), *never_travelling()], ids=repr)
def test_a10_a12_other_encodings_and_other_types_are_refused(data: bytes, wrap: object) -> None:
    with pytest.raises(MalformedMessage):
        unpack(wrap(data))


@pytest.mark.parametrize("head", [b"\xdd\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xdc\x10\x01"])
def test_a7_an_array_that_promises_too_much_is_refused(head: bytes) -> None:
    with pytest.raises(LimitExceeded):
        unpack(head + bytes(100))


@pytest.mark.parametrize("head", [b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc5\xff"])
def test_a7_bytes_that_promise_more_than_there_is_are_refused(head: bytes) -> None:
    with pytest.raises(MalformedMessage):
        unpack(head + bytes(100))


def nested(levels: int) -> Tree:
    tree: Tree = []
    for _ in range(levels - 1):
        tree = [tree]
    return tree


def test_a8_nesting_is_bounded_at_its_bound_and_far_beyond() -> None:
    assert unpack(pack(nested(WIRE_DEPTH_MAX))) == nested(WIRE_DEPTH_MAX)
    with pytest.raises(LimitExceeded):
        unpack(pack(nested(WIRE_DEPTH_MAX + 1)))
    with pytest.raises(LimitExceeded):
        unpack(b"\x91" * MIB)


def test_a9_items_and_objects_are_bounded_at_their_bounds() -> None:
    full: Tree = [0] * WIRE_ARRAY_ITEMS_MAX
    assert unpack(pack(full)) == full
    with pytest.raises(LimitExceeded):
        unpack(pack([*full, 0]))
    row = [0] * 4_095
    sixteen: Tree = [list(row) for _ in range(15)] + [[0] * 4_094]
    assert unpack(pack(sixteen)) == sixteen
    assert WIRE_OBJECTS_MAX == 1 + 16 + 15 * 4_095 + 4_094
    with pytest.raises(LimitExceeded):
        unpack(pack([*sixteen, 0]))


def test_a_message_is_bounded_in_bytes() -> None:
    body = bytes(MESSAGE_BYTES_MAX - 5)
    assert unpack(pack(body)) == body
    with pytest.raises(LimitExceeded):
        unpack(pack(body + b"x"))
    with pytest.raises(LimitExceeded):
        unpack(pack(b"abc"), bytes_max=4)


@pytest.mark.parametrize(
    ("rows", "bytes_max"), [(270, MESSAGE_BYTES_MAX), (4_096, PAIRING_PACKAGE_BYTES_MAX)]
)
def test_a9_a_flood_of_empty_arrays_takes_no_memory(rows: int, bytes_max: int) -> None:
    row = b"\xdc\x10\x00" + b"\x90" * 4_096
    data = b"\xdc" + rows.to_bytes(2, "big") + row * rows
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded):
            unpack(data, bytes_max)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB


def test_what_we_write_is_what_msgpack_writes() -> None:
    tree: Tree = [None, True, -1, 2**64 - 1, b"bytes", "text", [[]]]
    assert pack(tree) == msgpack.packb(tree)
