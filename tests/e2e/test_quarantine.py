"""A phone is revoked while it is apart and edits on; a tablet that lags behind passes that on.

The tests run in their order.
"""

from contextlib import closing
from pathlib import Path

import pytest

from harness.daemons import Device, Fleet, wait_synced
from harness.intruder import intruder_of
from p2pvault.core.kinds import Kind
from p2pvault.crypto.schedule import store_key
from p2pvault.protocol.journal import Entry, decode_entry
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store
from p2pvault.types import VaultId

pytestmark = pytest.mark.e2e

Three = tuple[Device, Device, Device]


@pytest.fixture(scope="module")
def three(shared: Fleet) -> Three:
    """A laptop that revoked the phone; a tablet that took an edit of the phone; all but it off."""
    laptop = shared.founder("laptop")
    tablet, phone = shared.member(laptop, "tablet"), shared.member(laptop, "phone")
    laptop.do("set", "notes/shared", "text=before")
    wait_synced(laptop, tablet, phone)
    laptop.stop()
    phone.do("set", "notes/shared", "taken=1")
    wait_synced(tablet, phone)
    tablet.do("set", "notes/shared", "on_top=1")
    tablet.stop()
    phone.do("set", "notes/shared", "late=1")
    phone.do("set", "notes/new", "text=late")
    phone.stop()
    laptop.start()
    laptop.ask("devices", "revoke", "phone")
    return laptop, tablet, phone


def entries_of(home: Path, vault: VaultId) -> list[Entry]:
    """Return what stands in the log of a device whose daemon does not run."""
    key = store_key(load_master_key(HomeFiles(home)))
    with closing(open_store(home, key)) as store:
        return [decode_entry(stored.data, vault) for stored in store.entries(0, 1 << 40)]


def pass_on_late_entries(phone: Device, relay: Device, to: Device) -> None:
    """Let one device's keys pass on the last two entries of the phone, and wait for the refusal."""
    relay.stop()
    intruder = intruder_of(relay.home)
    late = entries_of(phone.home, intruder.members.vault)[-2:]
    with intruder.dial(to.listening()) as line:
        line.hear(Kind.HAVE)
        line.say_entries(*late)
        line.hear(Kind.REFUSED)
    relay.start()
    wait_synced(to, relay)


def test_what_a_member_took_in_time_counts_on_all(three: Three) -> None:
    laptop, tablet, _ = three
    assert laptop.value("notes/shared") == {"text": "before"}
    tablet.start()
    wait_synced(laptop, tablet)
    for device in (laptop, tablet):
        assert device.value("notes/shared") == {"text": "before", "taken": "1", "on_top": "1"}
        assert device.ask("quarantine")["devices"] == []
        assert device.ask("status")["problems"] == []


def test_what_nobody_took_in_time_is_kept_apart_and_shown(three: Three) -> None:
    laptop, tablet, phone = three
    pass_on_late_entries(phone, tablet, laptop)
    (shown,) = laptop.ask("quarantine", "list")["devices"]
    assert (shown["name"], shown["entries"], shown["records"]) == ("phone", 2, 2)
    assert shown["paths"] == ["notes/shared", "notes/new"]
    assert "phone: notes/shared, notes/new" in laptop.do("quarantine")
    assert [one["code"] for one in laptop.ask("status")["problems"]] == ["quarantined"]
    assert "quarantine list" in laptop.do("status")
    assert laptop.refused("get", "notes/new") == (5, "not_found")
    assert tablet.ask("quarantine")["devices"] == []
    laptop.stop()
    laptop.start()
    assert laptop.ask("quarantine")["devices"] == [shown]


def test_dropped_changes_do_not_come_back(three: Three) -> None:
    laptop, tablet, phone = three
    wait_synced(laptop, tablet)
    assert laptop.ask("quarantine", "drop", "phone")["entries"] == 2
    laptop.stop()
    laptop.start()
    wait_synced(laptop, tablet)
    assert laptop.ask("quarantine")["devices"] == []
    assert laptop.refused("quarantine", "accept") == (8, "refused")
    assert phone.name not in laptop.do("status")


def test_accepted_changes_become_ours_and_reach_the_others(three: Three) -> None:
    laptop, tablet, phone = three
    pass_on_late_entries(phone, laptop, tablet)
    tablet.do("set", "notes/shared", "meanwhile=1")
    accepted = tablet.ask("quarantine", "accept", "phone")
    assert (accepted["entries"], accepted["left"]) == (2, 0)
    assert [record["path"] for record in accepted["records"]] == ["notes/shared", "notes/new"]
    wait_synced(laptop, tablet)
    for device in (laptop, tablet):
        assert device.value("notes/new") == {"text": "late"}
        assert device.value("notes/shared") == {
            "text": "before", "taken": "1", "on_top": "1", "late": "1", "meanwhile": "1",
        }  # fmt: skip
        assert device.ask("status")["problems"] == []
