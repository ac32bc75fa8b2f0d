"""The messages of a pairing, and their only encoding.

A message is a kind (one byte) and a body (a canonical msgpack array of its fields in order). The
first four kinds, and a refusal, travel in the open in frames of their own; the others are messages
of the sealed channel. Which may come when is for the machines to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from p2pvault.crypto.cpace import SHARE_BYTES, TAG_BYTES
from p2pvault.crypto.keys import KEY_BYTES, SIGNATURE_BYTES
from p2pvault.crypto.seal import BOX_PUBLIC_BYTES, SEAL_OVERHEAD_BYTES
from p2pvault.errors import MalformedMessage
from p2pvault.limits import DEVICES_MAX, PAIRING_PACKAGE_BYTES_MAX, PAIRING_PART_BYTES
from p2pvault.wire.codec import pack, unpack
from p2pvault.wire.names import kind_shape, name_shape
from p2pvault.wire.shape import (
    Shape,
    binary,
    choice,
    exactly,
    sequence,
    structure,
    to_tree,
    unsigned,
)

VERSION: Final = 1
"""The version of this ceremony."""

NONCE_BYTES: Final = 16
"""Each side's part of the session's name."""

SEED_BYTES: Final = 32
"""The random numbers behind the words, one of each side, and the challenge to the box key."""

HASH_BYTES: Final = 32
"""A commitment or an answer: BLAKE2b-256."""

OPEN_BYTES_MAX: Final = 256
"""A frame in the open; the largest, a `Claim`, has 136 bytes."""

_VERSIONS_MAX: Final = 8
_DEVICE_TIME_MAX: Final = 2**53


class Way(StrEnum):
    """How the new device learned the secret."""

    TYPED = "typed"
    SCANNED = "scanned"


class Reason(StrEnum):
    """Why one side ends a pairing, as told to the other side."""

    NO_CODE = "no code"
    BUSY = "busy"
    VERSION = "version"
    WRONG_CODE = "wrong code"
    WRONG_WORDS = "wrong words"
    KNOWN_DEVICE = "known device"
    DECLINED = "declined"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Hello:
    """Joiner, in the open: what it speaks, its nonce, and which secret it means."""

    versions: tuple[int, ...]
    nonce: bytes
    way: Way


@dataclass(frozen=True, slots=True)
class Offer:
    """Sponsor, in the open: the version, its nonce, which code it shows, and its CPace share."""

    version: int
    nonce: bytes
    slot: int
    share: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Joiner, in the open: its share, the commitment to its seed, and proof that it has the key."""

    share: bytes
    commitment: bytes
    tag: bytes


@dataclass(frozen=True, slots=True)
class Confirm:
    """Sponsor, in the open: proof that it has the key too."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Either side: this is the end, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Introduction:
    """Joiner: its keys, name and kind, signed."""

    signing: bytes
    static: bytes
    box: bytes
    name: str
    kind: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Presentation:
    """Sponsor: its keys and name, the vault, a challenge to the box key, its seed; signed."""

    signing: bytes
    static: bytes
    box: bytes
    name: str
    vault: bytes
    vault_name: str
    devices: int
    made_ms: int
    challenge: bytes
    seed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """Joiner: the seed that it had committed to, and the answer to the challenge."""

    seed: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Accept:
    """Joiner: the person wants to join this vault."""


@dataclass(frozen=True, slots=True)
class Package:
    """Sponsor: how many bytes follow in parts."""

    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """Sponsor: the next piece."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """Joiner: all of it is durable."""


PairingMessage = (
    Hello
    | Offer
    | Claim
    | Confirm
    | Refusal
    | Introduction
    | Presentation
    | Opening
    | Accept
    | Package
    | Part
    | Stored
)

_KEYS: Final = (exactly(KEY_BYTES), exactly(KEY_BYTES), exactly(BOX_PUBLIC_BYTES))
_SHAPES: Final[Mapping[int, tuple[type[PairingMessage], Shape[PairingMessage]]]] = {
    1: (
        Hello,
        structure(Hello, sequence(unsigned(255), _VERSIONS_MAX), exactly(NONCE_BYTES), choice(Way)),
    ),
    2: (
        Offer,
        structure(Offer, unsigned(255), exactly(NONCE_BYTES), unsigned(99), exactly(SHARE_BYTES)),
    ),
    3: (Claim, structure(Claim, exactly(SHARE_BYTES), exactly(HASH_BYTES), exactly(TAG_BYTES))),
    4: (Confirm, structure(Confirm, exactly(TAG_BYTES))),
    5: (Refusal, structure(Refusal, choice(Reason))),
    6: (
        Introduction,
        structure(Introduction, *_KEYS, name_shape, kind_shape, exactly(SIGNATURE_BYTES)),
    ),
    7: (
        Presentation,
        structure(
            Presentation,
            *_KEYS,
            name_shape,
            exactly(32),
            name_shape,
            unsigned(DEVICES_MAX),
            unsigned(_DEVICE_TIME_MAX),
            exactly(SEED_BYTES + SEAL_OVERHEAD_BYTES),
            exactly(SEED_BYTES),
            exactly(SIGNATURE_BYTES),
        ),
    ),
    8: (Opening, structure(Opening, exactly(SEED_BYTES), exactly(HASH_BYTES))),
    9: (Accept, structure(Accept)),
    10: (Package, structure(Package, unsigned(PAIRING_PACKAGE_BYTES_MAX))),
    11: (Part, structure(Part, binary(PAIRING_PART_BYTES))),
    12: (Stored, structure(Stored)),
}
_KINDS: Final = {message: kind for kind, (message, _) in _SHAPES.items()}


def kind_of(message: PairingMessage) -> int:
    """Return the kind of a message, 1 to 12."""
    return _KINDS[type(message)]


def encode(message: PairingMessage) -> bytes:
    """Return the body of a message."""
    return pack(to_tree(message))


def decode(kind: int, body: bytes) -> PairingMessage:
    """Read a message.

    Raises:
        MalformedMessage: No such kind, or not the only encoding of one.
        LimitExceeded: A field above its bound.
    """
    if kind not in _SHAPES:
        raise MalformedMessage(f"there is no pairing message of kind {kind}")
    _, shape = _SHAPES[kind]
    return shape(unpack(body))


def signed_part(message: Introduction | Presentation) -> bytes:
    """Return what the signature covers: all fields before it, encoded."""
    tree = to_tree(message)
    assert isinstance(tree, list), "a message becomes an array"
    return pack(tree[:-1])
