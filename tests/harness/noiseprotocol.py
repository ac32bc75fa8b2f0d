"""The independent Noise implementation, PyPI `noiseprotocol`, set up like ours."""

import pytest
from noise.connection import Keypair, NoiseConnection

from p2pvault.crypto.noise import NoiseKeys


def connection(
    name: str, *, initiator: bool, prologue: bytes, ephemeral: bytes, keys: NoiseKeys
) -> NoiseConnection:
    """Return a connection that has not sent anything yet."""
    made = NoiseConnection.from_name(name.encode())
    if initiator:
        made.set_as_initiator()
    else:
        made.set_as_responder()
    made.set_prologue(prologue)
    made.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
    if keys.static is not None:
        made.set_keypair_from_private_bytes(Keypair.STATIC, keys.static)
    if keys.remote_static is not None:
        made.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, keys.remote_static)
    if keys.psks:
        made.set_psks(psks=[keys.psks[number] for number in sorted(keys.psks)])
    # It warns where the ephemeral key is given, which is right in production and needed here.
    with pytest.warns(UserWarning, match="ephemeral"):
        made.start_handshake()
    return made
