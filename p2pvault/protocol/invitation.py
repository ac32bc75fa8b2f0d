"""The pairing address in the QR code: a 128-bit secret, whose it is, and where to dial.

    p2pvault:1?c=SECRET&f=FINGERPRINT&a=HOST:PORT,HOST:PORT&x=EXPIRY

One text per invitation: four fields in this order, once each, nothing else. SECRET and
FINGERPRINT are 16 bytes in base32 (RFC 4648) without padding, in upper or lower case. HOST is a
literal IPv4 address, or an IPv6 address in brackets without a zone, which would mean nothing
elsewhere. EXPIRY is in seconds since 1970; it is shown and not enforced here, because the clock
of a new device may be wrong and the device that holds the vault enforces it anyway.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

from p2pvault.errors import BadCode
from p2pvault.limits import INVITATION_CHARACTERS_MAX, PAIRING_ADDRESSES_MAX
from p2pvault.types import Address

SECRET_BYTES: Final = 16
"""The secret: 128 bits, so that no number of guesses helps."""

FINGERPRINT_BYTES: Final = 16
"""BLAKE2b-128 of the sponsor's public keys."""

_SCHEME: Final = "p2pvault:"
_FORM: Final = re.compile(
    r"p2pvault:1\?c=([a-z2-7]{26})&f=([a-z2-7]{26})&a=([0-9a-f.:,\[\]]+)&x=([1-9][0-9]{0,11})",
    re.ASCII,
)
_ADDRESS: Final = re.compile(r"(?:\[([0-9a-f.:]+)\]|([0-9.]+)):([1-9][0-9]{0,4})", re.ASCII)
_HINT: Final = "Scan or copy the whole address that `pair` printed."


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the QR code says. `str()` gives its text; the representation hides the secret.

    Attributes:
        secret: 16 random bytes, the password-related string of the key exchange.
        fingerprint: 16 bytes; the sponsor's public keys must hash to it.
        addresses: Where the sponsor accepts, most likely first; 1 to `PAIRING_ADDRESSES_MAX`.
        expires: Seconds since 1970.
    """

    secret: bytes = field(repr=False)
    fingerprint: bytes
    addresses: tuple[Address, ...]
    expires: int

    def __str__(self) -> str:
        """Return the text of the QR code."""
        addresses = ",".join(str(address) for address in self.addresses)
        return (
            f"{_SCHEME}1?c={_base32(self.secret)}&f={_base32(self.fingerprint)}"
            f"&a={addresses}&x={self.expires}"
        )


def is_invitation(text: str) -> bool:
    """Tell whether a text means to be a pairing address, and not a code to read as words."""
    return text.strip().lower().startswith(_SCHEME)


def parse_invitation(text: str) -> Invitation:
    """Read the text of a QR code, strictly.

    Raises:
        BadCode: It is not of this form, too long, or names an address that nobody can dial.
    """
    if len(text) > INVITATION_CHARACTERS_MAX:
        raise BadCode("this is too long for a pairing address", hint=_HINT)
    meant = text.strip().lower()
    match = _FORM.fullmatch(meant)
    if match is None:
        raise BadCode("this is no pairing address, or a part of it is missing", hint=_HINT)
    secret, fingerprint, addresses, expires = match.groups()
    invitation = Invitation(
        _unbase32(secret), _unbase32(fingerprint), _read_addresses(addresses), int(expires)
    )
    # 26 characters of base32 carry 130 bits and an IPv6 address has many spellings: one is ours.
    if str(invitation) != meant:
        raise BadCode("a pairing address that is damaged", hint=_HINT)
    return invitation


def _read_addresses(text: str) -> tuple[Address, ...]:
    items = text.split(",")
    if len(items) > PAIRING_ADDRESSES_MAX:
        raise BadCode(f"a pairing address names at most {PAIRING_ADDRESSES_MAX} hosts", hint=_HINT)
    return tuple(_read_address(item) for item in items)


def _read_address(text: str) -> Address:
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65_535:
        raise BadCode("a pairing address with a host or a port that cannot be", hint=_HINT)
    try:
        host = ipaddress.ip_address(match[1] or match[2])
    except ValueError as error:
        raise BadCode("a pairing address with a host that is no IP address", hint=_HINT) from error
    if (host.version == 6) != (match[1] is not None) or not _can_be_dialled(host):
        raise BadCode("a pairing address with a host that nobody can dial", hint=_HINT)
    return Address(str(host), int(match[3]))


def _can_be_dialled(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        return False  # such a device has an IPv4 address, and that is what to write
    return not host.is_multicast and not host.is_unspecified


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _unbase32(text: str) -> bytes:
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
