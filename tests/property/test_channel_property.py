from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.handshakes import channels
from p2pvault.crypto.envelope import Message
from p2pvault.errors import MalformedMessage, RemoteProtocolError

messages = st.lists(
    st.builds(
        Message,
        kind=st.integers(1, 255),
        stream=st.integers(0, 65_535),
        body=st.binary(max_size=600)
        | st.integers(60_000, 140_000).map(lambda size: bytes([size % 256]) * size),
    ),
    max_size=5,
)


@given(messages, st.data())
@settings(max_examples=60)
def test_messages_arrive_whole_however_the_stream_is_cut(
    sent: list[Message], data: st.DataObject
) -> None:
    alice, bob = channels()
    stream = b"".join(alice.seal(m.kind, m.body, m.stream) for m in sent) + alice.close()
    cut = st.integers(0, len(stream))
    ends = [0, *sorted(data.draw(st.lists(cut, max_size=6))), len(stream)]
    received: list[Message] = []
    for start, end in pairwise(ends):
        received += bob.receive(stream[start:end])
    assert received == sent
    bob.end_of_stream()


def test_messages_fed_byte_by_byte_arrive_like_the_whole() -> None:
    alice, bob = channels()
    sent = [Message(1, 0, b"short"), Message(2, 5, bytes(70_000)), Message(3, 0, b"")]
    stream = b"".join(alice.seal(m.kind, m.body, m.stream) for m in sent)
    received: list[Message] = []
    for position in range(len(stream)):
        received += bob.receive(stream[position : position + 1])
    assert received == sent


def test_a_bit_flipped_anywhere_lets_no_message_through() -> None:
    sealed = channels()[0].seal(1, b"message") + b""
    for position in range(len(sealed)):
        _, bob = channels()
        changed = bytearray(sealed)
        changed[position] ^= 1 << position % 8
        delivered = []
        # A longer announced length waits for bytes that never come, and the end of the stream
        # then tells; everything else is refused at once.
        try:
            delivered = bob.receive(bytes(changed))
        except MalformedMessage:
            continue
        assert delivered == []
        with pytest.raises(RemoteProtocolError):
            bob.end_of_stream()


@given(st.integers(0, 200_000))
@settings(max_examples=60)
def test_a2_a_stream_cut_off_anywhere_gives_whole_messages_only_and_is_noticed(end: int) -> None:
    alice, bob = channels()
    sent = [Message(1, 0, b"first"), Message(2, 0, bytes(100_000)), Message(3, 0, b"last")]
    stream = b"".join(alice.seal(m.kind, m.body, m.stream) for m in sent) + alice.close()
    cut = stream[: min(end, len(stream) - 1)]
    received = bob.receive(cut)
    assert received == sent[: len(received)]
    with pytest.raises(RemoteProtocolError):
        bob.end_of_stream()


@given(st.binary(max_size=2000))
def test_bytes_of_a_stranger_deliver_nothing(noise: bytes) -> None:
    _, bob = channels()
    try:
        assert bob.receive(noise) == []
    except MalformedMessage:
        return
    with pytest.raises(RemoteProtocolError):
        bob.end_of_stream()
