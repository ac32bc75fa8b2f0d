from collections.abc import Iterator

import pytest

from harness.handshakes import channels
from p2pvault.crypto.cipher import CipherState
from p2pvault.crypto.envelope import Message, enclose
from p2pvault.crypto.framing import frame
from p2pvault.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
    UnexpectedMessage,
)
from p2pvault.limits import FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, REKEY_BYTES, REKEY_RECORDS

KEY = b"k" * 32


def sealed_by_hand(*pieces: bytes) -> bytes:
    """What a member would send that holds the key and breaks the rules."""
    cipher = CipherState(KEY)
    return b"".join(frame(cipher.encrypt(piece)) for piece in pieces)


def test_messages_arrive_in_both_directions_with_kind_and_stream() -> None:
    alice, bob = channels()
    assert bob.receive(alice.seal(3, b"hello", stream=9)) == [Message(3, 9, b"hello")]
    assert alice.receive(bob.seal(255, b"")) == [Message(255, 0, b"")]


def test_short_messages_all_look_the_same() -> None:
    alice, _ = channels()
    sizes = {len(alice.seal(kind, bytes(size))) for kind, size in [(1, 0), (2, 100), (9, 248)]}
    assert sizes == {2 + 256 + 16}


def test_the_largest_message_arrives_and_a_larger_one_is_not_sent() -> None:
    alice, bob = channels()
    body = bytes(range(256)) * (MESSAGE_BYTES_MAX // 256)
    assert bob.receive(alice.seal(1, body)) == [Message(1, 0, body)]
    with pytest.raises(LocalProtocolError):
        alice.seal(1, body + b"x")


def test_a1_a_repeated_frame_ends_the_channel() -> None:
    alice, bob = channels()
    sealed = alice.seal(1, b"once")
    bob.receive(sealed)
    with pytest.raises(MalformedMessage):
        bob.receive(sealed)


def test_a1_swapped_frames_end_the_channel() -> None:
    alice, bob = channels()
    first, second = alice.seal(1, b"first"), alice.seal(1, b"second")
    with pytest.raises(MalformedMessage):
        bob.receive(second + first)


def test_a1_a_lost_frame_ends_the_channel() -> None:
    alice, bob = channels()
    alice.seal(1, b"lost")
    with pytest.raises(MalformedMessage):
        bob.receive(alice.seal(1, b"next"))


def test_p13_a_channel_refuses_its_own_frames() -> None:
    alice, _ = channels()
    with pytest.raises(MalformedMessage):
        alice.receive(alice.seal(1, b"reflected"))


def test_a_broken_channel_stays_broken() -> None:
    alice, bob = channels()
    good = alice.seal(1, b"good")
    with pytest.raises(MalformedMessage):
        bob.receive(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(LocalProtocolError):
        bob.receive(good)
    with pytest.raises(LocalProtocolError):
        bob.seal(1, b"")
    with pytest.raises(LocalProtocolError):
        bob.close()
    with pytest.raises(RemoteProtocolError):
        bob.end_of_stream()


def test_a_close_arrives_and_the_end_of_the_stream_is_then_no_fault() -> None:
    alice, bob = channels()
    messages = bob.receive(alice.seal(1, b"last") + alice.close())
    assert messages == [Message(1, 0, b"last")]
    assert bob.peer_closed
    bob.end_of_stream()


def test_a2_a_stream_that_ends_without_a_close_was_cut_off() -> None:
    alice, bob = channels()
    bob.receive(alice.seal(1, b"last?"))
    assert not bob.peer_closed
    with pytest.raises(RemoteProtocolError):
        bob.end_of_stream()


def test_nothing_can_be_sent_after_closing() -> None:
    alice, _ = channels()
    alice.close()
    with pytest.raises(LocalProtocolError):
        alice.seal(1, b"")
    with pytest.raises(LocalProtocolError):
        alice.close()


def test_a_side_that_closed_still_receives_and_the_other_still_sends() -> None:
    alice, bob = channels()
    bob.receive(alice.close())
    assert alice.receive(bob.seal(1, b"still here") + bob.close()) == [Message(1, 0, b"still here")]
    alice.end_of_stream()


@pytest.mark.parametrize("extra", [b"\x00", b"\x01\x10", bytes(300)])
def test_anything_after_the_peers_close_is_refused(extra: bytes) -> None:
    alice, bob = channels()
    with pytest.raises(UnexpectedMessage):
        bob.receive(alice.close() + extra)
    alice, bob = channels()
    bob.receive(alice.close())
    with pytest.raises(UnexpectedMessage):
        bob.receive(extra)


@pytest.mark.parametrize("message", [Message(0, 0, b"x"), Message(0, 1, b"")])
def test_a_close_with_something_in_it_is_refused(message: Message) -> None:
    _, bob = channels()
    with pytest.raises(MalformedMessage):
        bob.receive(sealed_by_hand(*map(bytes, enclose(message))))


def test_a_member_cannot_announce_more_than_the_bound() -> None:
    _, bob = channels()
    header = bytes([1, 0, 0, 0]) + (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(LimitExceeded):
        bob.receive(sealed_by_hand(header.ljust(65_519, b"\0")))


@pytest.mark.parametrize("size", [0, 15, 16, 271])
def test_a_frame_too_small_for_any_message_is_refused_by_its_length(size: int) -> None:
    _, bob = channels()
    with pytest.raises(MalformedMessage):
        bob.receive(size.to_bytes(2, "big"))


def test_a_message_between_the_pieces_of_another_is_refused() -> None:
    _, bob = channels()
    first, _ = (bytes(piece) for piece in enclose(Message(1, 0, bytes(100_000))))
    (other,) = (bytes(piece) for piece in enclose(Message(2, 0, b"in between")))
    with pytest.raises(MalformedMessage):
        bob.receive(sealed_by_hand(first, other))


@pytest.mark.parametrize("kind", [-1, 0, 256])
def test_kinds_that_are_not_the_users_are_a_bug(kind: int) -> None:
    alice, _ = channels()
    with pytest.raises(AssertionError):
        alice.seal(kind, b"")


@pytest.mark.parametrize("stream", [-1, 65_536])
def test_streams_beyond_two_bytes_are_a_bug(stream: int) -> None:
    alice, _ = channels()
    with pytest.raises(AssertionError):
        alice.seal(1, b"", stream)


def frames_of(sealed: bytes) -> list[bytes]:
    frames = []
    while sealed:
        end = 2 + int.from_bytes(sealed[:2], "big")
        frames.append(sealed[2:end])
        sealed = sealed[end:]
    return frames


def test_a3_the_key_changes_after_its_number_of_frames_on_both_sides() -> None:
    alice, bob = channels()
    for _ in range(REKEY_RECORDS - 1):
        bob.receive(alice.seal(1, b""))
    last, first = alice.seal(1, b"last"), alice.seal(1, b"first")
    reference = CipherState(KEY)
    reference.nonce = REKEY_RECORDS - 1
    reference.decrypt(last[2:])
    reference.rekey()
    reference.decrypt(first[2:])
    assert [message.body for message in bob.receive(last + first)] == [b"last", b"first"]


def test_a3_the_key_changes_after_its_number_of_bytes_on_both_sides() -> None:
    alice, bob = channels()

    def frames() -> Iterator[bytes]:
        while True:
            sealed = alice.seal(1, bytes(MESSAGE_BYTES_MAX))
            assert len(bob.receive(sealed)) == 1
            yield from frames_of(sealed)

    reference, sent = CipherState(KEY), 0
    for sealed_frame in frames():
        if sent >= REKEY_BYTES:
            reference.rekey()
            reference.decrypt(sealed_frame)
            return
        if sent + 2 * FRAME_BYTES_MAX > REKEY_BYTES:
            reference.decrypt(sealed_frame)
        else:
            reference.nonce += 1
        sent += len(sealed_frame)
