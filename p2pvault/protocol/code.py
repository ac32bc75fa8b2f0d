"""The pairing code that a person reads on one device and types on the other.

`42-lantern-tulip-violin`: two digits that choose among devices which show a code at the same
time and are not secret, and three words of 1296, 31.0 bits that are. What is typed may
be untidy: any case, spaces for hyphens, the first three letters of a word, and o or 0 for each
other. Nothing here shows a secret by accident: representations and errors leave the words out,
but for the one that is not in the list.
"""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from typing import Final

from p2pvault.errors import BadCode
from p2pvault.limits import CODE_CHARACTERS_MAX

WORDS: Final = 3
"""Words in a code: 1296**3 = 2**31.0 codes, of which an attacker may try three."""

SLOT_MIN: Final = 10
"""Smallest slot, so that it always has two digits."""

SLOT_MAX: Final = 99
"""Largest slot."""

ENTROPY_BYTES: Final = 16
"""Randomness for a code; reducing 128 bits to 31 leaves a bias of 2**-90."""

_PREFIX_CHARACTERS: Final = 3
"""Each word of the list is known by this many letters (so says the list, and a test)."""

# Read while the daemon starts: later there may be no descriptor left, or another file in its place.
_WORD_FILE: Final = files("p2pvault.protocol") / "words" / "eff-short-2.txt"
_LIST: Final = tuple(_WORD_FILE.read_text("ascii").split())
_BY_PREFIX: Final = {word[:_PREFIX_CHARACTERS]: word for word in _LIST}

_SEPARATORS: Final = re.compile(r"[\s\-_.,]+")
_DIGITS_MEANT: Final = str.maketrans("oil", "011")
_LETTERS_MEANT: Final = str.maketrans("01", "ol")


@dataclass(frozen=True, slots=True)
class Code:
    """A pairing code. `str()` gives the text to show; the representation hides the words.

    Attributes:
        slot: 10 to 99; sent in the clear, so that a device can tell whether it is the one meant.
        words: Three words of the list, the secret part.
    """

    slot: int
    words: tuple[str, str, str] = field(repr=False)

    def __str__(self) -> str:
        """Return `NN-word-word-word`."""
        return "-".join((str(self.slot), *self.words))

    @property
    def secret(self) -> bytes:
        """The password-related string of the key exchange: the code as shown, in ASCII."""
        return str(self).encode("ascii")


def draw_code(entropy: bytes) -> Code:
    """Make a code from 16 random bytes."""
    assert len(entropy) == ENTROPY_BYTES, "a code is drawn from 16 random bytes"
    words = _LIST
    number = int.from_bytes(entropy, "big")
    number, slot = divmod(number, SLOT_MAX - SLOT_MIN + 1)
    number, first = divmod(number, len(words))
    number, second = divmod(number, len(words))
    third = number % len(words)
    return Code(SLOT_MIN + slot, (words[first], words[second], words[third]))


def parse_code(text: str) -> Code:
    """Read what a person typed.

    Args:
        text: A code in any case, with hyphens, spaces, dots, commas or underscores between its
            parts, and words cut short to three letters or more.

    Returns:
        The code in full.

    Raises:
        BadCode: It has no two digits, not three words, or a word that is in no code; the hint
            offers the words that come close.
    """
    if len(text) > CODE_CHARACTERS_MAX:
        raise BadCode(f"a pairing code has at most {CODE_CHARACTERS_MAX} characters")
    parts = [part for part in _SEPARATORS.split(text.strip().lower()) if part]
    if len(parts) != 1 + WORDS:
        raise BadCode(f"a pairing code is a number and {WORDS} words, this is something else")
    first, second, third = (_read_word(part) for part in parts[1:])
    return Code(_read_slot(parts[0]), (first, second, third))


def complete(prefix: str) -> tuple[str, ...]:
    """Return the words of the list that start with `prefix`, for completion while typing."""
    meant = prefix.lower().translate(_LETTERS_MEANT)
    return tuple(word for word in _LIST if word.startswith(meant))


def _read_slot(part: str) -> int:
    meant = part.translate(_DIGITS_MEANT)
    if len(meant) != 2 or not (meant.isascii() and meant.isdecimal()) or int(meant) < SLOT_MIN:
        raise BadCode(f"a pairing code starts with a number from {SLOT_MIN} to {SLOT_MAX}")
    return int(meant)


def _read_word(part: str) -> str:
    meant = part.translate(_LETTERS_MEANT)
    word = _BY_PREFIX.get(meant[:_PREFIX_CHARACTERS])
    if word is not None and word.startswith(meant):
        return word
    raise BadCode(f"{part!a} is no word of a pairing code", hint=_suggest(meant, word))


def _suggest(typed: str, same_start: str | None) -> str:
    close = get_close_matches(typed, _LIST, n=3, cutoff=0.6)
    if same_start is not None and same_start not in close:
        close.insert(0, same_start)
    if not close:
        return BadCode.hint
    return f"Did you mean {' or '.join(close[:3])}?"
