"""Which addresses this machine has, and which of them a local network may know.

Only private and link-local addresses are ever advertised or believed. Interfaces of containers and
tunnels are left out: every Docker host has 172.17.0.1, and peers that see it dial themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import ifaddr

from p2pvault.limits import ADDRESSES_PER_PEER_MAX
from p2pvault.types import Address

_LOCAL_NETWORKS: Final = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # RFC 3927, link-local
        "100.64.0.0/10",  # RFC 6598, shared; used by overlay networks and phone hotspots
        "fc00::/7",  # RFC 4193, unique local
        "fe80::/10",  # RFC 4291, link-local
    )
)

_FOREIGN_INTERFACES: Final = ("docker*", "br-*", "veth*", "virbr*", "tun*", "tap*", "wg*")
"""Containers, virtual machines and tunnels: reachable from nowhere else, or not a local network."""

_EVERYTHING: Final = frozenset({"", "*"})


@dataclass(frozen=True, slots=True, order=True)
class LocalAddress:
    """An address of this machine.

    Attributes:
        interface: Name of the interface.
        index: The kernel's number of the interface, 0 where it has none.
        host: Literal IP address without a scope.
    """

    interface: str
    index: int
    host: str


def parse_host(host: str) -> IPv4Address | IPv6Address | None:
    """Read a literal IP address, with or without a scope; None for anything else.

    An IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) is taken for what it is.
    """
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return parsed if mapped is None else mapped


def is_wildcard(host: str) -> bool:
    """Tell whether listening on `host` means every interface, in whatever spelling."""
    parsed = parse_host(host)
    return host in _EVERYTHING or (parsed is not None and parsed.is_unspecified)


def is_both_families(host: str) -> bool:
    """Tell whether listening on `host` means every interface, in IPv4 and IPv6."""
    return host in _EVERYTHING or parse_host(host) == IPv6Address(0)


def is_local(host: str) -> bool:
    """Tell whether `host` is a literal address of a local network; loopback is none."""
    parsed = parse_host(host)
    return parsed is not None and any(parsed in network for network in _LOCAL_NETWORKS)


def is_loopback(host: str) -> bool:
    """Tell whether `host` is a literal loopback address."""
    parsed = parse_host(host)
    return parsed is not None and parsed.is_loopback


def discovery_interfaces(listen_host: str, named: Sequence[str]) -> tuple[str, ...]:
    """Return where discovery may run, for a listen address and the setting `interfaces`.

    A device that listens on one address only is to be found there only; this is what brings
    loopback in, and nothing else does unless the setting names it.
    """
    return tuple(named) if is_wildcard(listen_host) else (listen_host,)


def local_addresses() -> tuple[LocalAddress, ...]:
    """Ask the kernel for every address of this machine, sorted.

    Raises:
        OSError: The kernel does not tell.
    """
    return tuple(
        sorted(
            LocalAddress(adapter.name, adapter.index or 0, _host(address.ip))
            for adapter in ifaddr.get_adapters()
            for address in adapter.ips
        )
    )


def is_gone(host: str) -> bool:
    """Tell whether an address that this machine had is its own no more.

    Every address of 127.0.0.0/8 is always there, whichever of them an interface names (ip(7)).
    """
    if is_loopback(host):
        return False
    try:
        return all(address.host != host for address in local_addresses())
    except OSError:
        return False


def usable(
    addresses: Iterable[LocalAddress], named: Sequence[str] = ()
) -> tuple[LocalAddress, ...]:
    """Keep the addresses that discovery may use.

    Args:
        addresses: What the machine has.
        named: Interface names and literal addresses that the person chose. If there are any, only
            these are used, and a loopback or a tunnel among them is wanted; if there are none,
            every interface of a local network is.

    Returns:
        The addresses that are left, in the same order.
    """
    if named:
        hosts = frozenset(map(parse_host, named)) - {None}
        return tuple(
            address
            for address in addresses
            if (address.interface in named or not hosts.isdisjoint(_spellings(address)))
            and (is_local(address.host) or is_loopback(address.host))
        )
    return tuple(
        address
        for address in addresses
        if is_local(address.host) and not _is_foreign(address.interface)
    )


def advertised(addresses: Iterable[LocalAddress], port: int) -> tuple[Address, ...]:
    """Return what to tell the network about where a port is.

    An IPv6 address that was made from the hardware address (RFC 4291, appendix A) is left out: it
    would name the machine in every network that it visits.

    Args:
        addresses: Usable addresses.
        port: The port that the device listens on.

    Returns:
        At most `ADDRESSES_PER_PEER_MAX` addresses without scopes.
    """
    hosts = dict.fromkeys(address.host for address in addresses if not _names_hardware(address))
    return tuple(Address(host, port) for host in list(hosts)[:ADDRESSES_PER_PEER_MAX])


def _host(ip: str | tuple[str, int, int]) -> str:
    # ifaddr gives IPv6 addresses as (address, flow, scope).
    return ip if isinstance(ip, str) else ip[0]


def _spellings(address: LocalAddress) -> Iterator[IPv4Address | IPv6Address | None]:
    """Return what an address may be called: without its scope, or with it in either form."""
    for scope in ("", f"%{address.interface}", f"%{address.index}"):
        yield parse_host(address.host + scope)


def _is_foreign(interface: str) -> bool:
    return any(fnmatchcase(interface, pattern) for pattern in _FOREIGN_INTERFACES)


def _names_hardware(address: LocalAddress) -> bool:
    packed = ip_address(address.host).packed
    return len(packed) == 16 and packed[11:13] == b"\xff\xfe"
