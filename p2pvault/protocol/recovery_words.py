"""A recovery key on paper: 32 bytes as 24 words, as BIP 39 writes them.

Each word is 11 bits of the key followed by the first 8 bits of its SHA-256, so that a word
copied wrongly is noticed but for 1 in 256. What is typed may be untidy: any case, any white
space, numbers before the words, and words cut short to four letters, by which the list tells
them apart. Nothing here shows a word by accident: errors say which place it stands at.

The list and the checksum are BIP 39's because people and their paper forms know them; the key
made of them is not a wallet's, and BIP 39's key stretching is not used: the key has its 256 bits.
"""

import re
from hashlib import sha256
from importlib.resources import files
from typing import Final

from p2pvault.errors import BadRecoveryWords
from p2pvault.limits import RECOVERY_TEXT_CHARACTERS_MAX

WORDS: Final = 24
"""256 bits of key and 8 that check them, at 11 bits a word."""

SEED_BYTES: Final = 32
"""The key."""

_BITS: Final = 11
_CHECK_BITS: Final = 8
_PREFIX_CHARACTERS: Final = 4
_NUMBERING: Final = re.compile(r"\b\d+[.):]?")

# Read while the daemon starts; see `code`.
_WORD_FILE: Final = files("p2pvault.protocol") / "words" / "bip39-english.txt"
_LIST: Final = tuple(_WORD_FILE.read_text("ascii").split())
_BY_PREFIX: Final = {word[:_PREFIX_CHARACTERS]: place for place, word in enumerate(_LIST)}
"""Places by the first four letters; words of three letters are their own prefix."""


def write_words(seed: bytes) -> str:
    """Return a key of 32 bytes as 24 words with single spaces."""
    assert len(seed) == SEED_BYTES, "a recovery key has 32 bytes"
    number = int.from_bytes(seed + _check(seed), "big")
    places = ((number >> _BITS * place) % len(_LIST) for place in reversed(range(WORDS)))
    return " ".join(_LIST[place] for place in places)


def read_words(text: str) -> bytes:
    """Read what a person typed or copied.

    Args:
        text: 24 words in their order.

    Returns:
        The key, 32 bytes.

    Raises:
        BadRecoveryWords: Not 24 words, one that is not in the list, or they do not check.
    """
    if len(text) > RECOVERY_TEXT_CHARACTERS_MAX:
        raise BadRecoveryWords(f"a recovery key is {WORDS} words, and this is much more")
    typed = _NUMBERING.sub(" ", text.lower()).split()
    if len(typed) != WORDS:
        raise BadRecoveryWords(f"a recovery key is {WORDS} words, and these are {len(typed)}")
    number = 0
    for place, word in enumerate(typed, start=1):
        number = number << _BITS | _read_word(place, word)
    whole = number.to_bytes(SEED_BYTES + 1, "big")
    seed, check = whole[:SEED_BYTES], whole[SEED_BYTES:]
    if check != _check(seed):
        raise BadRecoveryWords("these words do not belong together: one is wrong, or out of order")
    return seed


def _read_word(place: int, typed: str) -> int:
    found = _BY_PREFIX.get(typed[:_PREFIX_CHARACTERS])
    if found is None or not _LIST[found].startswith(typed):
        raise BadRecoveryWords(f"word {place} is not in the list of words")
    return found


def _check(seed: bytes) -> bytes:
    return sha256(seed).digest()[: _CHECK_BITS // 8]
