"""`HOST:PORT` as people write it: literal addresses only, brackets around IPv6.

A name would have to be resolved, and a resolver would learn whom this device looks for.
"""

import re
from typing import Final

from p2pvault.errors import BadValue
from p2pvault.net.addresses import is_wildcard, parse_host
from p2pvault.types import Address

_FORM: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+(?:%[0-9A-Za-z_.-]{1,15})?)\]|([0-9.]*)):([0-9]{1,5})"
)

_HINT: Final = (
    "Write an address like 192.168.1.5:47474 or [fe80::1%eth0]:47474; names are not looked up."
)


def read_host_port(text: str) -> tuple[str, int] | None:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT`.

    Returns:
        The host as a literal address or empty, and the port; None where it is neither.
    """
    match = _FORM.fullmatch(text)
    if match is None or int(match[3]) > 65_535:
        return None
    host = match[1] or match[2]
    parsed = parse_host(host)
    if host and (parsed is None or (match[1] is not None and ":" not in host)):
        return None
    return host, int(match[3])


def read_address(text: str) -> Address:
    """Read where a device can be dialled.

    Raises:
        BadValue: It is no literal address with a port, or none that can be dialled.
    """
    read = read_host_port(text)
    if read is None:
        raise BadValue(f"{text!r} is not of the form HOST:PORT", hint=_HINT)
    host, port = read
    parsed = parse_host(host)
    if parsed is None or is_wildcard(host) or parsed.is_multicast or port == 0:
        raise BadValue(f"{text!r} is no address that can be dialled", hint=_HINT)
    return Address(str(parsed), port)
