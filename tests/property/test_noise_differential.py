"""Ours against PyPI `noiseprotocol`, for every pattern that both have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from harness.noiseprotocol import connection
from p2pvault.crypto.noise import HandshakeState, NoiseKeys
from p2pvault.crypto.patterns import SUITE, pattern

BASES = ["N", "K", "X", "NN", "NK", "NX", "XN", "XK", "XX", "KN", "KK", "KX", "IN", "IK", "IX"]
MODIFIED = ["NNpsk0+psk2", "NKpsk0", "XXpsk0+psk3", "XXpsk1+psk2", "IKpsk2", "KKpsk0+psk1"]
key = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("base", [*BASES, *MODIFIED])
@pytest.mark.parametrize("we_initiate", [True, False], ids=["we dial", "we accept"])
@given(data=st.data())
@settings(max_examples=5)
def test_ours_talks_with_an_independent_implementation(
    base: str, we_initiate: bool, data: st.DataObject
) -> None:
    chosen = pattern(f"Noise_{base}_{SUITE}")
    statics = {True: data.draw(key), False: data.draw(key)}
    ephemerals = {True: data.draw(key), False: data.draw(key)}
    prologue = data.draw(st.binary(max_size=40))
    numbers = [int(part) for part in base.split("psk")[1:] for part in part.strip("+")]
    shared = {number: data.draw(key) for number in numbers}

    def keys_of(initiator: bool) -> NoiseKeys:
        knows_peer = chosen.responder_known if initiator else chosen.initiator_known
        own_used = any("s" in message for message in chosen.messages[not initiator :: 2])
        own_known = chosen.initiator_known if initiator else chosen.responder_known
        return NoiseKeys(
            static=statics[initiator] if own_used or own_known else None,
            remote_static=crypto_scalarmult_base(statics[not initiator]) if knows_peer else None,
            psks=shared,
        )

    ours = HandshakeState(
        chosen,
        initiator=we_initiate,
        prologue=prologue,
        entropy=lambda _: ephemerals[we_initiate],
        keys=keys_of(we_initiate),
    )
    theirs = connection(
        chosen.name,
        initiator=not we_initiate,
        prologue=prologue,
        ephemeral=ephemerals[not we_initiate],
        keys=keys_of(not we_initiate),
    )
    for position in range(len(chosen.messages)):
        payload = data.draw(st.binary(max_size=60))
        if (position % 2 == 0) is we_initiate:
            assert bytes(theirs.read_message(ours.write_message(payload))) == payload
        else:
            assert ours.read_message(bytes(theirs.write_message(payload))) == payload
    assert theirs.get_handshake_hash() == ours.handshake_hash
    send, receive = ours.split()
    if len(chosen.messages) > 1 or we_initiate:
        assert theirs.decrypt(send.encrypt(b"to them")) == b"to them"
    if len(chosen.messages) > 1 or not we_initiate:
        assert receive.decrypt(theirs.encrypt(b"to us")) == b"to us"
