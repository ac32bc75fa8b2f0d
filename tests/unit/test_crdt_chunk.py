import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import ADA, deflated, sealed
from p2pvault.crdt.chunk import encode_unsigned, open_change, signed, split, unsigned
from p2pvault.crdt.record import Record
from p2pvault.errors import ChangeRefused
from p2pvault.limits import CHANGE_BYTES_MAX, CHANGE_INFLATED_BYTES_MAX

_, CHUNK = Record.create(ADA, "notes", "one", {"field": 1})


def encode_signed(value: int) -> bytes:
    """LEB128 as the DWARF specification (version 4, appendix C) writes it."""
    groups = bytearray()
    while True:
        group = value & 0x7F
        value >>= 7
        if value == (-1 if group & 0x40 else 0):
            return bytes([*groups, group])
        groups.append(group | 0x80)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=2))
def test_unsigned_numbers_are_read_as_they_were_written(value: int, behind: bytes) -> None:
    data = encode_unsigned(value)
    assert unsigned(data + behind, 0) == (value, len(data))


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=2))
def test_signed_numbers_are_read_as_they_were_written(value: int, behind: bytes) -> None:
    data = encode_signed(value)
    assert signed(data + behind, 0) == (value, len(data))


@given(st.binary(min_size=1, max_size=12))
def test_a_number_that_is_read_has_no_other_form(data: bytes) -> None:
    for read, write in ((unsigned, encode_unsigned), (signed, encode_signed)):
        try:
            value, stop = read(data, 0)
        except (ChangeRefused, IndexError):
            continue
        assert write(value) == data[:stop]


@pytest.mark.parametrize("data", ["8000", "ff80808000", "80808080808080808002", "ff" * 10 + "01"])
def test_unsigned_numbers_in_a_longer_form_or_too_large_are_refused(data: str) -> None:
    with pytest.raises(ChangeRefused):
        unsigned(bytes.fromhex(data), 0)


@pytest.mark.parametrize(
    "data", ["8000", "ff7f", "c0ff7f", "80808080808080808001", "ff" * 10 + "00"]
)
def test_signed_numbers_in_a_longer_form_or_too_large_are_refused(data: str) -> None:
    with pytest.raises(ChangeRefused):
        signed(bytes.fromhex(data), 0)


def test_chunks_are_cut_apart_as_they_were_joined() -> None:
    record, first = Record.create(ADA, "notes", "one", {"field": 1})
    second = record.commit({"field": 2})
    assert second is not None
    parts = [record.snapshot(), first, second]
    assert split(b"".join(parts)) == parts
    assert split(b"") == []


@pytest.mark.parametrize("cut", range(1, len(CHUNK)))
def test_a16_a_torn_chunk_is_refused_wherever_it_is_torn(cut: int) -> None:
    with pytest.raises(ChangeRefused):
        split(CHUNK + CHUNK[:cut])
    with pytest.raises(ChangeRefused):
        open_change(CHUNK[:cut])


@pytest.mark.parametrize("at", range(len(CHUNK)))
def test_a16_one_flipped_bit_anywhere_is_refused(at: int) -> None:
    broken = bytearray(CHUNK)
    broken[at] ^= 1
    with pytest.raises(ChangeRefused):
        open_change(bytes(broken))


def test_a16_bytes_behind_a_change_are_refused() -> None:
    with pytest.raises(ChangeRefused, match="behind"):
        open_change(CHUNK + b"\x00")


@pytest.mark.parametrize("kind", [0, 3, 4, 5, 255])
def test_a15_every_kind_of_chunk_but_a_change_is_refused(kind: int) -> None:
    with pytest.raises(ChangeRefused, match="type"):
        open_change(CHUNK[:8] + bytes([kind]) + CHUNK[9:])


def test_a_change_and_its_deflated_form_are_the_same_change() -> None:
    body = bytes(1000)
    assert open_change(deflated(body)) == open_change(sealed(body))


def test_a14_a_change_at_its_bounds_is_opened_and_one_byte_more_is_refused() -> None:
    frame_bytes = len(sealed(bytes(CHANGE_BYTES_MAX - 12))) - (CHANGE_BYTES_MAX - 12)
    fitting = bytes(CHANGE_BYTES_MAX - frame_bytes)
    assert open_change(sealed(fitting))[0] == fitting
    with pytest.raises(ChangeRefused, match="bytes"):
        open_change(sealed(fitting + b"\x00"))
    largest = bytes(CHANGE_INFLATED_BYTES_MAX)
    assert open_change(deflated(largest))[0] == largest
    with pytest.raises(ChangeRefused, match="inflates"):
        open_change(deflated(largest + b"\x00"))


def test_a_deflated_change_that_ends_early_or_goes_on_is_refused() -> None:
    whole = deflated(b"body" * 100)
    data = whole[10:]
    for broken in (data[:-1], data + b"\x00", b"\xff" + data):
        with pytest.raises(ChangeRefused, match="inflate"):
            open_change(whole[:9] + encode_unsigned(len(broken)) + broken)
