"""CPace: two parties who share a short code get a strong key, and a stranger gets one guess.

CPACE-X25519-SHA512 of draft-irtf-cfrg-cpace-21 in the initiator-responder setting with explicit
key confirmation. A recorded run tells nothing about the code; a false party must commit to one
guess at it per run, and is found out when the tags do not match.

Known deviation: the draft asks for constant time everywhere. Elligator2 here runs on Python
integers, whose timing depends a little on the values. The value is a hash of a code that is used
once, with fresh randomness of both parties in it, so that no two runs can be averaged; the scalar
multiplications, which do use a secret for longer, are libsodium's and constant-time.
"""

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha512
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from nacl.bindings import crypto_scalarmult
from nacl.exceptions import RuntimeError as NaclRuntimeError

from p2pvault.errors import HandshakeFailed

SCALAR_BYTES: Final = 32
"""A secret scalar; libsodium clamps it as RFC 7748, section 5 says."""

SHARE_BYTES: Final = 32
"""A public share: the u-coordinate of a point (RFC 7748)."""

TAG_BYTES: Final = 64
"""A confirmation tag: HMAC-SHA-512."""

_P: Final = 2**255 - 19
"""The field prime of curve25519."""

_A: Final = 486_662
"""The coefficient of v² = u³ + A·u² + u (RFC 7748, section 4.1)."""

_NON_SQUARE: Final = 2
"""Z of Elligator2 on curve25519 (RFC 9380, section 8.5 and appendix H.3)."""

_DSI: Final = b"CPace255"
_DSI_KEY: Final = b"CPace255_ISK"
_CONFIRMATION_LABEL: Final = b"CPaceMac"
_HASH_BLOCK_BYTES: Final = 128
"""SHA-512's input block; the draft pads the code so that it fills the first one alone."""


class Side(Enum):
    """Who speaks first. The draft calls them A and B."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


@dataclass(frozen=True, slots=True)
class Terms:
    """What both parties must have in common before they begin.

    Attributes:
        code: The shared secret of low entropy (PRS).
        channel: Who talks to whom about what (CI).
        session: Fresh for every run, made of both parties' randomness (sid).
    """

    code: bytes = field(repr=False)
    channel: bytes
    session: bytes


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one party sends in the clear.

    Attributes:
        share: Its public share, 32 bytes.
        associated: Data that both parties must agree on afterwards (ADa or ADb).
    """

    share: bytes
    associated: bytes


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a finished run gives.

    Attributes:
        key: The intermediate session key (ISK), 64 bytes. Derive from it; do not use it as it is.
        tag: What to send, so that the other party knows that we have the same key.
        expected: What the other party has to send.
    """

    key: bytes = field(repr=False)
    tag: bytes
    expected: bytes = field(repr=False)

    def confirms(self, tag: bytes) -> bool:
        """Tell in constant time whether the other party has the same key."""
        return compare_digest(self.expected, tag)


class Exchange:
    """One party's half of one run. Its scalar is used once and forgotten."""

    def __init__(self, side: Side, terms: Terms, associated: bytes, scalar: bytes) -> None:
        """Compute the share.

        Args:
            side: Whether this party is the initiator.
            terms: The code, the channel and the session.
            associated: This party's associated data (ADa or ADb).
            scalar: 32 random bytes.
        """
        assert len(scalar) == SCALAR_BYTES, "a scalar has 32 bytes"
        self._side = side
        self._session = terms.session
        self._scalar: bytes | None = scalar
        share = scalar_mult_vfy(scalar, calculate_generator(terms))
        self.contribution = Contribution(share, associated)

    def agree(self, other: Contribution) -> Agreement:
        """Finish with what the other party sent. Works once.

        Raises:
            HandshakeFailed: Its share has the wrong length or low order, or is our own message
                thrown back.
        """
        assert self._scalar is not None, "an exchange agrees once"
        scalar, self._scalar = self._scalar, None
        own = self.contribution
        if own == other:
            # The tags would be equal too, and whoever sent ours back would confirm with ours.
            raise HandshakeFailed("the other side sent our own message back")
        if len(other.share) != SHARE_BYTES:
            raise HandshakeFailed(f"a share has {SHARE_BYTES} bytes, not {len(other.share)}")
        secret = scalar_mult_vfy(scalar, other.share)
        first, second = (own, other) if self._side is Side.INITIATOR else (other, own)
        transcript = _transcript(first) + _transcript(second)
        key = sha512(lv_cat(_DSI_KEY, self._session, secret) + transcript).digest()
        tag_key = sha512(_CONFIRMATION_LABEL + self._session + key).digest()
        return Agreement(key, _tag(tag_key, own), _tag(tag_key, other))


def lv_cat(*parts: bytes) -> bytes:
    """Concatenate parts, each preceded by its length in LEB128 (draft, section "Notation")."""
    return b"".join(_leb128(len(part)) + part for part in parts)


def calculate_generator(terms: Terms) -> bytes:
    """Return the base point of this run, which only those who know the code can compute.

    Source: draft, `calculate_generator` for G_X25519: hash the generator string and map the first
    32 bytes to the curve.

    Returns:
        A u-coordinate, 32 bytes, little endian.
    """
    hashed = sha512(_generator_string(terms)).digest()[:SHARE_BYTES]
    # RFC 7748, section 5: the unused top bit of a u-coordinate is ignored.
    return _elligator2(int.from_bytes(hashed, "little") % 2**255)


def scalar_mult_vfy(scalar: bytes, point: bytes) -> bytes:
    """Multiply on curve25519 and refuse the neutral element.

    Raises:
        HandshakeFailed: `point` has low order, so the product would not depend on the scalar.
    """
    try:
        return crypto_scalarmult(scalar, point)
    except NaclRuntimeError as error:  # libsodium's answer to an all-zero product
        raise HandshakeFailed("the other side sent a point of low order") from error


def _generator_string(terms: Terms) -> bytes:
    used = len(lv_cat(_DSI)) + len(lv_cat(terms.code)) + 1
    padding = bytes(max(0, _HASH_BLOCK_BYTES - used))
    return lv_cat(_DSI, terms.code, padding, terms.channel, terms.session)


def _elligator2(r: int) -> bytes:
    """Map a field element to a point (RFC 9380, section 6.7.1, u-coordinate only).

    `pow(x, _P - 2, _P)` is the inverse with 0 for 0, as the RFC's inv0; `pow(x, (_P - 1) // 2, _P)`
    is 1 for squares and `_P` - 1 for the others.
    """
    u = -_A * pow(1 + _NON_SQUARE * r * r, _P - 2, _P) % _P
    if pow(u * (u * u + _A * u + 1), (_P - 1) // 2, _P) not in (0, 1):
        u = (-u - _A) % _P
    return u.to_bytes(SHARE_BYTES, "little")


def _leb128(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _transcript(contribution: Contribution) -> bytes:
    return lv_cat(contribution.share, contribution.associated)


def _tag(key: bytes, contribution: Contribution) -> bytes:
    return hmac_digest(key, _transcript(contribution), sha512)
