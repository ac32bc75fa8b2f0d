"""The words that both persons compare, and the commitment that makes comparing worth it.

Two words of the PGP list and two digits, 22.6 bits, out of the handshake's name and one random
number of each side. The joiner commits to its number before it sees the sponsor's, and the
sponsor's is sent only after the handshake is over. So somebody in the middle, who has two
handshakes with two names, has fixed everything on both of them before learning what the words will
be: whether they match is luck, once in 6 553 600 sessions.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from hmac import compare_digest
from importlib.resources import files
from re import split as split_at

from p2pvault.crypto.hashing import digest
from p2pvault.errors import BadValue

TYPED_CHARACTERS_MAX = 64
"""Two words of at most eleven letters, spaced generously."""

# Read while the daemon starts; see `protocol.code`.
_EVEN, _ODD = (
    tuple((files("p2pvault.protocol") / "words" / name).read_text("ascii").split())
    for name in ("pgp-even.txt", "pgp-odd.txt")
)


@dataclass(frozen=True, slots=True)
class ShortString:
    """What both devices know and an attacker in the middle cannot choose.

    Attributes:
        words: One word of the even list, one of the odd list.
        digits: "00" to "99".
    """

    words: tuple[str, str]
    digits: str

    def matches(self, typed: str) -> bool:
        """Tell whether a person typed these two words, in any case and spacing.

        Raises:
            BadValue: What was typed are not two words that could be shown at all. That is a slip
                and not a mismatch: ask again. It tells an attacker nothing.
        """
        return read_words(typed) == self.words


def commit(seed: bytes) -> bytes:
    """Return the commitment to a seed, 32 bytes."""
    return digest(b"p2pv-commit", seed)


def opens(commitment: bytes, seed: bytes) -> bool:
    """Tell whether this is the seed that was committed to."""
    return compare_digest(commit(seed), commitment)


def short_string(binding: bytes, sponsor_seed: bytes, joiner_seed: bytes) -> ShortString:
    """Return what to compare.

    Args:
        binding: The handshake's hash, equal on both sides and on no other handshake.
        sponsor_seed: 32 random bytes of the sponsor.
        joiner_seed: 32 random bytes of the joiner.
    """
    hashed = digest(b"p2pv-sas", binding, sponsor_seed, joiner_seed)
    # 64 bits modulo 100 are uniform up to 2**-57.
    digits = int.from_bytes(hashed[2:10], "big") % 100
    return ShortString((_EVEN[hashed[0]], _ODD[hashed[1]]), f"{digits:02}")


def read_words(typed: str) -> tuple[str, str]:
    """Read two words as a person types them.

    Raises:
        BadValue: Not one word of the even list and one of the odd list.
    """
    parts = [part for part in split_at(r"[\s\-_.,]+", typed[:TYPED_CHARACTERS_MAX].lower()) if part]
    if len(parts) != 2 or len(typed) > TYPED_CHARACTERS_MAX:
        raise BadValue("two words are needed", hint="Type the two words that the new device shows.")
    first, second = (_listed(part, known) for part, known in zip(parts, (_EVEN, _ODD), strict=True))
    return first, second


def _listed(part: str, known: tuple[str, ...]) -> str:
    if part in known:
        return part
    close = " or ".join(get_close_matches(part, known, n=3, cutoff=0.7))
    raise BadValue(
        f"{part!a} is none of the words that a device shows there",
        hint=f"Did you mean {close}?"
        if close
        else "Type the words in the order in which they are.",
    )
