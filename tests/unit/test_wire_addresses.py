"""Which of the addresses that a peer names are worth dialling."""

import pytest

from p2pvault.types import Address
from p2pvault.wire.addresses import is_near


@pytest.mark.parametrize(
    "host", ["192.168.1.7", "10.0.0.1", "172.16.3.4", "127.0.0.1", "169.254.1.1", "100.64.0.9",
             "fd00::7", "fe80::1", "fe80::1%3", "::1"]
)  # fmt: skip
def test_addresses_of_a_local_network_are_near(host: str) -> None:
    assert is_near(Address(host, 4_000))


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "2001:4860:4860::8888", "224.0.0.251", "ff02::fb", "0.0.0.0", "::",
             "example.org", "", "10.0.0.1 "]
)  # fmt: skip
def test_all_others_are_not(host: str) -> None:
    assert not is_near(Address(host, 4_000))


def test_port_0_is_nowhere() -> None:
    assert not is_near(Address("10.0.0.1", 0))
