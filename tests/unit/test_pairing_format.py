"""The open part of the ceremony as docs/protocol/pairing.md describes it, written out again with
an independent CPace, so that neither the bytes nor the formulas change unnoticed."""

from dataclasses import replace
from hashlib import blake2b
from hmac import digest

import cpace
import msgpack

from harness.entropy import seeded
from harness.pairing import CODE, HOST, SHOWN, joiner
from p2pvault.protocol.pairing import Failed, Send, Sponsor, fingerprint
from p2pvault.protocol.pairing.ceremony import gate

IDENTITIES = b"\x0fp2pvault-pair/1\x01S\x01N"
"""CI: three strings, each with its length in front."""

NONCE = bytes(range(16))
HELLO = msgpack.packb([[1], NONCE, "typed"])


def framed(kind: int, body: bytes) -> bytes:
    return (1 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


def sent(effects: list[object]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, Send))


def claim(offer: bytes) -> tuple[bytes, cpace.CPace]:
    """Answer an offer as somebody would who has only the specification."""
    assert offer[2] == 2
    version, nonce, slot, share = msgpack.unpackb(offer[3:])
    assert (version, slot) == (1, 42)
    commitment = bytes(32)
    own_data = bytes([len(HELLO)]) + HELLO + b"\x20" + commitment
    sponsor_data = b"\x01\x01" + b"\x10" + nonce + b"\x01\x2a"
    run = cpace.CPace.start(
        role=cpace.CPaceRole.RESPONDER, prs=CODE, sid=nonce + NONCE, ci=IDENTITIES, ad=own_data
    )
    run.derive(share, sponsor_data)
    return framed(3, msgpack.packb([run.public_share, commitment, run.tag()])), run


def test_a_joiner_made_from_the_specification_is_confirmed() -> None:
    sponsor = Sponsor(HOST, SHOWN, seeded("format"))
    offer = sent(sponsor.receive(framed(1, HELLO)))
    message, run = claim(offer)
    answer = sent(sponsor.receive(message))
    assert answer[:4] == b"\x00\x44\x04\x91"
    (tag,) = msgpack.unpackb(answer[3:70])
    assert run.verify(tag)
    greeting = answer[70:]
    assert greeting[:2] == b"\x00\x10"
    assert len(greeting) == 18


def test_the_handshake_begins_with_a_key_out_of_the_exchange() -> None:
    # psk0: RFC 5869's expand step over HMAC-BLAKE2b, as Noise's HKDF with one output.
    key = bytes(range(64))
    extracted = digest(key, b"pair-psk0", blake2b)
    assert gate(key) == digest(extracted, b"\x01", blake2b)[:32]


def test_the_first_message_is_as_specified() -> None:
    first = sent(joiner().start())
    assert first[:5] == b"\x00\x1c\x01\x93\x91"
    versions, nonce, way = msgpack.unpackb(first[3:])
    assert (versions, len(nonce), way) == ([1], 16, "typed")


def test_a_refusal_in_the_open_is_as_specified() -> None:
    machine = joiner()
    machine.start()
    failed, _ = machine.receive(framed(5, msgpack.packb(["no code"])))
    assert isinstance(failed, Failed)


def test_a_fingerprint_names_all_three_keys() -> None:
    public = HOST.keys.public
    hasher = blake2b(digest_size=16, person=b"p2pv-pair-id")
    for key in (public.signing, public.static, public.box):
        hasher.update(len(key).to_bytes(8, "big") + key)
    assert fingerprint(public) == hasher.digest()
    for name in ("signing", "static", "box"):
        changed = replace(public, **{name: bytes(len(getattr(public, name)))})
        assert fingerprint(changed) != fingerprint(public)
