"""The first messages of a link, and the package for a new device: they come back, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from p2pvault.limits import (
    ADDRESSES_PER_PEER_MAX,
    EPOCHS_MAX,
    MEMBERSHIP_HEADS_MAX,
    MESSAGE_BYTES_MAX,
    OPERATION_BYTES_MAX,
    OPERATIONS_MAX,
    OPERATIONS_PER_MESSAGE_MAX,
    PAIRING_PACKAGE_BYTES_MAX,
)
from p2pvault.protocol.handover import Handover, decode_handover, encode_handover
from p2pvault.protocol.introduction import (
    Greeting,
    Known,
    decode_greeting,
    decode_known,
    decode_operations,
    decode_secrets,
    encode,
    encode_operations,
    encode_secrets,
)
from p2pvault.types import Address
from p2pvault.wire.codec import pack

addresses = st.builds(Address, st.text("0123456789abcdef.:%", max_size=64), st.integers(0, 65_535))
hashes = st.binary(min_size=32, max_size=32)
places = st.lists(addresses, max_size=ADDRESSES_PER_PEER_MAX).map(tuple)
secrets = st.lists(st.tuples(hashes, hashes), max_size=4).map(tuple)


@given(st.integers(-(2**63), 2**63 - 1), places)
def test_a_greeting_comes_back(wall_ms, listed) -> None:
    assert decode_greeting(encode(Greeting(wall_ms, listed, bytes(16)))) == Greeting(
        wall_ms, listed, bytes(16)
    )


@given(
    st.lists(hashes, max_size=MEMBERSHIP_HEADS_MAX).map(tuple),
    st.lists(hashes, max_size=9).map(tuple),
)
def test_what_is_known_comes_back(heads, epochs) -> None:
    assert decode_known(encode(Known(heads, epochs))) == Known(heads, epochs)


@given(secrets)
def test_secrets_come_back(listed) -> None:
    assert decode_secrets(encode_secrets(listed)) == listed


@given(st.lists(st.integers(1, OPERATION_BYTES_MAX), max_size=30))
def test_operations_come_back_in_order_in_messages_that_fit(lengths) -> None:
    operations = [bytes([number]) * size for number, size in enumerate(lengths)]
    bodies = encode_operations(operations)
    assert [each for body in bodies for each in decode_operations(body)] == operations
    assert all(len(body) <= MESSAGE_BYTES_MAX for body in bodies)


def test_many_small_operations_are_several_messages() -> None:
    bodies = encode_operations([b"x"] * (2 * OPERATIONS_PER_MESSAGE_MAX + 1))
    assert [len(decode_operations(body)) for body in bodies] == [1_024, 1_024, 1]
    assert encode_operations([]) == []


@pytest.mark.parametrize(
    ("decode", "tree"),
    [
        (decode_greeting, [0, [["h", 1]] * (ADDRESSES_PER_PEER_MAX + 1), bytes(16)]),
        (decode_greeting, [0, [["h" * 65, 1]], bytes(16)]),
        (decode_greeting, [0, [["h", 65_536]], bytes(16)]),
        (decode_known, [[bytes(32)] * (MEMBERSHIP_HEADS_MAX + 1), []]),
        (decode_known, [[], [bytes(32)] * (EPOCHS_MAX + 1)]),
        (decode_operations, [b""] * (OPERATIONS_PER_MESSAGE_MAX + 1)),
        (decode_operations, [bytes(OPERATION_BYTES_MAX + 1)]),
        (decode_secrets, [[bytes(32), bytes(32)]] * (EPOCHS_MAX + 1)),
        (decode_handover, [[[b""] * (OPERATIONS_PER_MESSAGE_MAX + 1)], [], []]),
        (decode_handover, [[[]] * 11, [], []]),
    ],
)
def test_more_than_the_bounds_allow_is_refused(decode, tree) -> None:
    with pytest.raises(LimitExceeded):
        decode(pack(tree))


@pytest.mark.parametrize(
    ("decode", "tree"),
    [
        (decode_greeting, [0]),
        (decode_greeting, [None, []]),
        (decode_known, [[bytes(31)], []]),
        (decode_operations, ["text"]),
        (decode_secrets, [[bytes(32), bytes(31)]]),
        (decode_handover, [[], []]),
        (decode_handover, [[b"not in parts"], [], []]),
    ],
)
def test_another_shape_is_refused(decode, tree) -> None:
    with pytest.raises(MalformedMessage):
        decode(pack(tree))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for decode in (
        decode_greeting,
        decode_known,
        decode_operations,
        decode_secrets,
        decode_handover,
    ):
        try:
            decode(data)
        except RemoteProtocolError:
            continue


@given(st.lists(st.binary(max_size=40), max_size=6).map(tuple), secrets, places)
def test_a_handover_comes_back(operations, listed, where) -> None:
    handover = Handover(operations, listed, where)
    assert decode_handover(encode_handover(handover)) == handover


def test_a_handover_holds_the_longest_log() -> None:
    operations = tuple(number.to_bytes(4, "big") * 350 for number in range(OPERATIONS_MAX))
    package = encode_handover(Handover(operations, ((bytes(32), bytes(32)),) * EPOCHS_MAX, ()))
    assert len(package) < PAIRING_PACKAGE_BYTES_MAX
    assert decode_handover(package).operations == operations


def test_the_secrets_of_a_handover_are_not_printed() -> None:
    assert "ssss" not in repr(Handover((), ((b"e" * 32, b"s" * 32),), ()))
