"""What a decoder does with bytes that were made to hurt it."""

import tracemalloc
from pathlib import Path

import msgpack
import pytest

from p2pvault.errors import LimitExceeded, MalformedMessage
from p2pvault.limits import MESSAGE_BYTES_MAX, MIB, WIRE_OBJECTS_MAX
from p2pvault.wire import codec
from p2pvault.wire.codec import pack, unpack

EMPTY_LIST = b"\x90"
LONG_LIST = b"\xdc\x10\x00"
"""4 096 items follow."""


def test_a9_a_message_of_empty_lists_is_refused_before_they_take_memory() -> None:
    lists = (MESSAGE_BYTES_MAX - 3) // (4_096 + 3)
    bomb = b"\xdc" + lists.to_bytes(2, "big") + (LONG_LIST + EMPTY_LIST * 4_096) * lists
    assert MIB < len(bomb) <= MESSAGE_BYTES_MAX
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="objects"):
            unpack(bomb)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * MIB


def test_a9_a_message_of_too_many_scalars_is_refused() -> None:
    rows = WIRE_OBJECTS_MAX // 4_096 + 1
    with pytest.raises(LimitExceeded, match="objects"):
        unpack(pack([[0] * 4_096 for _ in range(rows)]))


@pytest.mark.parametrize("levels", [1_000, 1_000_000])
def test_a8_nesting_is_refused_before_it_is_descended(levels: int) -> None:
    with pytest.raises((LimitExceeded, MalformedMessage)):
        unpack(b"\x91" * levels + EMPTY_LIST)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x80",  # a map
        b"\xcb" + bytes(8),  # a float
        b"\xc7\x01\x05\x00",  # an extension
        b"\xcd\x00\x01",  # 1 in two bytes
        b"\xa1\xff",  # not UTF-8
        b"\xa3\xed\xa0\x80",  # a surrogate
        b"\xdd\xff\xff\xff\xff",  # a list of 4 294 967 295
        b"\xc6\xff\xff\xff\xff",  # as many bytes
        b"\x90\x90",  # two messages
    ],
)
def test_what_never_travels_is_refused(bad: bytes) -> None:
    with pytest.raises((LimitExceeded, MalformedMessage)):
        unpack(bad)


def test_a11_nothing_is_left_of_a_message_that_was_refused() -> None:
    """One reader for many messages kept a freed buffer after an error (GHSA-6v7p-g79w-8964)."""
    assert msgpack.version >= (1, 2, 1)
    source = Path(codec.__file__).read_text()
    assert "Unpacker" not in source, "each message is read by a call of its own"
    for wrong in (b"\xc1", b"\x92\x01", b"\xa1\xff", b"\x80"):
        with pytest.raises(MalformedMessage):
            unpack(wrong)
        assert unpack(b"\x91\x01") == [1]
