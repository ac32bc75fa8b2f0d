"""A phone that keeps only some collections, with real daemons."""

import pytest

from harness.daemons import Device, Fleet, wait_synced

pytestmark = pytest.mark.e2e


def kept(device: Device) -> dict[str, tuple[int | None, bool]]:
    found = device.ask("collections")["collections"]
    return {each["name"]: (each["records"], each["whole"]) for each in found}


def sound(device: Device) -> bool:
    return device.run("verify", "--json").code == 0


def test_a_phone_forgets_a_collection_and_takes_it_up_again(fleet: Fleet) -> None:
    laptop = fleet.founder("laptop")
    laptop.do("set", "contacts/eve", "phone=1")
    for number in range(3):
        laptop.do("set", f"notes/{number}", f"body=note {number}")
    lines = "\n".join(f'{{"path": "notes/m{n}", "value": {{"n": {n}}}}}' for n in range(500))
    laptop.do("set", "--stdin", stdin=lines.encode())
    phone = fleet.member(laptop, "phone")
    wait_synced(laptop, phone)
    assert kept(phone) == {"contacts": (1, True), "notes": (503, True)}

    phone.do("collections", "forget", "notes")
    wait_synced(laptop, phone)
    assert kept(phone) == {"contacts": (1, True), "notes": (None, False)}
    status = phone.ask("status")
    assert status["vault"]["not_kept"] == ["notes"]
    assert (status["peers"][0]["in_sync"], status["peers"][0]["without"]) == (True, 1)
    assert "but for 1 collection" in laptop.do("status")
    for words in (["get", "notes/1"], ["ls", "notes"], ["set", "notes/new", "body=x"]):
        assert phone.refused(*words) == (8, "not_kept")
        assert "`p2pvault collections keep notes`" in phone.run(*words).messages
    assert phone.paths() == ["contacts/eve"]
    assert laptop.refused("collections", "forget", "notes") == (8, "only_here")

    laptop.do("set", "notes/1", "body=changed meanwhile")
    laptop.do("rm", "notes/2")
    phone.do("set", "contacts/eve", "phone=2")
    wait_synced(laptop, phone)
    assert laptop.value("contacts/eve") == {"phone": "2"}
    assert sound(phone)
    phone.stop()
    phone.start()
    wait_synced(laptop, phone)
    assert kept(phone)["notes"] == (None, False)
    assert sound(phone)

    phone.do("collections", "keep", "notes")
    phone.do("wait", "--synced", "laptop", "--timeout", "60")
    until_whole(phone)
    wait_synced(laptop, phone)
    assert kept(phone) == {"contacts": (1, True), "notes": (502, True)}
    assert phone.value("notes/1") == {"body": "changed meanwhile"}
    assert phone.value("notes/m499") == {"n": 499}
    assert phone.ask("status")["peers"][0]["without"] == 0
    assert phone.ask("status")["problems"] == laptop.ask("status")["problems"] == []
    assert sound(phone)
    assert sound(laptop)


def until_whole(device: Device) -> None:
    """Wait for the proof that ends a fetch; `wait` returns at the first one that is there."""
    while device.ask("status")["vault"]["incomplete"]:
        device.do("wait", "--synced", "--timeout", "60")
