"""The recovery key with real daemons: the only admin is lost, and a thief removes everybody."""

import json
from pathlib import Path

import pytest

from harness.command_line import start
from harness.daemons import Conversation, Device, Fleet, wait_synced
from harness.paper import check_nothing_shows, founder
from harness.waiting import is_alone, is_removed, names, wait_until

pytestmark = pytest.mark.e2e

Three = tuple[Device, Device, Device]


def roles(device: Device) -> dict[str, str]:
    return {one["name"]: one["role"] for one in device.ask("devices")["devices"]}


def use(device: Device, words: str, *decision: str) -> None:
    """Take the vault over."""
    device.ask("recovery", "use", *decision, stdin=words.encode() + b"\n")


def test_the_only_admin_is_lost_and_the_phone_takes_over(fleet: Fleet) -> None:
    laptop, words = founder(fleet)
    phone = fleet.member(laptop, "phone")
    tablet = fleet.member(laptop, "tablet")
    wait_synced(laptop, phone, tablet)
    laptop.stop()
    assert phone.refused("devices", "revoke", "laptop")[0] == 8
    assert phone.refused("recovery", "use", "--lost", "laptop", stdin=b"zoo\n")[0] == 2
    other = ("abandon " * 23 + "art\n").encode()
    assert phone.refused("recovery", "use", "--lost", "laptop", stdin=other) == (8, "membership")

    use(phone, words, "--lost", "laptop")
    for device in (phone, tablet):
        wait_until(device, lambda it: roles(it) == {"phone": "admin", "tablet": "member"})
    phone.do("set", "secrets/after", "pin=1")
    wait_synced(phone, tablet)

    laptop.start()
    wait_until(laptop, is_removed)
    assert is_alone(laptop)
    assert laptop.paths() == []
    camera = fleet.member(phone, "camera")
    assert camera.value("secrets/after") == {"pin": "1"}
    check_nothing_shows(fleet, words)


def test_a32_a_thief_removes_all_others_and_the_key_undoes_it(fleet: Fleet) -> None:
    laptop, words = founder(fleet)
    thief = fleet.member(laptop, "thief", admin=True)
    phone = fleet.member(laptop, "phone")
    wait_synced(laptop, thief, phone)
    thief.ask("devices", "revoke", "phone")
    wait_until(laptop, lambda it: names(it) == {"laptop", "thief"})
    thief.ask("devices", "revoke", "laptop")
    wait_until(laptop, is_removed)
    assert laptop.refused("set", "secrets/one", "pin=1") == (8, "revoked_device")

    use(laptop, words, "--lost", "thief", "--restore", "phone")
    for device in (laptop, phone):
        wait_until(device, lambda it: names(it) == {"laptop", "phone"})
    laptop.do("set", "secrets/one", "pin=1")
    wait_synced(laptop, phone)
    assert phone.value("secrets/one") == {"pin": "1"}
    assert is_alone(thief)
    assert thief.paths() == []
    check_nothing_shows(fleet, words)


def test_a_member_admits_a_new_device_with_the_key(fleet: Fleet) -> None:
    laptop, words = founder(fleet)
    phone = fleet.member(laptop, "phone")
    wait_synced(laptop, phone)
    laptop.stop()
    fresh = fleet.device("fresh")
    fresh.start()
    window = phone.open("pair", "--recovery")
    window.type(words)
    offered = window.event("code")
    joining = fresh.open("join", "--name", "fresh")
    joining.type(offered["code"])
    spoken = joining.event("words")["words"]
    joining.event("vault")
    window.event("joiner")
    window.event("confirm")
    window.type(spoken)
    joining.type("yes")
    joining.event("paired")
    window.event("paired")
    wait_synced(fresh, phone)
    assert roles(fresh) == {"laptop": "admin", "phone": "member", "fresh": "admin"}
    assert {one["name"]: one["added_by"] for one in fresh.ask("devices")["devices"]}["fresh"] == (
        "the recovery key"
    )
    fresh.ask("devices", "revoke", "laptop")
    wait_until(phone, lambda it: names(it) == {"phone", "fresh"})
    check_nothing_shows(fleet, words)


def test_the_words_are_on_one_device_until_it_forgets_them(fleet: Fleet) -> None:
    laptop, words = founder(fleet)
    phone = fleet.member(laptop, "phone")
    assert shown(laptop) == words
    assert phone.refused("recovery", "forget", stdin=words.encode()) == (5, "no_recovery_words")
    laptop.ask("recovery", "forget", stdin=words.encode() + b"\n")
    laptop.stop()
    laptop.start()
    assert laptop.refused("recovery", "forget", stdin=words.encode()) == (5, "no_recovery_words")
    use(laptop, words, "--lost", "phone")
    assert names(laptop) == {"laptop"}


def shown(device: Device) -> str:
    """Return the words that a device shows to whoever reads its question."""
    with start(device.home, "recovery", "show", "--stdin", "--json") as showing:
        assert showing.stderr is not None
        question = showing.stderr.read(len("Type 0000 to see the recovery key: ")).decode()
        out, _ = showing.communicate(question.split()[1].encode() + b"\n")
    assert showing.returncode == 0
    return str(json.loads(out)["words"])


def test_p21_the_words_are_in_no_arguments_while_they_are_used(fleet: Fleet) -> None:
    laptop, words = founder(fleet)
    phone = fleet.member(laptop, "phone")
    wait_synced(laptop, phone)
    conversation: Conversation = phone.open("recovery", "use", "--lost", "laptop")
    seen = command_lines()
    conversation.type(words)
    seen += command_lines()
    assert conversation.finish().code == 0
    seen += command_lines()
    first = " ".join(words.split()[:2])
    assert not [line for line in seen if first in line]
    check_nothing_shows(fleet, words)


def command_lines() -> list[str]:
    """Return the command line and the title of every process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "comm"):
            try:
                found.append((process / name).read_text(errors="replace").replace("\0", " "))
            except OSError:
                continue
    return found
