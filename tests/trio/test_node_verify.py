"""`verify` on real nodes with real stores: what is wrong is named, and healed from a peer."""

import threading
from contextlib import closing
from pathlib import Path

import trio
import trio.testing

from harness.bad_pages import flip, root_page
from harness.nodes import founded, pair, settings, until
from p2pvault.core.asks import Edit
from p2pvault.crypto.schedule import store_key
from p2pvault.errors import StoreUnwritable
from p2pvault.limits import VERIFY_EVENTS_MAX
from p2pvault.node.port import Finding, Repaired, Verified, VerifyEnded, VerifyNews
from p2pvault.node.running import RunningNode, open_node
from p2pvault.store.cipher import Connection, connect
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key


def put(path: str, **fields: object) -> Edit:
    return Edit(path, tuple(((name,), value) for name, value in fields.items()))


def opened(home: Path) -> Connection:
    """Open a store whose daemon does not run, for damage that it will not notice."""
    files = HomeFiles(home)
    return connect(files.database, store_key(load_master_key(files)), writable=True)


async def verified(node: RunningNode, *, repair: bool = False) -> list[VerifyNews]:
    async with node.verify(repair=repair) as events:
        return [event async for event in events]


def findings(events: list[VerifyNews]) -> list[tuple[str, str]]:
    return [(event.kind, event.what) for event in events if isinstance(event, Finding)]


async def test_a_sound_store_is_sound(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        for n in range(3):
            await node.edit([put(f"notes/{n}", n=n)])
        events = await verified(node)
        assert findings(events) == []
        assert events[-1] == Verified(records=3, entries=3, findings=0, repaired=0)


async def test_everything_that_is_wrong_is_named_exactly(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        for n in range(4):
            await node.edit([put(f"notes/{n}", n=n)])
        author = node.shell.device.pipeline.author.hex()
        rows = {path: record.hex() for record, path in (await node.rows(None, None, 9)).rows}
    with closing(opened(tmp_path / "ada")) as db:
        db.execute("UPDATE chunks SET data = zeroblob(20) WHERE record = 2")
        db.execute("DELETE FROM chunks WHERE record = 3")
        db.execute("UPDATE records SET name = 'other' WHERE pk = 4")
        db.execute("UPDATE entries SET data = zeroblob(99) WHERE n = 2")
        db.execute("UPDATE entries SET hash = zeroblob(32) WHERE n = 3")
        db.execute("UPDATE journals SET hash = zeroblob(32)")
        db.execute("UPDATE fingerprints SET count = 9")
    async with open_node(settings(tmp_path / "ada")) as node:
        events = await verified(node, repair=True)
    assert findings(events) == [
        ("record", f"notes/1 (id:{rows['notes/1']})"),
        ("record", f"notes/2 (id:{rows['notes/2']})"),
        ("record", f"notes/other (id:{rows['notes/3']})"),
        ("entry", f"{author} 2"),
        ("entry", f"{author} 3"),
        ("entry", f"{author} 4"),
        ("journal", author),
        ("fingerprint", "notes"),
    ]
    assert [each.finding.kind for each in events if isinstance(each, Repaired)] == ["fingerprint"]
    assert events[-1] == Verified(4, 4, 8, 1), "nobody is linked"


async def test_damaged_records_come_back_from_a_peer(tmp_path: Path):
    async with founded(tmp_path / "ada") as ada:
        for n in range(20):
            await ada.edit([put(f"notes/{n}", n=n), put(f"notes/{n}x", n=n)])
        await pair(ada, tmp_path / "bob", "bob")
        async with open_node(settings(tmp_path / "bob")) as bob:
            with trio.fail_after(60.0):
                await bob.wait_synced(None)
        with closing(opened(tmp_path / "bob")) as db:
            db.execute("UPDATE chunks SET data = zeroblob(20) WHERE record <= 30")
            db.execute("UPDATE fingerprints SET count = 9")
        async with open_node(settings(tmp_path / "bob")) as bob:
            with trio.fail_after(60.0):
                await bob.wait_synced(None)
                events = await verified(bob, repair=True)
                assert events[-1] == Verified(40, 20, 31, 31)
                again = await verified(bob)
                assert findings(again) == []
                await until(bob, lambda: True)
                assert (await bob.get("notes/3")).value == {"n": 3}


async def test_the_membership_that_does_not_check_out_is_named(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        with closing(opened(tmp_path / "ada")) as db:
            db.execute("UPDATE operations SET data = zeroblob(9)")
        assert findings(await verified(node)) == [("membership", "keys and membership")]


async def test_damaged_pages_are_counted_and_the_rest_is_still_looked_at(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        for n in range(50):
            await node.edit([put(f"notes/{n}", text="x" * 2_000)])
    database = HomeFiles(tmp_path / "ada").database
    raw = bytearray(database.read_bytes())
    raw[4096 * (len(raw) // 4096 - 3) + 77] ^= 1
    database.write_bytes(bytes(raw))
    async with open_node(settings(tmp_path / "ada")) as node:
        found = findings(await verified(node))
    assert ("page", "database") in found


async def test_leaving_while_the_run_waits_for_its_reader_ends_it(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        for n in range(VERIFY_EVENTS_MAX):
            await node.edit([put(f"notes/{n}", n=n)])
        await node.shell._stores.writer.run(
            lambda store: store._connection.execute("UPDATE chunks SET data = zeroblob(20)")
        )
        async with node.verify(repair=False) as events:
            while events.statistics().tasks_waiting_send == 0:
                await trio.testing.wait_all_tasks_blocked()
            assert verifying() == ["verify_0"]
        assert verifying() == []


def verifying() -> list[str]:
    """Return the threads of verifications."""
    return [each.name for each in threading.enumerate() if each.name.startswith("verify")]


# What goes wrong while it repairs ----------------------------------------------------------


async def test_what_cannot_be_read_is_still_wrong_after_a_repair(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        for n in range(4):
            await node.edit([put(f"notes/{n}", n=n)])
    with closing(opened(tmp_path / "ada")) as db:
        page = root_page(db, "sqlite_autoindex_records_1")
    flip(HomeFiles(tmp_path / "ada").database, page)
    async with open_node(settings(tmp_path / "ada")) as node:
        events = await verified(node, repair=True)
        assert findings(events)[0] == ("page", "database")
        assert findings(events)[-2:] == [("unreadable", "records"), ("unreadable", "fingerprints")]
        count = len(findings(events))
        assert events[-1] == Verified(records=0, entries=4, findings=count, repaired=0)


async def test_a_repair_that_the_store_refuses_says_why_and_ends_nothing(tmp_path: Path):
    async with founded(tmp_path / "ada") as node:
        await node.edit([put("notes/1", n=1)])
    with closing(opened(tmp_path / "ada")) as db:
        db.execute("UPDATE fingerprints SET count = 9")
    async with open_node(settings(tmp_path / "ada")) as node:
        await read_only(node, wanted=True)
        events = await verified(node, repair=True)
        assert findings(events) == [("fingerprint", "notes")]
        assert isinstance(events[-1], VerifyEnded)
        assert isinstance(events[-1].error, StoreUnwritable)
        await read_only(node, wanted=False)
        assert (await verified(node, repair=True))[-1] == Verified(1, 1, 1, 1)


async def read_only(node: RunningNode, *, wanted: bool) -> None:
    """Let the store refuse to be written to, or no longer."""
    query = f"PRAGMA query_only = {wanted:d}"
    await node.shell._stores.writer.run(lambda store: store._connection.execute(query).close())
