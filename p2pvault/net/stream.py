"""TCP: listeners for both families on one port, and dials that fail with a reason.

Thin on purpose. trio's `SocketStream` already switches Nagle's algorithm off (TCP_NODELAY), which
short live changes need. Addresses are literal: a name would ask a resolver, and so tell the network
whom this device looks for.
"""

import errno
import os
import socket
from typing import Final

import trio

from p2pvault.errors import ConfigError, Unreachable
from p2pvault.limits import DIAL_S, LISTEN_BACKLOG, LISTEN_PORT_TRIES
from p2pvault.net.addresses import parse_host
from p2pvault.types import Address

_BOTH_FAMILIES: Final = frozenset({"", "*", "::"})

# What the kernel calls an address; the last form is that of Pythons built without IPv6.
_Name = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on an address, or on every address of both families.

    Args:
        host: Literal IP address; `0.0.0.0` for IPv4 only; empty, `*` or `::` for everything, which
            is IPv4 alone where the kernel has no IPv6.
        port: TCP port, or 0 for one of the kernel's choice; always the same for both families.

    Returns:
        One or two listeners.

    Raises:
        ConfigError: The port is busy, or nothing can listen there; `hint` says what to try.
    """
    if not 0 <= port <= 65_535:
        raise ConfigError(f"{port} is no TCP port", hint="A port is a number from 0 to 65535.")
    try:
        if host in _BOTH_FAMILIES:
            return await _listen_on_both(port)
        return [await _listen(host, port)]
    except OSError as error:
        raise _refusal(host, port, error) from error


def port_of(listener: trio.SocketListener) -> int:
    """Return the port that a listener listens on."""
    port: int = listener.socket.getsockname()[1]
    return port


def peer_of(stream: trio.SocketStream) -> Address:
    """Return the address at the other end of a stream.

    Raises:
        Unreachable: The other end is gone already.
    """
    try:
        name = stream.socket.getpeername()
    except OSError as error:
        raise Unreachable("the other end hung up at once") from error
    return Address(_with_scope(name), name[1])


def own_host_of(stream: trio.SocketStream) -> str | None:
    """Return the address of this machine, without scope, that a stream hangs on; None if gone."""
    try:
        name = stream.socket.getsockname()
    except OSError:
        return None
    return str(name[0]).partition("%")[0]


async def dial(address: Address, timeout_s: float = DIAL_S) -> trio.SocketStream:
    """Open a stream to a device.

    Args:
        address: A literal address; a link-local IPv6 one with its scope (`fe80::1%3`).
        timeout_s: How long to wait for an answer.

    Returns:
        The connected stream.

    Raises:
        Unreachable: Nobody answers there, or not in time.
    """
    if parse_host(address.host) is None or not 0 < address.port <= 65_535:
        raise Unreachable(f"{address} is no literal IP address with a port")
    with trio.move_on_after(timeout_s):
        try:
            return await _connect(address)
        except OSError as error:
            raise Unreachable(f"{address} did not answer: {_reason(error)}") from error
    raise Unreachable(f"{address} did not answer within {timeout_s:g} s")


async def _listen_on_both(port: int) -> list[trio.SocketListener]:
    for _ in range(LISTEN_PORT_TRIES):
        ipv4 = await _listen("0.0.0.0", port)  # noqa: S104 - the person asked for everything
        try:
            return [ipv4, await _listen("::", port_of(ipv4))]
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:  # a kernel without IPv6
                return [ipv4]
            await ipv4.aclose()
            if port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free for both IPv4 and IPv6")


async def _listen(host: str, port: int) -> trio.SocketListener:
    listening, name = await _open_socket(host, port)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listening.family == socket.AF_INET6:
            # Otherwise `::` takes the port of both families and shows IPv4 peers in IPv6 clothes.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        await listening.bind(name)
        listening.listen(LISTEN_BACKLOG)
    except BaseException:  # also a cancellation may not leave the socket open
        listening.close()
        raise
    return trio.SocketListener(listening)


async def _connect(address: Address) -> trio.SocketStream:
    connecting, name = await _open_socket(address.host, address.port)
    try:
        await connecting.connect(name)
    except BaseException:  # also a cancellation may not leave the socket open
        connecting.close()
        raise
    return trio.SocketStream(connecting)


async def _open_socket(host: str, port: int) -> tuple[trio.socket.SocketType, _Name]:
    """Make a socket of the right family and the name that the kernel has for the address."""
    found = await trio.socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    family, kind, protocol, _, name = found[0]
    return trio.socket.socket(family, kind, protocol), name


def _refusal(host: str, port: int, error: OSError) -> ConfigError:
    where = str(Address(host, port))
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} is taken by another program",
            hint="Choose another port with --listen HOST:PORT, or port 0 for any free one.",
        )
    if error.errno == errno.EACCES:
        return ConfigError(
            f"not allowed to listen on {where}", hint="Choose a port from 1024 upwards."
        )
    return ConfigError(
        f"cannot listen on {where}: {_reason(error)}",
        hint="Give an IP address of this machine, for example 127.0.0.1:0.",
    )


def _reason(error: OSError) -> str:
    # The resolver's errors have numbers of their own, and texts that speak of names.
    if isinstance(error, socket.gaierror) or error.errno is None:
        return "it is no IP address that this machine can use"
    return os.strerror(error.errno).lower()


def _with_scope(name: tuple[str, int] | tuple[str, int, int, int]) -> str:
    # Depending on the system, the host of a link-local name has its scope already.
    host = name[0]
    return f"{host}%{name[3]}" if len(name) == 4 and name[3] and "%" not in host else host
