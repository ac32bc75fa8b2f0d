"""A recovery key on paper: BIP 39's own vectors, and what a person makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pvault.errors import BadRecoveryWords
from p2pvault.limits import RECOVERY_TEXT_CHARACTERS_MAX
from p2pvault.protocol.recovery_words import read_words, write_words

seeds = st.binary(min_size=32, max_size=32)

VECTORS = {
    bytes(32): "abandon " * 23 + "art",
    bytes([0x7F] * 32): "legal winner thank year wave sausage worth useful " * 2
    + "legal winner thank year wave sausage worth title",
    bytes([0x80] * 32): "letter advice cage absurd amount doctor acoustic avoid " * 2
    + "letter advice cage absurd amount doctor acoustic bless",
    bytes([0xFF] * 32): "zoo " * 23 + "vote",
}
"""The four of the reference implementation (trezor/python-mnemonic, vectors.json) for 256 bits that
are one byte again and again."""


@pytest.mark.parametrize("seed", VECTORS, ids=lambda seed: seed[:1].hex())
def test_published_vectors(seed: bytes) -> None:
    assert write_words(seed) == VECTORS[seed]
    assert read_words(VECTORS[seed]) == seed


@given(seeds)
def test_what_is_written_is_read(seed: bytes) -> None:
    words = write_words(seed)
    assert len(words.split(" ")) == 24
    assert read_words(words) == seed


@given(seeds)
def test_untidy_words_are_read(seed: bytes) -> None:
    words = write_words(seed).split()
    assert read_words("\n".join(word[:4].upper() for word in words)) == seed
    assert read_words("  ".join(f"{n}. {word}" for n, word in enumerate(words, 1)) + "\n") == seed


@given(seeds, st.integers(0, 22))
def test_words_that_changed_places_are_never_taken_for_the_same_key(
    seed: bytes, place: int
) -> None:
    words = write_words(seed).split()
    words[place], words[place + 1] = words[place + 1], words[place]
    try:
        other = read_words(" ".join(words))
    except BadRecoveryWords:
        return
    assert other != seed or words[place] == words[place + 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "these are 0"),
        ("abandon " * 23, "these are 23"),
        ("abandon " * 25, "these are 25"),
        ("abandon " * 24, "belong together"),
        ("abandon " * 10 + "secretword " + "abandon " * 13, "word 11"),
        ("abandonx " * 24, "word 1 "),
        ("zo " + "zoo " * 22 + "vote", "word 1 "),
        ("ä" * 24, "these are 1"),
        ("a " * RECOVERY_TEXT_CHARACTERS_MAX, "much more"),
    ],
)
def test_what_is_no_key_is_refused_and_never_repeated(text: str, why: str) -> None:
    with pytest.raises(BadRecoveryWords, match=why) as caught:
        read_words(text)
    assert not {*text.split()} & {*str(caught.value).split()} - {"a"}
