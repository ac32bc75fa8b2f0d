"""The handshake against an independent peer, which may also break the rules that ours keeps."""

import pytest
from cryptography.exceptions import InvalidTag

from harness.entropy import seeded
from harness.handshakes import ALICE, BOB, GATE, accept, dial, finished
from harness.independent_link import LINK_SUITES, Peer, lv
from p2pvault.crypto.envelope import Message
from p2pvault.crypto.hybrid import SUITES, prologue
from p2pvault.crypto.kem import CIPHERTEXT_BYTES, ENCAPSULATION_KEY_BYTES
from p2pvault.crypto.noise import HandshakeState, NoiseKeys
from p2pvault.crypto.patterns import pattern
from p2pvault.errors import HandshakeFailed
from p2pvault.protocol.handshake import LINK_LABEL, Responder

NONCE = b"n" * 16


def calling(responder: Responder, suites: bytes = LINK_SUITES) -> Peer:
    """Return an independent initiator that was greeted by `responder`."""
    return Peer(ALICE.static, GATE, responder.start()[2:], initiator=True, suites=suites)


def test_an_independent_initiator_links_with_our_responder() -> None:
    responder = accept()
    peer = calling(responder)
    second = responder.receive(lv(peer.first()))
    end = finished(responder.receive(lv(peer.third(second.send[2:]))))
    assert end.remote_static == ALICE.public.static
    assert end.binding == peer.noise.get_handshake_hash()
    assert end.channel.receive(peer.seal(5, b"from them")) == [Message(5, 0, b"from them")]
    assert list(peer.open(end.channel.seal(6, b"from us"))) == [(6, b"from us")]


def test_our_initiator_links_with_an_independent_responder() -> None:
    initiator = dial()
    peer = Peer(BOB.static, GATE, NONCE, initiator=False)
    first = initiator.receive(lv(NONCE))
    third = initiator.receive(lv(peer.second(first.send[2:])))
    peer.end(third.send[2:])
    end = finished(third)
    assert end.remote_static == BOB.public.static
    assert end.binding == peer.noise.get_handshake_hash()
    assert end.channel.receive(peer.seal(5, b"from them")) == [Message(5, 0, b"from them")]
    assert list(peer.open(end.channel.seal(6, b"from us"))) == [(6, b"from us")]


def test_the_prologue_binds_label_suites_and_nonce() -> None:
    assert prologue(LINK_LABEL, NONCE) == b"p2pvault/1" + lv(LINK_SUITES) + NONCE
    assert b",".join(SUITES) == LINK_SUITES


@pytest.mark.parametrize("suites", [b"", LINK_SUITES[:-11], LINK_SUITES + b",other"])
def test_p12_another_list_of_suites_does_not_connect(suites: bytes) -> None:
    responder = accept()
    with pytest.raises(HandshakeFailed):
        responder.receive(lv(calling(responder, suites=suites).first()))


def test_p13_a_responder_notices_that_it_talks_to_itself() -> None:
    responder = accept(keys=ALICE)
    peer = calling(responder)
    third = peer.third(responder.receive(lv(peer.first())).send[2:])
    with pytest.raises(HandshakeFailed, match="this one"):
        responder.receive(lv(third))


@pytest.mark.parametrize("size", [0, 1, ENCAPSULATION_KEY_BYTES - 1, ENCAPSULATION_KEY_BYTES + 1])
def test_p14_an_encapsulation_key_of_another_length_gets_no_answer(size: int) -> None:
    responder = accept()
    with pytest.raises(HandshakeFailed):
        responder.receive(lv(calling(responder).first(bytes(size))))


@pytest.mark.parametrize("byte", [b"\xff", b"\xfe", b"\xd1"])
def test_p14_an_encapsulation_key_that_is_not_canonical_gets_no_answer(byte: bytes) -> None:
    responder = accept()
    with pytest.raises(HandshakeFailed, match="encapsulation key"):
        responder.receive(lv(calling(responder).first(byte * ENCAPSULATION_KEY_BYTES)))


@pytest.mark.parametrize("size", [0, CIPHERTEXT_BYTES - 1, CIPHERTEXT_BYTES + 1])
def test_p14_a_ciphertext_of_another_length_ends_the_handshake(size: int) -> None:
    initiator = dial()
    peer = Peer(BOB.static, GATE, NONCE, initiator=False)
    first = initiator.receive(lv(NONCE))
    with pytest.raises(HandshakeFailed):
        initiator.receive(lv(peer.second(first.send[2:], bytes(size))))


def test_a_ciphertext_of_another_secret_gives_another_psk() -> None:
    initiator = dial()
    peer = Peer(BOB.static, GATE, NONCE, initiator=False)
    first = initiator.receive(lv(NONCE))
    third = initiator.receive(lv(peer.second(first.send[2:], bytes(CIPHERTEXT_BYTES))))
    with pytest.raises(InvalidTag):
        peer.end(third.send[2:])


def forged(responder: Responder, e: bytes) -> bytes:
    """A first message by a member whose ephemeral public key is `e`, of which it has no secret."""
    state = HandshakeState(
        pattern("Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b"),
        initiator=True,
        prologue=prologue(LINK_LABEL, responder.start()[2:]),
        entropy=seeded("forger"),
        keys=NoiseKeys(psks={0: GATE}),
    )
    state._symmetric.mix_key_and_hash(GATE)
    state._mix_ephemeral(e)
    key = Peer(ALICE.static, GATE, NONCE, initiator=True)._kem.public_key().public_bytes_raw()
    return e + state._symmetric.encrypt_and_hash(key)


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        b"\xec" + b"\xff" * 30 + b"\x7f",
    ],
    ids=lambda point: point.hex()[:8],
)
def test_p8_a_member_with_an_ephemeral_key_of_low_order_gets_no_answer(point: bytes) -> None:
    responder = accept()
    with pytest.raises(HandshakeFailed, match="low order"):
        responder.receive(lv(forged(responder, point)))


def test_the_forgery_itself_is_sound() -> None:
    # Otherwise the test above could pass for a wrong reason.
    responder = accept()
    assert len(responder.receive(lv(forged(responder, ALICE.public.static))).send) == 2 + 1184
