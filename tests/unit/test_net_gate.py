"""Bounds on handshakes, before any cryptography."""

from collections.abc import Iterable
from itertools import count

import pytest

from p2pvault.limits import (
    HALF_OPEN_MAX,
    HALF_OPEN_PER_NETWORK_MAX,
    HANDSHAKE_BURST,
    HANDSHAKE_SOURCES_MAX,
    HANDSHAKES_PER_S,
)
from p2pvault.net.gate import HalfOpenGate, network_of
from p2pvault.types import LinkId

_numbers = count(1_000_000)


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


def fill(gate: HalfOpenGate, hosts: Iterable[str]) -> list[LinkId]:
    """Admit a stream from each host, all at once, and return their names."""
    streams = {LinkId(next(_numbers)): host for host in hosts}
    assert all(gate.admit(link, host, 0.0) for link, host in streams.items())
    return list(streams)


def test_a_network_has_a_bounded_number_of_places_and_the_oldest_gives_way() -> None:
    gate = HalfOpenGate()
    oldest, second, *_ = fill(gate, (f"10.0.0.{n}" for n in range(HALF_OPEN_PER_NETWORK_MAX)))
    assert gate.crowded_out() is None
    (newest,) = fill(gate, ["10.0.0.99"])
    assert gate.crowded_out() == oldest
    assert gate.crowded_out() is None
    assert oldest not in gate
    assert second in gate
    assert newest in gate


def test_p6_who_crowds_one_network_pushes_nobody_out_of_another() -> None:
    gate = HalfOpenGate()
    (neighbour,) = fill(gate, ["10.0.1.1"])
    crowd = fill(gate, (f"10.0.0.{n}" for n in range(HALF_OPEN_PER_NETWORK_MAX + 1)))
    assert gate.crowded_out() == crowd[0]
    assert neighbour in gate


def test_p6_all_networks_together_have_a_bounded_number_of_places() -> None:
    gate = HalfOpenGate()
    links = fill(gate, (f"10.0.{number}.1" for number in range(HALF_OPEN_MAX)))
    assert gate.crowded_out() is None
    fill(gate, ["10.1.0.1"])
    assert gate.crowded_out() == links[0]


def test_a_place_that_was_given_back_crowds_nobody_out() -> None:
    gate = HalfOpenGate()
    links = fill(gate, (f"10.0.0.{n}" for n in range(HALF_OPEN_PER_NETWORK_MAX)))
    gate.release(links[3])
    fill(gate, ["10.0.0.99"])
    assert gate.crowded_out() is None


def test_an_address_gets_a_burst_and_then_its_rate() -> None:
    gate = HalfOpenGate()
    admitted = 0
    for step in range(1000):
        admitted += gate.admit(LinkId(step), "10.0.0.1", step / 1000)
    assert admitted == HANDSHAKE_BURST + int(HANDSHAKES_PER_S) - 1


def test_p6_one_address_cannot_use_up_the_rate_of_its_neighbour() -> None:
    gate = HalfOpenGate()
    while gate.admit(LinkId(1), "10.0.0.1", 0.0):
        pass
    assert gate.admit(LinkId(2), "10.0.0.2", 0.0)


def test_the_addresses_of_one_ipv6_network_share_a_rate() -> None:
    gate = HalfOpenGate()
    admitted = sum(gate.admit(LinkId(number), f"fd00::{number:x}", 0.0) for number in range(100))
    assert admitted == HANDSHAKE_BURST


def test_the_memory_of_rates_is_bounded_and_forgets_those_who_rest() -> None:
    gate = HalfOpenGate()

    def visit(number: int, now: float) -> bool:
        return gate.admit(LinkId(number), f"10.{number // 256}.{number % 256}.1", now)

    assert all(visit(number, 0.0) for number in range(HANDSHAKE_SOURCES_MAX))
    assert not visit(HANDSHAKE_SOURCES_MAX, 0.0)
    assert visit(HANDSHAKE_SOURCES_MAX, 1.0)


def test_giving_back_more_than_was_taken_is_a_bug() -> None:
    with pytest.raises(KeyError):
        HalfOpenGate().release(LinkId(1))
