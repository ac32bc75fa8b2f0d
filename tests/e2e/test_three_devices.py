"""A third device, paired from the second, gets and gives everything through it."""

import pytest

from harness.daemons import Fleet, wait_synced

pytestmark = pytest.mark.e2e


def test_devices_that_never_meet_converge_through_a_third(fleet: Fleet) -> None:
    a = fleet.founder("a")
    a.do("set", "notes/first", "body=from a")
    b = fleet.member(a, "b", admin=True)
    a.stop()

    c = fleet.member(b, "c")
    assert c.do("get", "notes/first", "body") == "from a\n"
    c.do("set", "notes/second", "body=from c")
    wait_synced(b, c)
    c.stop()

    a.start()
    wait_synced(a, b)
    assert a.do("get", "notes/second", "body") == "from c\n"
    assert {device["name"] for device in a.ask("devices")["devices"]} == {"a", "b", "c"}
    a.do("set", "notes/second", "body=from c and a")
    wait_synced(a, b)
    a.stop()

    c.start()
    wait_synced(b, c)
    assert c.do("get", "notes/second", "body") == "from c and a\n"
    assert a.name not in "".join(peer["name"] for peer in linked(c.ask("status")["peers"]))


def test_three_devices_that_are_all_there_link_and_agree(fleet: Fleet) -> None:
    a = fleet.founder("a")
    b, c = fleet.member(a, "b"), fleet.member(a, "c")
    wait_synced(a, b, c)
    watching = c.watch("notes")
    b.do("set", "notes/one", "body=from b")
    assert "notes/one" in watching.line()
    wait_synced(a, b, c)
    assert a.value("notes/one") == c.value("notes/one") == {"body": "from b"}


def linked(peers: list[dict[str, str]]) -> list[dict[str, str]]:
    return [peer for peer in peers if peer["link"] == "up"]
