"""Small networks of Linux network namespaces, joined by bridges in a namespace of their own.

Nothing of the machine's own network is touched: every link has both ends inside, so no packet of a
test can leave. Needs root and iproute2; `unavailable()` says what is missing.
"""

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface

LINK = "lan0"
"""Name of the one interface that each host has besides loopback; in a `line`, of its first."""

_SECOND_LINK = "lan1"
"""The other one, of hosts that stand between two others."""

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


@dataclass(frozen=True)
class Host:
    """One namespace with loopback and one link to the common bridge.

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

    def netem(self, *settings: str) -> None:
        """Shape what leaves the host, for example `netem("delay", "20ms", "loss", "5%")`."""
        self.run("tc", "qdisc", "replace", "dev", LINK, "root", "netem", *settings)


@dataclass(frozen=True)
class Segment:
    """A port of a switch, where a host's cable can be cut without the host seeing it.

    Attributes:
        switch: The namespace of the bridge.
        port: The other end of the host's link.
        bridge: What the port belongs to.
    """

    switch: str
    port: str
    bridge: str

    def cut(self) -> None:
        """Let every packet vanish; both hosts' links stay up, and no connection is told."""
        _ip("-n", self.switch, "link", "set", self.port, "nomaster")

    def mend(self) -> None:
        """Let packets through again."""
        _ip("-n", self.switch, "link", "set", self.port, "master", self.bridge)


@contextmanager
def network(hosts: int) -> Iterator[Sequence[Host]]:
    """Make hosts 10.77.0.1, 10.77.0.2, ... on one network, and remove everything at the end.

    Args:
        hosts: How many; all links are up and IPv4 works when the block begins.
    """
    with ExitStack() as stack:
        switch = stack.enter_context(_namespace("switch"))
        bridge = _add_bridge(switch, 0)
        names = [stack.enter_context(_namespace("host")) for _ in range(hosts)]
        for number, name in enumerate(names, start=1):
            into = Segment(switch, f"port{number}", bridge)
            _plug_in(name, LINK, _ADDRESS.format(0, number), into)
        yield [Host(name, _ADDRESS.format(0, number)) for number, name in enumerate(names, start=1)]


@contextmanager
def isolated() -> Iterator[Callable[..., list[str]]]:
    """Make a place without any network, not even loopback; give what runs a command inside."""
    with _namespace("island") as namespace:
        yield Host(namespace, "").command


@contextmanager
def line(hosts: int) -> Iterator[tuple[Sequence[Host], Sequence[Segment]]]:
    """Make hosts of which each one reaches its neighbours and nobody else.

    Segment i joins host i and host i + 1 on the network 10.77.i.0; nobody routes. A host's
    `address` is that of its first link, which leads to the one before it.

    Args:
        hosts: How many.
    """
    with ExitStack() as stack:
        switch = stack.enter_context(_namespace("switch"))
        names = [stack.enter_context(_namespace("host")) for _ in range(hosts)]
        segments = []
        for number, (left, right) in enumerate(itertools.pairwise(names)):
            bridge = _add_bridge(switch, number)
            link = _SECOND_LINK if number else LINK
            segments.append(Segment(switch, f"left{number}", bridge))
            _plug_in(left, link, _ADDRESS.format(number, 1), segments[-1])
            other = Segment(switch, f"right{number}", bridge)
            _plug_in(right, LINK, _ADDRESS.format(number, 2), other)
        yield [_in_line(name, number) for number, name in enumerate(names)], segments


def _in_line(name: str, number: int) -> Host:
    return Host(name, _ADDRESS.format(number - 1, 2) if number else _ADDRESS.format(0, 1))


def _add_bridge(switch: str, number: int) -> str:
    name = f"bridge{number}"
    _ip("-n", switch, "link", "add", name, "type", "bridge", "mcast_snooping", "0")
    _ip("-n", switch, "link", "set", name, "up")
    return name


def _plug_in(namespace: str, link: str, address: str, into: Segment) -> None:
    switch, port = into.switch, into.port
    _ip("link", "add", link, "netns", namespace, "type", "veth", "peer", port, "netns", switch)
    _ip("-n", switch, "link", "set", port, "master", into.bridge, "up")
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
