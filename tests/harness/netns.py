"""Small networks of Linux network namespaces: joined by a bridge, or in a line by cables.

Nothing of the machine's own network is touched: every link has both ends inside, so no packet of a
test can leave. Needs root and iproute2; `unavailable()` says what is missing.
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface

from harness import cable
from harness.cable import Cable, open_cable

LINK = "lan0"
"""Name of the one interface that each host has besides loopback; in a `line`, of its first."""

_SECOND_LINK = "lan1"
"""The other one, of hosts that stand between two others."""

_BRIDGE = "bridge0"

_ADDRESS = "10.77.{}.{}/24"
"""Network and host."""

_numbers = itertools.count()


def unavailable() -> str | None:
    """Say why no namespace can be made here; None if one can."""
    if shutil.which("ip") is None:
        return "needs iproute2 for network namespaces"
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    name = _new_name("probe")
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        return f"needs network namespaces: {error.stderr.strip()}"
    _ip("netns", "delete", name)
    return None


def line_unavailable() -> str | None:
    """Say why no `line` can be made here; None if one can."""
    return unavailable() or cable.unavailable()


@dataclass(frozen=True)
class Host:
    """One namespace with loopback and one link, or two in a `line`.

    Attributes:
        namespace: Its name for `ip netns`.
        address: The IPv4 address that `network` gave it, with its prefix length.
    """

    namespace: str
    address: str

    @property
    def host(self) -> str:
        """The address alone."""
        return str(IPv4Interface(self.address).ip)

    def command(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` inside."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    def run(self, *argv: str) -> str:
        """Run a command inside to its end and return what it printed."""
        return subprocess.run(
            self.command(*argv), check=True, capture_output=True, text=True
        ).stdout

    def up(self) -> None:
        """Bring the link up."""
        _ip("-n", self.namespace, "link", "set", LINK, "up")

    def down(self) -> None:
        """Take the link down; IPv6 addresses go with it, IPv4 ones stay."""
        _ip("-n", self.namespace, "link", "set", LINK, "down")

    def add_address(self, address: str) -> None:
        """Give the link an address with prefix length; IPv6 ones are usable at once."""
        flags = ["nodad"] if ":" in address else []
        _ip("-n", self.namespace, "address", "add", address, "dev", LINK, *flags)

    def remove_address(self, address: str) -> None:
        """Take an address away from the link."""
        _ip("-n", self.namespace, "address", "delete", address, "dev", LINK)


@contextmanager
def network(hosts: int) -> Iterator[Sequence[Host]]:
    """Make hosts 10.77.0.1, 10.77.0.2, ... on one network, and remove everything at the end.

    Args:
        hosts: How many; all links are up and IPv4 works when the block begins.
    """
    with ExitStack() as stack:
        switch = stack.enter_context(_namespace("switch"))
        _add_bridge(switch)
        names = [stack.enter_context(_namespace("host")) for _ in range(hosts)]
        made = [Host(name, _ADDRESS.format(0, number)) for number, name in enumerate(names, 1)]
        for number, host in enumerate(made, 1):
            _plug_in(host, switch, f"port{number}")
        yield made


@contextmanager
def holding_the_mdns_port(host: Host) -> Iterator[Callable[[], None]]:
    """Keep UDP port 5353 of a host from everybody else; gives what lets go of it."""
    program = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 5353)); "
    program += "print('held', flush=True); input()"
    with subprocess.Popen(
        host.command(sys.executable, "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"

        def let_go() -> None:
            process.communicate(b"\n")

        try:
            yield let_go
        finally:
            process.kill()


@contextmanager
def isolated() -> Iterator[Callable[..., list[str]]]:
    """Make a place without any network, not even loopback; give what runs a command inside."""
    with _namespace("island") as namespace:
        yield Host(namespace, "").command


@contextmanager
def line(hosts: int) -> Iterator[tuple[Sequence[Host], Sequence[Cable]]]:
    """Make hosts of which each one reaches its neighbours and nobody else.

    Cable i joins host i and host i + 1 on the network 10.77.i.0; nobody routes. A host's
    `address` is that of its first link, which leads to the one before it.

    Args:
        hosts: How many.
    """
    with ExitStack() as stack:
        names = [stack.enter_context(_namespace("host")) for _ in range(hosts)]
        cables = []
        for number, (left, right) in enumerate(itertools.pairwise(names)):
            ends = (left, _SECOND_LINK if number else LINK), (right, LINK)
            cables.append(stack.enter_context(open_cable(*ends)))
            for place, (name, link) in enumerate(ends, 1):
                _bring_up(name, link, _ADDRESS.format(number, place))
        yield [_in_line(name, number) for number, name in enumerate(names)], cables


def _in_line(name: str, number: int) -> Host:
    return Host(name, _ADDRESS.format(number - 1, 2) if number else _ADDRESS.format(0, 1))


def _add_bridge(switch: str) -> None:
    _ip("-n", switch, "link", "add", _BRIDGE, "type", "bridge", "mcast_snooping", "0")
    _ip("-n", switch, "link", "set", _BRIDGE, "up")


def _plug_in(host: Host, switch: str, port: str) -> None:
    ends = ("netns", host.namespace, "type", "veth", "peer", port, "netns", switch)
    _ip("link", "add", LINK, *ends)
    _ip("-n", switch, "link", "set", port, "master", _BRIDGE, "up")
    _bring_up(host.namespace, LINK, host.address)


def _bring_up(namespace: str, link: str, address: str) -> None:
    _ip("-n", namespace, "link", "set", "lo", "up")
    _ip("-n", namespace, "address", "add", address, "dev", link)
    _ip("-n", namespace, "link", "set", link, "up")


@contextmanager
def _namespace(purpose: str) -> Iterator[str]:
    name = _new_name(purpose)
    _ip("netns", "add", name)
    try:
        yield name
    finally:
        # Links die with their namespace, and the other end of a veth pair with them.
        _ip("netns", "delete", name)


def _new_name(purpose: str) -> str:
    return f"p2pvault-{os.getpid()}-{next(_numbers)}-{purpose}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
