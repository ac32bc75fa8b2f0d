"""Finding where two branches of a journal part, and the messages that are sent for it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import LimitExceeded, MalformedMessage, RemoteProtocolError
from p2pvault.limits import ENTRY_BYTES_MAX, FORK_PROBES_MAX
from p2pvault.protocol.fork import Fork, Narrowing, Word, decode_fork, encode_fork
from p2pvault.types import AuthorId
from p2pvault.wire.codec import pack

AUTHOR = AuthorId(bytes(16))
ROUNDS_MAX = 4


@given(
    st.integers(0, 100_000), st.integers(0, 200_000), st.integers(0, 200_000), st.integers(0, 100)
)
def test_the_last_shared_entry_is_found_in_few_rounds(common, ours, theirs, truncated) -> None:
    ours, theirs = common + ours, common + theirs

    def held(branch: bytes, numbers: tuple[int, ...]) -> list[bytes]:
        """Return hashes; the oldest shared entries are not held any more."""
        gone = min(truncated, common)
        return [b"" if n <= gone else (b"same" if n <= common else branch) for n in numbers]

    narrowing = Narrowing(ours, theirs)
    for _ in range(ROUNDS_MAX):
        if narrowing.common is not None:
            break
        numbers = narrowing.ask()
        assert 0 < len(numbers) <= FORK_PROBES_MAX
        assert all(0 < n <= min(ours, theirs) for n in numbers)
        narrowing.learn(held(b"ours", numbers), held(b"theirs", numbers))
    assert narrowing.common == common


numbers = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=FORK_PROBES_MAX).map(tuple)


@given(numbers)
def test_messages_come_back(asked) -> None:
    hashes = tuple(bytes([n % 256]) * 32 for n in asked)
    for fork in (
        Fork(Word.CONTESTED, AUTHOR),
        Fork(Word.GIVE_WAY, AUTHOR),
        Fork(Word.ASK, AUTHOR, asked),
        Fork(Word.ANSWER, AUTHOR, asked, hashes),
        Fork(Word.PROVE, AUTHOR, asked[:1]),
        Fork(Word.PROOF, AUTHOR, asked[:1], entry=b"an entry"),
        Fork(Word.PROOF, AUTHOR, asked[:1]),
    ):
        assert decode_fork(encode_fork(fork)) == fork


@pytest.mark.parametrize(
    "tree",
    [
        [6, AUTHOR, [], [], b""],
        [0, b"", [], [], b""],
        [0, AUTHOR, [1], [], b""],
        [1, AUTHOR, [], [], b""],
        [1, AUTHOR, [1], [bytes(32)], b""],
        [2, AUTHOR, [1, 2], [bytes(32)], b""],
        [3, AUTHOR, [], [bytes(32)], b""],
        [1, AUTHOR, [1] * (FORK_PROBES_MAX + 1), [], b""],
        [2, AUTHOR, [1], [bytes(33)], b""],
        [4, AUTHOR, [], [], b""],
        [4, AUTHOR, [1, 2], [], b""],
        [5, AUTHOR, [1, 2], [], b"an entry"],
        [4, AUTHOR, [1], [], b"an entry"],
        [2, AUTHOR, [1], [bytes(32)], b"an entry"],
        [5, AUTHOR, [1], [], bytes(ENTRY_BYTES_MAX + 1)],
        [0, AUTHOR, [], []],
    ],
)
def test_what_makes_no_sense_is_refused(tree) -> None:
    with pytest.raises((MalformedMessage, LimitExceeded)):
        decode_fork(pack(tree))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode_fork(data)


def test_an_entry_that_only_we_hold_no_more_is_shared() -> None:
    narrowing = Narrowing(3, 3)
    assert narrowing.ask() == (1, 2, 3)
    narrowing.learn([b"", b"", b"c"], [b"a", b"x", b"y"])
    assert narrowing.common == 2
    narrowing = Narrowing(3, 3)
    narrowing.ask()
    narrowing.learn([b"", b"b", b"c"], [b"a", b"", b"y"])
    assert narrowing.common == 1, "what only the peer holds no more tells nothing"


def test_answers_that_contradict_each_other_still_come_to_an_end() -> None:
    narrowing = Narrowing(3, 3)
    narrowing.ask()
    narrowing.learn([b"a", b"b", b"c"], [b"x", b"b", b"y"])
    assert narrowing.common == 2
