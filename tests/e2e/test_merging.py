"""Two devices edit alone and meet again; each test looks at one kind of edit, on both devices.

All edits are made in one time apart: neither daemon runs while the other one writes.
"""

import pytest

from harness.daemons import Device, Fleet, wait_synced

pytestmark = pytest.mark.e2e

BEFORE = {
    "contacts/ada": {"name": "Ada", "email": "old", "fax": "1", "home": {"city": "London"}},
    "notes/shopping": {"body": "Milk and bread", "tags": ["a", "b"]},
    "notes/gone": {"body": "x"},
    "notes/gone-twice": {"body": "x"},
    "notes/edited-and-deleted": {"body": "x"},
}


@pytest.fixture(scope="module")
def met(shared: Fleet) -> tuple[Device, Device]:
    laptop = shared.founder("laptop")
    phone = shared.member(laptop, "phone")
    for path, value in BEFORE.items():
        laptop.do("set", path, *(f"{field}:={as_json(item)}" for field, item in value.items()))
    wait_synced(laptop, phone)

    phone.stop()
    edit_on_laptop(laptop)
    laptop.stop()
    phone.start()
    edit_on_phone(phone)
    laptop.start()
    wait_synced(laptop, phone)
    return laptop, phone


def edit_on_laptop(laptop: Device) -> None:
    laptop.do("set", "contacts/ada", "email=ada@laptop.example", "home.street=Main", "fax=")
    laptop.do("set", "contacts/ada", "name=Ada L.")
    laptop.do("set", "notes/shopping", "body=Oat milk and bread", 'tags:=["a", "b", "laptop"]')
    laptop.do("set", "contacts/bob", "name=Bob of the laptop")
    for name in ("gone", "gone-twice", "edited-and-deleted"):
        laptop.do("rm", f"notes/{name}")


def edit_on_phone(phone: Device) -> None:
    phone.do("set", "contacts/ada", "phone=+44", "home.city=Ely", "name=Ada P.")
    phone.do("set", "notes/shopping", "body=Milk and bread, and tea", 'tags:=["phone", "a", "b"]')
    phone.do("set", "contacts/bob", "name=Bob of the phone")
    phone.do("rm", "notes/gone-twice")
    phone.do("set", "notes/edited-and-deleted", "body=x is still wanted")


def as_json(value: object) -> str:
    return str(value).replace("'", '"') if not isinstance(value, str) else f'"{value}"'


def test_fields_are_merged_one_by_one(met: tuple[Device, Device]) -> None:
    for device in met:
        ada = device.value("contacts/ada")
        assert ada["email"] == "ada@laptop.example"
        assert ada["phone"] == "+44"
        assert ada["home"] == {"city": "Ely", "street": "Main"}
        assert "fax" not in ada


def test_one_field_edited_twice_has_the_same_winner_everywhere(
    met: tuple[Device, Device],
) -> None:
    names = {device.value("contacts/ada")["name"] for device in met}
    assert len(names) == 1
    assert names < {"Ada L.", "Ada P."}


def test_prose_is_merged_by_character(met: tuple[Device, Device]) -> None:
    for device in met:
        assert device.value("notes/shopping")["body"] == "Oat milk and bread, and tea"


def test_lists_are_merged_by_item(met: tuple[Device, Device]) -> None:
    for device in met:
        assert device.value("notes/shopping")["tags"] == ["phone", "a", "b", "laptop"]


def test_a_deleted_record_is_gone_everywhere(met: tuple[Device, Device]) -> None:
    for device in met:
        assert device.refused("get", "notes/gone") == (5, "not_found")
        assert device.refused("get", "notes/gone-twice") == (5, "not_found")
        assert not {"notes/gone", "notes/gone-twice"} & set(device.paths())


def test_an_edit_outlives_a_deletion_that_did_not_know_it(met: tuple[Device, Device]) -> None:
    for device in met:
        assert device.value("notes/edited-and-deleted") == {"body": "x is still wanted"}


def test_one_path_made_apart_is_two_records_and_ambiguous(met: tuple[Device, Device]) -> None:
    for device in met:
        bobs = [row["id"] for row in device.ask("ls", "contacts")["rows"] if "bob" in row["path"]]
        assert len(bobs) == 2
        done = device.run("--json", "get", "contacts/bob")
        assert (done.code, done.error["code"]) == (2, "ambiguous_path")
        said = done.error["message"] + done.error["hint"]
        assert all(number in said for number in bobs), said
        names = {device.do("get", f"id:{number}", "name") for number in bobs}
        assert names == {"Bob of the laptop\n", "Bob of the phone\n"}
        assert all(device.do("get", f"id:{number[:-2]}") for number in bobs)
    assert met[0].refused("set", "contacts/bob", "name=Bob") == (2, "ambiguous_path")
    assert met[0].refused("rm", "contacts/bob") == (2, "ambiguous_path")


def test_both_hold_the_same_list_of_records(met: tuple[Device, Device]) -> None:
    laptop, phone = met
    assert laptop.ask("ls")["rows"] == phone.ask("ls")["rows"]
    assert laptop.do("ls") == phone.do("ls")
