"""What is believed of an answer, before anybody checks its tag."""

from ipaddress import ip_address

import pytest
from zeroconf import ServiceInfo

from p2pvault.limits import ADDRESSES_PER_PEER_MAX, DISCOVERY_TEXT_BYTES_MAX
from p2pvault.net.responder import _is_ours, _to_info, _to_sighting
from p2pvault.net.services import Advertisement, Kind, Sighting
from p2pvault.types import Address


def answer(
    *hosts: str, port: int | None = 4711, text: dict[str, bytes | None] | None = None
) -> ServiceInfo:
    return ServiceInfo(
        Kind.PAIRING.value,
        f"NAME.{Kind.PAIRING.value}",
        port=port,
        properties={} if text is None else text,
        addresses=[ip_address(host).packed for host in hosts],
    )


def read(info: ServiceInfo, *, loopback: bool = False) -> Sighting | None:
    return _to_sighting(Kind.PAIRING, info, loopback=loopback)


def test_an_answer_becomes_a_sorted_value() -> None:
    seen = read(answer("fd00::1", "10.0.0.2", "10.0.0.1", text={"a": b"x", "b": None}))
    where = tuple(Address(host, 4711) for host in ("10.0.0.1", "10.0.0.2", "fd00::1"))
    assert seen == Sighting(Kind.PAIRING, "name", where, 4711, {"a": b"x", "b": b""})


@pytest.mark.parametrize("host", ["8.8.8.8", "127.0.0.1", "224.0.0.251", "2001:db8::1", "0.0.0.0"])
def test_p22_one_address_that_we_would_not_advertise_spoils_the_whole(host: str) -> None:
    assert read(answer("10.0.0.1")) is not None
    assert read(answer("10.0.0.1", host)) is None


def test_loopback_is_believed_on_loopback_only() -> None:
    assert read(answer("127.0.0.1"), loopback=True) is not None
    assert read(answer("127.0.0.1"), loopback=False) is None


@pytest.mark.parametrize("port", [None, 0])
def test_an_answer_without_a_port_is_none(port: int | None) -> None:
    assert read(answer("10.0.0.1", port=port)) is None


def test_p22_the_number_of_addresses_is_bounded() -> None:
    hosts = [f"10.0.0.{number}" for number in range(ADDRESSES_PER_PEER_MAX + 1)]
    assert read(answer()) is None
    assert read(answer(*hosts[1:])) is not None
    assert read(answer(*hosts)) is None


def test_the_text_is_bounded() -> None:
    fits = {"a": bytes(DISCOVERY_TEXT_BYTES_MAX - 3)}
    assert read(answer("10.0.0.1", text=fits)) is not None
    assert read(answer("10.0.0.1", text={**fits, "b": b""})) is None


def test_keys_that_are_not_ascii_are_left_out() -> None:
    info = answer("10.0.0.1")
    info._set_properties({b"\xff": b"x", b"a": b"y"})
    seen = read(info)
    assert seen is not None
    assert seen.text == {"a": b"y"}


@pytest.mark.parametrize("name", ["", "a" * 64, "Ada's phone", "a.b", "ümlaut", "a\n"])
def test_a_pairing_name_that_we_would_not_make_is_not_looked_up(name: str) -> None:
    assert _is_ours("abcdefgh")
    assert not _is_ours(name)


def test_the_host_name_does_not_tell_the_instance_name() -> None:
    shown = Advertisement("instance", "hostlabel", 1, (Address("fe80::1%3", 1),))
    info = _to_info(Kind.MEMBER, shown)
    assert info.server == "hostlabel.local."
    assert info.parsed_scoped_addresses() == ["fe80::1"]
    assert (info.host_ttl, info.other_ttl) == (120, 1200)
