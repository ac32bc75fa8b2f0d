"""Bounds on handshakes, before any cryptography."""

import pytest

from p2pvault.limits import (
    HALF_OPEN_MAX,
    HALF_OPEN_PER_NETWORK_MAX,
    HANDSHAKE_BURST,
    HANDSHAKE_SOURCES_MAX,
    HANDSHAKES_PER_S,
)
from p2pvault.net.gate import HalfOpenGate, network_of


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("::ffff:10.1.2.3", "10.1.2.0/24"),
        ("fd00:1:2:3:4::5", "fd00:1:2:3::/64"),
        ("fe80::1%3", "fe80::/64"),
    ],
)
def test_a_host_counts_towards_its_network(host: str, network: str) -> None:
    assert network_of(host) == network


def test_a_network_has_a_bounded_number_of_places_and_gets_them_back() -> None:
    gate = HalfOpenGate()
    hosts = [f"10.0.0.{number}" for number in range(HALF_OPEN_PER_NETWORK_MAX + 1)]
    assert [gate.admit(host, 0.0) for host in hosts] == [True] * HALF_OPEN_PER_NETWORK_MAX + [False]
    assert gate.admit("10.0.1.1", 0.0)
    gate.release(hosts[0])
    assert gate.admit(hosts[-1], 0.0)


def test_all_networks_together_have_a_bounded_number_of_places() -> None:
    gate = HalfOpenGate()
    assert all(gate.admit(f"10.0.{number}.1", 0.0) for number in range(HALF_OPEN_MAX))
    assert not gate.admit("10.1.0.1", 0.0)
    gate.release("10.0.0.1")
    assert gate.admit("10.1.0.1", 0.0)


def test_an_address_gets_a_burst_and_then_its_rate() -> None:
    gate = HalfOpenGate()
    admitted = 0
    for step in range(1000):
        if gate.admit("10.0.0.1", step / 1000):
            admitted += 1
            gate.release("10.0.0.1")
    assert admitted == HANDSHAKE_BURST + int(HANDSHAKES_PER_S) - 1


def test_one_address_cannot_use_up_the_rate_of_its_neighbour() -> None:
    gate = HalfOpenGate()
    while gate.admit("10.0.0.1", 0.0):
        gate.release("10.0.0.1")
    assert gate.admit("10.0.0.2", 0.0)


def test_the_addresses_of_one_ipv6_network_share_a_rate() -> None:
    gate = HalfOpenGate()
    admitted = 0
    for number in range(100):
        if gate.admit(f"fd00::{number:x}", 0.0):
            admitted += 1
            gate.release(f"fd00::{number:x}")
    assert admitted == HANDSHAKE_BURST


def test_a_stream_that_finds_no_place_costs_no_token() -> None:
    gate = HalfOpenGate()
    for number in range(HALF_OPEN_PER_NETWORK_MAX):
        assert gate.admit(f"10.0.0.{number}", 0.0)
    assert not any(gate.admit("10.0.0.99", 0.0) for _ in range(100))
    gate.release("10.0.0.0")
    assert gate.admit("10.0.0.99", 0.0)


def test_the_memory_of_rates_is_bounded_and_forgets_those_who_rest() -> None:
    gate = HalfOpenGate()

    def visit(number: int, now: float) -> bool:
        host = f"10.{number // 256}.{number % 256}.1"
        admitted = gate.admit(host, now)
        if admitted:
            gate.release(host)
        return admitted

    assert all(visit(number, 0.0) for number in range(HANDSHAKE_SOURCES_MAX))
    assert not visit(HANDSHAKE_SOURCES_MAX, 0.0)
    assert visit(HANDSHAKE_SOURCES_MAX, 1.0)


def test_giving_back_more_than_was_taken_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        HalfOpenGate().release("10.0.0.1")
