"""Who belongs to the vault: names, roles, and removal, with four running daemons.

The tests run in their order: the last ones remove a device.
"""

import pytest

from harness.daemons import Device, Fleet, pair, wait_synced
from harness.waiting import is_alone, is_removed, names, wait_until

pytestmark = pytest.mark.e2e

Three = tuple[Device, Device, Device]


@pytest.fixture(scope="module")
def three(shared: Fleet) -> Three:
    """Two admins and a member, all linked."""
    laptop = shared.founder("laptop")
    tablet = shared.member(laptop, "tablet", admin=True)
    phone = shared.member(laptop, "phone")
    wait_synced(laptop, tablet, phone)
    return laptop, tablet, phone


def test_roles_are_known_everywhere(three: Three) -> None:
    for device in three:
        roles = {one["name"]: one["role"] for one in device.ask("devices")["devices"]}
        assert roles == {"laptop": "admin", "tablet": "admin", "phone": "member"}
    assert three[2].ask("status")["device"]["role"] == "member"


def test_a_member_neither_pairs_nor_removes(three: Three) -> None:
    laptop, _, phone = three
    assert phone.refused("pair") == (8, "refused")
    assert phone.refused("devices", "revoke", "tablet")[0] == 8
    assert phone.refused("devices", "revoke", "laptop")[0] == 8
    assert laptop.ask("devices")["removed"] == []


def test_nobody_removes_the_device_that_is_not_there(three: Three) -> None:
    assert three[0].refused("devices", "revoke", "toaster") == (6, "no_such_device")
    assert three[0].refused("devices", "rename", "toaster", "x") == (6, "no_such_device")


def test_a_new_name_is_known_everywhere(three: Three) -> None:
    laptop, tablet, phone = three
    number = next(one["id"] for one in laptop.ask("devices")["devices"] if one["name"] == "tablet")
    laptop.ask("devices", "rename", "tablet", "Küchen-Tablet")
    for device in three:
        wait_until(device, lambda it: "Küchen-Tablet" in names(it))
    phone.ask("devices", "rename", "phone", "pixel")
    wait_until(tablet, lambda it: "pixel" in names(it))
    phone.ask("devices", "rename", "pixel", "phone")
    wait_until(laptop, lambda it: "phone" in names(it))
    laptop.ask("devices", "rename", number[:8], "tablet")
    for device in three:
        wait_until(device, lambda it: names(it) == {"laptop", "tablet", "phone"})


def test_a_removed_device_loses_all_links_at_once_and_learns_nothing_more(three: Three) -> None:
    laptop, tablet, phone = three
    laptop.do("set", "secrets/before", "pin=1")
    wait_synced(laptop, tablet, phone)
    laptop.ask("devices", "revoke", "phone")

    for device in (laptop, tablet):
        wait_until(device, lambda it: names(it) == {"laptop", "tablet"})
        assert [one["name"] for one in device.ask("devices")["removed"]] == ["phone"]
        assert "phone" not in {peer["name"] for peer in device.ask("status")["peers"]}
    wait_until(phone, is_removed)
    laptop.do("set", "secrets/after", "pin=2")
    tablet.do("set", "secrets/after-that", "pin=3")
    wait_synced(laptop, tablet)

    assert is_alone(phone)
    assert phone.paths() == ["secrets/before"]
    assert phone.do("get", "secrets/before", "pin") == "1\n"


def test_a_removed_device_knows_it_and_is_read_only(three: Three) -> None:
    phone = three[2]
    assert "removed from the vault" in phone.do("status")
    assert phone.refused("set", "secrets/before", "pin=4") == (8, "revoked_device")
    assert phone.refused("pair") == (8, "revoked_device")


def test_a_removed_device_stays_outside_after_restarts(three: Three) -> None:
    laptop, tablet, phone = three
    for device in three:
        device.stop()
    for device in three:
        device.start()
    wait_synced(laptop, tablet)
    laptop.do("set", "secrets/later", "pin=5")
    wait_synced(laptop, tablet)
    assert is_alone(phone)
    assert phone.paths() == ["secrets/before"]
    assert names(laptop) == names(tablet) == {"laptop", "tablet"}


def test_a_removed_device_comes_back_only_as_a_new_one(three: Three, shared: Fleet) -> None:
    laptop, tablet, phone = three
    again = shared.device("phone")
    again.start()
    pair(tablet, again)
    wait_until(laptop, lambda it: names(it) == {"laptop", "tablet", "phone"})
    old, new = (device.ask("status")["device"]["id"] for device in (phone, again))
    assert old != new
    assert again.value("secrets/later") == {"pin": "5"}


def test_a_device_that_slept_through_its_removal_is_told_and_refused(
    three: Three, shared: Fleet
) -> None:
    laptop, _, _ = three
    sleeper = shared.device("sleeper")
    sleeper.start()
    pair(laptop, sleeper)
    wait_synced(laptop, sleeper)
    sleeper.stop()
    laptop.ask("devices", "revoke", "sleeper")
    laptop.do("set", "secrets/last", "pin=6")

    # It dials again, at addresses that it knows, with keys that it had: they open nothing now, but
    # why that is so it hears.
    sleeper.start()
    wait_until(sleeper, is_removed)
    assert is_alone(sleeper)
    assert "secrets/last" not in sleeper.paths()
