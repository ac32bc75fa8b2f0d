"""Devices that mDNS does not bring together: addresses given by hand, and the discovery modes."""

import pytest

from harness.daemons import LOOPBACK, Device, Fleet, pair, wait_synced

pytestmark = pytest.mark.e2e

OFF = (*LOOPBACK, "--mode", "off")


def restart(*devices: Device) -> None:
    """Stop all, then start all: each has a port that no other one knows."""
    for device in devices:
        device.stop()
    for device in devices:
        device.start()


@pytest.fixture
def apart(fleet: Fleet) -> tuple[Device, Device]:
    """Two paired devices without discovery that do not know where the other one is now."""
    laptop, phone = fleet.founder("laptop", *OFF), fleet.device("phone", OFF)
    phone.start()
    pair(laptop, phone, by="uri")
    restart(laptop, phone)
    return laptop, phone


def test_an_address_given_by_hand_is_enough(apart: tuple[Device, Device]) -> None:
    laptop, phone = apart
    laptop.do("set", "notes/one", "body=1")
    assert phone.refused("wait", "--synced", "laptop", "--timeout", "0.5") == (7, "unreachable")
    assert phone.peer("laptop")["link"] == "down"

    added = phone.ask("address", "add", "laptop", laptop.listening())
    assert added["addresses"] == [laptop.listening()]
    wait_synced(laptop, phone)
    assert phone.peer("laptop")["address"] == laptop.listening()
    assert phone.value("notes/one") == {"body": "1"}
    assert laptop.listening() in phone.do("address", "list")

    phone.ask("address", "remove", "laptop", laptop.listening())
    (known,) = phone.ask("address")["devices"]
    assert known["given"] == []


def test_a_device_that_is_dialled_by_a_quiet_one_is_found(fleet: Fleet) -> None:
    laptop = fleet.founder("laptop")
    phone = fleet.device("phone", (*LOOPBACK, "--mode", "quiet"))
    phone.start()
    pair(laptop, phone)
    restart(laptop, phone)
    laptop.do("set", "notes/one", "body=1")
    wait_synced(laptop, phone)
    assert phone.value("notes/one") == {"body": "1"}


def test_what_is_no_address_is_refused(apart: tuple[Device, Device]) -> None:
    laptop, phone = apart
    for words in ("laptop", "127.0.0.1"), ("laptop", "example.org:1"), ("laptop", "127.0.0.1:0"):
        assert phone.run("address", "add", *words).code == 2, words
    assert phone.refused("address", "add", "toaster", "127.0.0.1:1") == (6, "no_such_device")
    assert phone.refused("address", "add", "phone", "127.0.0.1:1")[0] == 8
    assert laptop.ask("address")["devices"][0]["given"] == []
