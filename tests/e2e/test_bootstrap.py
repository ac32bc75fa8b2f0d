"""New devices where no entry is kept any more: real daemons hand out and fetch records."""

import json
from contextlib import closing

import pytest

from harness.daemons import Device, Fleet, wait_synced
from p2pvault.core.content import content_of
from p2pvault.crypto.schedule import store_key
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import SqliteStore, open_store
from p2pvault.types import Batch

pytestmark = pytest.mark.e2e

RECORDS = 4_000


def store_of(device: Device) -> SqliteStore:
    """Open the store of a device whose daemon does not run."""
    return open_store(device.home, store_key(load_master_key(HomeFiles(device.home))))


def drop_entries(device: Device) -> None:
    """Do at once what a daemon does a minute after everybody has everything."""
    with closing(store_of(device)) as store:
        upto = [(head.author, head.n) for head in store.state().journals]
        while dropped := store.surplus(upto, None).dropped:
            store.persist(Batch(dropped=dropped))


def entries_kept(device: Device) -> int:
    with closing(store_of(device)) as store:
        return len(store.entries(0, 1 << 30))


def fill(device: Device, records: int) -> None:
    lines = b"".join(
        json.dumps({"path": f"people/{n:05}", "value": {"name": f"Person {n}", "note": "x" * 200}})
        .encode() + b"\n"
        for n in range(records)
    )  # fmt: skip
    device.do("set", "--stdin", stdin=lines)


def test_devices_that_came_late_get_records_and_hand_them_on(fleet: Fleet) -> None:
    a = fleet.founder("a")
    fill(a, RECORDS)
    a.do("set", "people/00000", "name=changed")
    a.do("rm", "people/00001")
    a.stop()
    drop_entries(a)
    a.start()

    b = fleet.member(a, "b", admin=True)
    wait_synced(a, b)
    assert b.paths() == a.paths()
    assert b.value("people/00000")["name"] == "changed"
    b.do("set", "people/00000", "name=again")
    a.do("set", "notes/new", "body=1")
    wait_synced(a, b)
    assert a.value("people/00000")["name"] == "again"

    a.stop()
    b.stop()
    # What b wrote itself is kept; what a wrote before b was there never came as entries.
    assert entries_kept(b) == 2
    b.start()
    c = fleet.member(b, "c")
    wait_synced(b, c)
    assert c.paths() == b.paths()
    a.start()
    wait_synced(a, b, c)
    assert c.value("people/00000") == a.value("people/00000")
    assert not [line for device in (a, b, c) for line in device.logs if "content_differs" in line]


def test_a_fetch_that_is_killed_again_and_again_ends_whole(fleet: Fleet) -> None:
    a = fleet.founder("a")
    fill(a, RECORDS)
    a.stop()
    drop_entries(a)
    a.start()
    b = fleet.member(a, "b")
    for killed in (b, a, b, b, a):
        killed.kill()
        killed.start()
    wait_synced(a, b)
    assert b.paths() == a.paths()
    b.do("set", "people/00000", "name=changed")
    wait_synced(a, b)
    assert a.value("people/00000")["name"] == "changed"


def test_what_a_peer_said_to_hold_is_known_after_a_stop(fleet: Fleet) -> None:
    a = fleet.founder("a")
    b = fleet.member(a, "b")
    for n in range(3):
        a.do("set", "notes/one", f"n={n}")
    wait_synced(a, b)
    b.stop()
    a.do("set", "notes/one", "n=9")
    a.stop()
    with closing(store_of(a)) as store:
        state = store.state()
        said = {word.author: word.n for word in state.acknowledged}
        assert content_of(state).journals.keys() == said.keys()
        assert [head.n - said[head.author] for head in state.journals] == [1]
