"""Small networks of Linux network namespaces, joined by a bridge in a namespace of its own.

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
"""Name of the one interface that each host has besides loopback."""

_NETWORK = "10.77.0.{}/24"

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


@contextmanager
def network(hosts: int) -> Iterator[Sequence[Host]]:
    """Make hosts 10.77.0.1, 10.77.0.2, ... on one network, and remove everything at the end.

    Args:
        hosts: How many; all links are up and IPv4 works when the block begins.
    """
    with ExitStack() as stack:
        switch = stack.enter_context(_namespace("switch"))
        _ip("-n", switch, "link", "add", "bridge0", "type", "bridge", "mcast_snooping", "0")
        _ip("-n", switch, "link", "set", "bridge0", "up")
        yield [
            _plug_in(stack.enter_context(_namespace("host")), switch, number)
            for number in range(1, hosts + 1)
        ]


@contextmanager
def isolated() -> Iterator[Callable[..., list[str]]]:
    """Make a place without any network, not even loopback; give what runs a command inside."""
    with _namespace("island") as namespace:
        yield Host(namespace, "").command


def _plug_in(namespace: str, switch: str, number: int) -> Host:
    port = f"port{number}"
    _ip("link", "add", LINK, "netns", namespace, "type", "veth", "peer", port, "netns", switch)
    _ip("-n", switch, "link", "set", port, "master", "bridge0", "up")
    _ip("-n", namespace, "link", "set", "lo", "up")
    host = Host(namespace, _NETWORK.format(number))
    host.add_address(host.address)
    host.up()
    return host


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
