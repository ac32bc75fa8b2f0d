"""Which addresses discovery may use and tell."""

import pytest

from p2pvault.limits import ADDRESSES_PER_PEER_MAX
from p2pvault.net.addresses import (
    LocalAddress,
    advertised,
    discovery_interfaces,
    is_both_families,
    is_gone,
    is_local,
    is_loopback,
    is_wildcard,
    local_addresses,
    usable,
)
from p2pvault.types import Address

LAN = LocalAddress("eth0", 2, "192.168.1.20")
PUBLIC = LocalAddress("eth0", 2, "203.0.113.9")
LINK_LOCAL = LocalAddress("wlan0", 3, "fe80::1c2d")
LOOPBACK = LocalAddress("lo", 1, "127.0.0.1")
DOCKER = LocalAddress("docker0", 4, "172.17.0.1")
TUNNEL = LocalAddress("wg0", 5, "10.9.0.2")
MACHINE = (LAN, PUBLIC, LINK_LOCAL, LOOPBACK, DOCKER, TUNNEL)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fe80::1%3",
        "::ffff:10.0.0.1",
    ],
)
def test_private_and_link_local_addresses_are_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "172.32.0.1",
        "100.128.0.1",
        "192.0.2.1",
        "8.8.8.8",
        "127.0.0.1",
        "0.0.0.0",
        "224.0.0.251",
        "2001:db8::1",
        "::1",
        "ff02::fb",
        "::ffff:8.8.8.8",
        "localhost",
        "",
    ],
)
def test_everything_else_is_not_local(host: str) -> None:
    assert not is_local(host)


def test_loopback_is_recognised_in_both_families() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost")


def test_without_a_setting_containers_tunnels_public_addresses_and_loopback_are_left_out() -> None:
    assert usable(MACHINE) == (LAN, LINK_LOCAL)


@pytest.mark.parametrize("name", ["docker0", "br-1a2b", "veth12", "virbr0", "tun0", "tap1", "wg0"])
def test_an_interface_of_containers_or_tunnels_is_used_when_it_is_named(name: str) -> None:
    address = LocalAddress(name, 7, "10.9.0.2")
    assert usable([address]) == ()
    assert usable([address], [name]) == (address,)


def test_named_interfaces_and_addresses_exclude_all_others() -> None:
    assert usable(MACHINE, ["wlan0"]) == (LINK_LOCAL,)
    assert usable(MACHINE, ["192.168.1.20", "lo"]) == (LAN, LOOPBACK)


def test_a_public_address_is_never_usable_even_when_it_is_named() -> None:
    assert usable(MACHINE, ["203.0.113.9"]) == ()


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0"])
def test_everything_is_everything_in_every_spelling(host: str) -> None:
    assert is_wildcard(host)
    assert is_both_families(host) is (host != "0.0.0.0")
    assert discovery_interfaces(host, ("eth0",)) == ("eth0",)


@pytest.mark.parametrize("host", ["::1", "127.0.0.1", "0.0.0.1", "eth0"])
def test_one_address_is_not_everything(host: str) -> None:
    assert not is_wildcard(host)
    assert not is_both_families(host)


def test_discovery_runs_where_the_device_listens() -> None:
    assert discovery_interfaces("0.0.0.0", ("eth0",)) == ("eth0",)
    assert discovery_interfaces("::", ()) == ()
    assert discovery_interfaces("127.0.0.1", ("eth0",)) == ("127.0.0.1",)


def test_loopback_is_usable_when_the_device_listens_on_it() -> None:
    assert usable(MACHINE, discovery_interfaces("127.0.0.1", ())) == (LOOPBACK,)


def test_an_address_made_from_the_hardware_address_is_not_advertised() -> None:
    named = LocalAddress("eth0", 2, "fe80::fc:ff:fe00:1")
    assert advertised([named, LAN], 4711) == (Address("192.168.1.20", 4711),)


def test_the_number_of_advertised_addresses_is_bounded() -> None:
    many = [LocalAddress("eth0", 2, f"10.0.0.{number}") for number in range(100)]
    assert len(advertised(many, 1)) == ADDRESSES_PER_PEER_MAX


def test_an_address_on_two_interfaces_is_advertised_once() -> None:
    twice = [LocalAddress("eth0", 2, "fe80::1"), LocalAddress("eth1", 3, "fe80::1")]
    assert advertised(twice, 1) == (Address("fe80::1", 1),)


def test_this_machine_has_a_loopback_address() -> None:
    assert LocalAddress("lo", 1, "127.0.0.1") in local_addresses()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "::1"])
def test_loopback_addresses_are_never_gone(host: str) -> None:
    assert not is_gone(host)


def test_addresses_that_this_machine_has_are_not_gone_and_others_are() -> None:
    assert not any(is_gone(address.host) for address in local_addresses())
    assert is_gone("192.0.2.1")  # RFC 5737, for documentation only


@pytest.mark.parametrize("scope", ["wlan0", "3"])
def test_an_address_with_its_scope_is_that_of_one_interface(scope: str) -> None:
    other = LocalAddress("eth0", 2, LINK_LOCAL.host)
    assert usable((other, LINK_LOCAL), [f"{LINK_LOCAL.host}%{scope}"]) == (LINK_LOCAL,)
    assert usable((other, LINK_LOCAL), [LINK_LOCAL.host]) == (other, LINK_LOCAL)
