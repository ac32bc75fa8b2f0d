"""docs/protocol/link.md once more, over other libraries' code: `noiseprotocol` and hashlib.

It shares with ours ML-KEM alone, so that a mistake in our reading of the specification shows. It
can also be made to break rules that ours keeps.
"""

from collections.abc import Iterator
from hashlib import blake2b
from struct import pack

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from noise.connection import NoiseConnection

from harness.noiseprotocol import connection
from p2pvault.crypto.noise import NoiseKeys

PROTOCOL = "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b"
LINK_SUITES = b"Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b+ML-KEM-768"


def lv(data: bytes) -> bytes:
    return pack(">H", len(data)) + data


class Peer:
    """One side of a link handshake; the messages go in and out without their lengths.

    Attributes:
        noise: The state underneath; after the handshake it encrypts and decrypts frames.
        nonce: The greeting.
    """

    def __init__(
        self,
        static: bytes,
        gate: bytes,
        nonce: bytes,
        *,
        initiator: bool,
        suites: bytes = LINK_SUITES,
        ephemeral: bytes = b"\x33" * 32,
    ) -> None:
        self.nonce = nonce
        self._gate = gate
        self._kem = MLKEM768PrivateKey.from_seed_bytes(bytes(64))
        self.noise: NoiseConnection = connection(
            PROTOCOL,
            initiator=initiator,
            prologue=b"p2pvault/1" + lv(suites) + nonce,
            ephemeral=ephemeral,
            keys=NoiseKeys(static=static, psks={0: gate, 3: bytes(32)}),
        )

    def first(self, encapsulation_key: bytes | None = None) -> bytes:
        own = self._kem.public_key().public_bytes_raw()
        return bytes(
            self.noise.write_message(own if encapsulation_key is None else encapsulation_key)
        )

    def second(self, first: bytes, ciphertext: bytes | None = None) -> bytes:
        received = bytes(self.noise.read_message(first))
        secret, made = MLKEM768PublicKey.from_public_bytes(received).encapsulate()
        message = bytes(self.noise.write_message(made if ciphertext is None else ciphertext))
        self._late(secret)
        return message

    def third(self, second: bytes) -> bytes:
        ciphertext = bytes(self.noise.read_message(second))
        self._late(self._kem.decapsulate(ciphertext))
        return bytes(self.noise.write_message(b""))

    def end(self, third: bytes) -> None:
        assert bytes(self.noise.read_message(third)) == b""

    def seal(self, kind: int, body: bytes) -> bytes:
        """One short message, padded to the least size."""
        plaintext = pack(">BBHI", kind, 0, 0, len(body)) + body
        return lv(self.noise.encrypt(plaintext.ljust(256, b"\0")))

    def open(self, sealed: bytes) -> Iterator[tuple[int, bytes]]:
        while sealed:
            size = int.from_bytes(sealed[:2], "big")
            plaintext = self.noise.decrypt(sealed[2 : 2 + size])
            yield plaintext[0], plaintext[8 : 8 + int.from_bytes(plaintext[4:8], "big")]
            sealed = sealed[2 + size :]

    def _late(self, secret: bytes) -> None:
        hasher = blake2b(digest_size=32, key=self._gate, person=b"p2pv-psk3")
        hasher.update(pack(">Q", len(secret)) + secret)
        self.noise.noise_protocol.psks = [hasher.digest()]
