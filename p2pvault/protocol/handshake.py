"""The link handshake: `crypto.hybrid` with the vault's gate keys (docs/protocol/link.md).

A gate key belongs to one epoch of the membership. Knowing one shows that the peer is, or was, a
member; that it still is one must be read from the membership log by `Established.remote_static`,
before any message of the channel is used.
"""

from collections.abc import Callable, Sequence

from p2pvault.crypto import hybrid
from p2pvault.crypto.entropy import Entropy
from p2pvault.crypto.hybrid import Established, Progress
from p2pvault.limits import GATE_EPOCHS_MAX

__all__ = ["LINK_LABEL", "Established", "Initiator", "Progress", "Responder"]

LINK_LABEL = b"p2pvault/1"
"""Protocol and version. Another version is another prologue, and does not connect."""


class Initiator(hybrid.Initiator):
    """The side that dials.

    Args:
        static_secret: `DeviceKeys.static`, 32 bytes.
        gate: Gate key of the newest epoch that the peer can be expected to know, 32 bytes.
        entropy: Where randomness comes from.
        accepts: Tells whether a static key belongs to a member, before ours is shown.
    """

    def __init__(
        self,
        static_secret: bytes,
        gate: bytes,
        entropy: Entropy,
        accepts: Callable[[bytes], bool] = lambda _: True,
    ) -> None:
        super().__init__(hybrid.Party(LINK_LABEL, static_secret, entropy), gate, accepts)


class Responder(hybrid.Responder):
    """The side that accepts.

    Args:
        static_secret: `DeviceKeys.static`, 32 bytes.
        gates: Gate keys of the epochs, newest first; the first GATE_EPOCHS_MAX are tried, so that
            a peer that slept through a few epochs still gets in and learns of the new ones.
        entropy: Where randomness comes from.
    """

    def __init__(self, static_secret: bytes, gates: Sequence[bytes], entropy: Entropy) -> None:
        party = hybrid.Party(LINK_LABEL, static_secret, entropy)
        super().__init__(party, gates[:GATE_EPOCHS_MAX])
