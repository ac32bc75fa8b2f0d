"""The formulas of the ceremony, which both sides compute alike: docs/protocol/pairing.md.

Pure functions of messages and secrets; no state and no order of events.
"""

from typing import Final

from p2pvault.crypto.cpace import Side, Terms, lv_cat
from p2pvault.crypto.hashing import digest
from p2pvault.crypto.keys import PublicKeys, verify
from p2pvault.crypto.schedule import hkdf
from p2pvault.errors import HandshakeFailed, SealBroken
from p2pvault.protocol.pairing.messages import (
    Hello,
    Introduction,
    Presentation,
    encode,
    signed_part,
)

LABEL: Final = b"p2pvault-pair/1"
"""Names the ceremony in CPace, in the handshake's prologue and in the challenge."""

SPONSOR_SIDE: Final = Side.INITIATOR
"""CPace's party A: its share goes first, so that the tag of the joiner comes first."""

JOINER_SIDE: Final = Side.RESPONDER
"""CPace's party B."""

_IDENTITIES: Final = lv_cat(LABEL, b"S", b"N")


def terms(secret: bytes, sponsor_nonce: bytes, joiner_nonce: bytes) -> Terms:
    """Return what both sides of CPace must have in common."""
    return Terms(secret, _IDENTITIES, sponsor_nonce + joiner_nonce)


def sponsor_data(version: int, nonce: bytes, slot: int) -> bytes:
    """Return ADa: all that the sponsor's first message says besides its share."""
    return lv_cat(bytes([version]), nonce, bytes([slot]))


def joiner_data(hello: Hello, commitment: bytes) -> bytes:
    """Return ADb: the joiner's whole first message, and its commitment."""
    return lv_cat(encode(hello), commitment)


def gate(key: bytes) -> bytes:
    """Return psk0 of the handshake from CPace's 64-byte key."""
    return hkdf(key, b"pair-psk0", 1)[0][:32]


def proof(message: Introduction | Presentation, binding: bytes) -> bytes:
    """Return what the sender of a message signs: this message in this one handshake."""
    person = b"p2pv-pair-join" if isinstance(message, Introduction) else b"p2pv-pair-host"
    return digest(person, binding, signed_part(message))


def challenge_info(binding: bytes) -> bytes:
    """Return what the sealed challenge is for."""
    return LABEL + b" box " + binding


def answer(challenge: bytes, binding: bytes) -> bytes:
    """Return what shows that a challenge of 32 bytes was opened."""
    return digest(b"p2pv-pair-box", challenge, binding)


def fingerprint(public: PublicKeys) -> bytes:
    """Return the 16 bytes by which an invitation names the sponsor's keys."""
    return digest(b"p2pv-pair-id", public.signing, public.static, public.box, size=16)


def proved_keys(
    message: Introduction | Presentation, remote_static: bytes, binding: bytes
) -> PublicKeys:
    """Return a message's keys, once their owner has shown that it has two of the three.

    The handshake has proved the X25519 key, the signature proves the Ed25519 key. The box key is
    proved by an answer to a challenge.

    Raises:
        HandshakeFailed: Another X25519 key than the handshake's, or a bad signature.
    """
    if message.static != remote_static:
        raise HandshakeFailed("the device introduced itself with another key than it used")
    try:
        verify(message.signing, proof(message, binding), message.signature)
    except SealBroken as error:
        raise HandshakeFailed("the device did not prove that its keys are its own") from error
    return PublicKeys(message.signing, message.static, message.box)
