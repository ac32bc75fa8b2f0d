"""What a pairing machine asks of whoever runs it.

Effects are values, returned in the order in which they must be carried out. None of them holds the
code or a key that is secret, but for the package, which holds the vault's keys and says so.
"""

from dataclasses import dataclass, field

from p2pvault.crypto.keys import PublicKeys
from p2pvault.errors import VaultError
from p2pvault.types import VaultId


@dataclass(frozen=True, slots=True)
class VaultSummary:
    """What a person is told about the vault that a device is about to join.

    Attributes:
        id: The vault's id; what is received later must be of this vault.
        name: Its name.
        devices: How many members it has.
        made_ms: When it was made, in milliseconds since 1970, by the clock of its first device.
    """

    id: VaultId
    name: str
    devices: int
    made_ms: int


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the stream."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deadline:
    """Call `timeout` after this many seconds, unless another `Deadline` comes first."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Joining:
    """Sponsor: a device that knows the code, and proved its keys, wants to join."""

    public: PublicKeys
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class AskWords:
    """Sponsor: ask the person to type the two words that the new device shows.

    The words are not given here on purpose: a display that does not know them cannot show them,
    so they can only come from the other screen. The digits may be shown, to compare by eye.
    """

    digits: str


@dataclass(frozen=True, slots=True)
class ShowWords:
    """Joiner: show the two words and the digits, to be typed on the sponsor."""

    words: tuple[str, str]
    digits: str


@dataclass(frozen=True, slots=True)
class ConfirmVault:
    """Joiner: ask the person whether this is the vault to join; answer with `vault_accepted`."""

    vault: VaultSummary
    sponsor_name: str


@dataclass(frozen=True, slots=True)
class Admit:
    """Sponsor: both persons agreed; make the device a member and answer with `admitted`."""

    public: PublicKeys
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Received:
    """Joiner: everything has arrived; make it durable and answer with `stored`.

    What the package says must be checked against `vault` and `sponsor` before it is kept: the
    person agreed to that vault, and the words proved that sponsor.
    """

    package: bytes = field(repr=False)
    vault: VaultSummary
    sponsor: PublicKeys


@dataclass(frozen=True, slots=True)
class Paired:
    """Done: on the sponsor the new device has stored everything, on the joiner it is stored."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over without a pairing.

    Attributes:
        error: Why, to show to the person.
        counts_as_guess: Sponsor: the other side had a wrong code, or showed other words.
        burns_code: Sponsor: somebody in between seems to know the code; do not use it again.
    """

    error: VaultError
    counts_as_guess: bool = False
    burns_code: bool = False


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the stream, after what was sent before. Always the last effect of a session."""


Effect = (
    Send
    | Deadline
    | Joining
    | AskWords
    | ShowWords
    | ConfirmVault
    | Admit
    | Received
    | Paired
    | Failed
    | Hangup
)
