"""What happens in a pairing window, for the program that opened it to show."""

from dataclasses import dataclass, field

from p2pvault.errors import VaultError
from p2pvault.types import DeviceId


@dataclass(frozen=True, slots=True)
class CodeMade:
    """The code to show, the same as a URI, and how long they live."""

    code: str = field(repr=False)
    uri: str = field(repr=False)
    expires_s: float


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """Somebody tried, with a wrong code or not to the end; the code is still good."""

    message: str


@dataclass(frozen=True, slots=True)
class JoinerNamed:
    """A device that knows the code says its name; its words have to be typed now."""

    name: str
    digits: str


@dataclass(frozen=True, slots=True)
class WordsUnclear:
    """What was typed are not two words that a device could show; it is asked for again."""

    message: str


@dataclass(frozen=True, slots=True)
class PairingDone:
    """The new device is a member and has stored the vault's keys."""

    device: DeviceId
    name: str


@dataclass(frozen=True, slots=True)
class PairingOver:
    """The window closed without a new member."""

    error: VaultError


News = CodeMade | AttemptFailed | JoinerNamed | WordsUnclear | PairingDone | PairingOver
