"""Three daemons on a network of their own, and what happens to a network."""

import re
from collections.abc import Iterator, Sequence

import pytest

from harness import netns
from harness.daemons import Device, Fleet, pair, wait_synced

REASON = netns.unavailable()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.netns,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

EVERYWHERE = ("--listen", ":0")

Placed = tuple[Device, netns.Host]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Sequence[netns.Host]]:
    with netns.network(4) as made:
        yield made


@pytest.fixture(scope="module")
def three(shared: Fleet, hosts: Sequence[netns.Host]) -> list[Placed]:
    """A laptop and two others, each on its own host, paired and linked."""
    names = ("laptop", "phone", "tablet")
    devices = [
        shared.device(name, EVERYWHERE, host.command)
        for name, host in zip(names, hosts[:3], strict=True)
    ]
    laptop, phone, tablet = devices
    laptop.do("init", "--name", "laptop")
    for device in devices:
        device.start()
    pair(laptop, phone)
    pair(laptop, tablet)
    wait_synced(*devices)
    return list(zip(devices, hosts[:3], strict=True))


def test_three_daemons_find_each_other_and_agree(three: list[Placed]) -> None:
    (laptop, _), (phone, _), (tablet, _) = three
    phone.do("set", "notes/one", "body=from the phone")
    wait_synced(laptop, phone, tablet)
    assert tablet.do("get", "notes/one", "body") == "from the phone\n"
    assert re.match(r"10\.77\.0\.[12]:", tablet.peer("phone")["address"])


def test_a_device_with_another_address_is_found_again(three: list[Placed]) -> None:
    (laptop, _), (phone, host), (tablet, _) = three
    host.remove_address(host.address)
    host.add_address("10.77.0.99/24")
    phone.daemon.wait_event("network_changed")
    phone.do("set", "notes/moved", "body=from elsewhere")
    wait_synced(phone, laptop, tablet)
    assert laptop.value("notes/moved") == {"body": "from elsewhere"}
    assert "10.77.0.99" in phone.ask("status")["listening"][0]


def test_a_device_without_any_network_reads_and_writes(shared: Fleet) -> None:
    with netns.isolated() as command:
        hermit = shared.device("hermit", EVERYWHERE, command)
        hermit.do("init", "--name", "hermit")
        hermit.start()
        hermit.do("set", "notes/alone", "body=no network at all")
        assert hermit.value("notes/alone") == {"body": "no network at all"}
        status = hermit.ask("status")
        assert (status["discovery"]["problem"], status["listening"]) == (
            "no interface of a local network is up",
            [],
        )
        hermit.stop()


def test_a_partition_heals(three: list[Placed]) -> None:
    (laptop, _), (phone, _), (tablet, host) = three
    host.down()
    tablet.do("set", "notes/parted", "tablet=1")
    laptop.do("set", "notes/parted-too", "laptop=1")
    wait_synced(laptop, phone)
    assert laptop.refused("get", "notes/parted") == (5, "not_found")
    host.up()
    wait_synced(laptop, tablet)
    wait_synced(phone, tablet)
    for device in (laptop, phone, tablet):
        assert device.value("notes/parted") == {"tablet": "1"}
        assert device.value("notes/parted-too") == {"laptop": "1"}


def test_a_network_that_comes_up_late_is_joined(three: list[Placed]) -> None:
    (laptop, _), _, (tablet, host) = three
    tablet.stop()
    host.down()
    host.remove_address(host.address)
    tablet.start()
    problem = tablet.ask("status")["discovery"]["problem"]
    assert problem == "no interface of a local network is up"
    tablet.do("set", "notes/late", "body=written before any network")
    host.up()
    host.add_address(host.address)
    wait_synced(laptop, tablet)
    assert laptop.value("notes/late") == {"body": "written before any network"}
    assert tablet.ask("status")["discovery"]["problem"] is None


def test_joining_goes_on_once_there_is_a_network_and_a_free_port(
    three: list[Placed], hosts: Sequence[netns.Host], shared: Fleet
) -> None:
    (laptop, _), host = three[0], hosts[3]
    guest = shared.device("guest", EVERYWHERE, host.command)
    guest.start()
    host.down()
    host.remove_address(host.address)
    window = laptop.open("pair")
    with netns.holding_the_mdns_port(host) as let_go:
        joining = guest.open("join", "--name", "guest", "--yes", window.event("code")["code"])
        hindered = joining.event("search")
        assert hindered["problem"] == "no interface of a local network is up"
        assert "p2pvault: address" in hindered["hint"]
        host.up()
        host.add_address(host.address)
        assert "another program keeps UDP port 5353" in joining.event("search")["problem"]
        let_go()
        assert joining.event("search")["problem"] is None
        words = joining.event("words")["words"]
        window.event("joiner")
        window.event("confirm")
        window.type(words)
        joining.event("vault")
        joining.event("paired")
