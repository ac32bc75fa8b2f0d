import pytest
from noise.connection import Keypair, NoiseConnection

from p2pvault.crypto.cipher import NONCE_MAX, CipherState
from p2pvault.errors import LocalProtocolError, SealBroken

KEY = b"k" * 32

# RFC 8439, section 2.8.2; its nonce begins with a constant that Noise leaves zero, so the vector
# of the AEAD itself is checked through Noise's own vectors in test_noise_vectors.


def test_ciphertexts_open_in_order_and_once() -> None:
    sender, receiver = CipherState(KEY), CipherState(KEY)
    first, second = sender.encrypt(b"first"), sender.encrypt(b"second")
    with pytest.raises(SealBroken):
        receiver.decrypt(second)
    assert receiver.decrypt(first) == b"first"
    with pytest.raises(SealBroken):
        receiver.decrypt(first)
    assert receiver.decrypt(second) == b"second"


def test_a_failed_decryption_does_not_count() -> None:
    receiver = CipherState(KEY)
    with pytest.raises(SealBroken):
        receiver.decrypt(bytes(16))
    assert receiver.nonce == 0


@pytest.mark.parametrize("size", [0, 1, 15])
def test_less_than_a_tag_does_not_decrypt(size: int) -> None:
    with pytest.raises(SealBroken):
        CipherState(KEY).decrypt(bytes(size))


def test_the_context_is_authenticated() -> None:
    sealed = CipherState(KEY).encrypt(b"plain", b"context")
    with pytest.raises(SealBroken):
        CipherState(KEY).decrypt(sealed, b"other")
    assert CipherState(KEY).decrypt(sealed, b"context") == b"plain"


def test_rekeying_keeps_both_sides_in_step_and_the_counter_going() -> None:
    sender, receiver = CipherState(KEY), CipherState(KEY)
    receiver.decrypt(sender.encrypt(b"before"))
    sender.rekey()
    with pytest.raises(SealBroken):
        receiver.decrypt(CipherState(KEY).encrypt(b"old key"))
    receiver.rekey()
    assert receiver.decrypt(sender.encrypt(b"after")) == b"after"
    assert sender.nonce == receiver.nonce == 2


def test_a4_the_last_counter_value_is_reserved() -> None:
    cipher = CipherState(KEY)
    cipher.nonce = NONCE_MAX - 1
    sealed = cipher.encrypt(b"the last one")
    with pytest.raises(LocalProtocolError):
        cipher.encrypt(b"one too many")
    cipher.nonce = NONCE_MAX - 1
    assert cipher.decrypt(sealed) == b"the last one"
    with pytest.raises(LocalProtocolError):
        cipher.decrypt(sealed)


def test_keys_after_rekeying_are_those_of_an_independent_implementation() -> None:
    theirs = NoiseConnection.from_name(b"Noise_KN_25519_ChaChaPoly_BLAKE2b")
    theirs.set_as_initiator()
    theirs.set_keypair_from_private_bytes(Keypair.STATIC, b"s" * 32)
    theirs.start_handshake()
    cipher = theirs.noise_protocol.handshake_state.symmetric_state.cipher_state
    cipher.initialize_key(KEY)
    ours = CipherState(KEY)
    for _ in range(3):
        assert ours.encrypt(b"text", b"ad") == cipher.encrypt_with_ad(b"ad", b"text")
        ours.rekey()
        cipher.rekey()
