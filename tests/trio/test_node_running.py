"""Whole nodes in one process: real stores, real streams over 127.0.0.1, no discovery."""

from contextlib import ExitStack
from random import Random

import pytest
import trio
import trio.testing

from harness.bad_pages import unread
from harness.nodes import event, founded, pair, settings, until, where
from harness.world import put
from p2pvault.errors import (
    BadPath,
    BadValue,
    NoSuchDevice,
    NoSuchRecord,
    Refused,
    StoreFull,
    StoreInUse,
    VaultExists,
)
from p2pvault.limits import EDIT_RECORDS_MAX, HALF_OPEN_PER_NETWORK_MAX, HANDSHAKE_FIRST_S
from p2pvault.net.stream import dial
from p2pvault.node.create import create_vault, has_vault
from p2pvault.node.joining import open_joining
from p2pvault.node.port import CodeShown, PairingEnded, VaultOffered, WordsShown
from p2pvault.node.running import open_node
from p2pvault.types import Address

TIMEOUT_S = 20


@pytest.fixture(autouse=True)
async def patience():
    with trio.fail_after(TIMEOUT_S):
        yield


async def test_a_node_reads_what_it_wrote_and_still_does_after_a_restart(tmp_path):
    async with founded(tmp_path) as node:
        (edited,) = await node.edit([put("notes/one", text="hello")])
        assert (await node.get("notes/one")).value == {"text": "hello"}
        assert (await node.get(f"id:{edited.id.hex()}")).path == "notes/one"
    async with open_node(settings(tmp_path)) as node:
        assert (await node.get("notes/one")).value == {"text": "hello"}
        status = await node.status()
        assert (status.records, status.device_name, status.peers) == (1, "ada", [])


async def test_rows_come_in_pages(tmp_path):
    async with founded(tmp_path) as node:
        await node.edit([put(f"notes/{n}", n=n) for n in range(5)] + [put("more/x", n=1)])
        first = await node.rows("notes", None, 3)
        rest = await node.rows("notes", first.next, 3)
        assert [path for _, path in [*first.rows, *rest.rows]] == [f"notes/{n}" for n in range(5)]
        assert rest.next is None
        assert len((await node.rows(None, None, 10)).rows) == 6
        for mark in ("xyz", "00"):
            with pytest.raises(BadValue):
                await node.rows(None, mark, 10)
        with pytest.raises(NoSuchRecord):
            await node.rows(None, "00" * 16, 10)


async def test_what_cannot_be_done_is_refused_and_the_node_goes_on(tmp_path):
    async with founded(tmp_path) as node:
        for selector, error in (
            ("none/such", NoSuchRecord),
            ("x", BadPath),
            ("id:ff", NoSuchRecord),
        ):
            with pytest.raises(error):
                await node.get(selector)
        for edits in ([], [put("notes/one", n=1)] * (EDIT_RECORDS_MAX + 1)):
            with pytest.raises(Refused):
                await node.edit(edits)
        with pytest.raises(NoSuchDevice):
            await node.revoke_device("nobody")
        await node.edit([put("notes/one", n=1)])
        await node.check()


async def test_two_nodes_pair_link_and_become_equal_live_and_after_time_apart(tmp_path):
    async with founded(tmp_path / "ada") as ada:
        await ada.edit([put(f"notes/{n}", text="before") for n in range(50)])
        paired = await pair(ada, tmp_path / "bob", "bob")
        async with open_node(settings(tmp_path / "bob")) as bob:
            await bob.add_address("ada", where(ada))
            await bob.wait_synced("ada")
            await ada.wait_synced(None)
            assert (await bob.get("notes/7")).value == {"text": "before"}
            async with ada.watch("notes") as changes:
                await bob.edit([put("notes/live", text="now")])
                change = await changes.receive()
                assert (change.path, change.kind, change.device_name) == (
                    "notes/live",
                    "new",
                    "bob",
                )
            (peer,) = (await ada.status()).peers
            assert (peer.device, peer.up, peer.name) == (paired.device, True, "bob")
            members = (await ada.members()).members
            assert {one.name: one.up for one in members} == {"ada": None, "bob": True}
        await until(ada, lambda: not ada.shell.device.links.up())
        await ada.edit([put("notes/apart", text="ada"), put("notes/7", more="ada")])
        async with open_node(settings(tmp_path / "bob")) as bob:
            await bob.edit([put("notes/7", other="bob")])
            await bob.wait_synced("ada")
            await ada.wait_synced("bob")
            for node in (ada, bob):
                value = (await node.get("notes/7")).value
                assert value == {"text": "before", "more": "ada", "other": "bob"}
            (peer,) = (await bob.status()).peers
            assert (peer.in_sync, peer.behind, peer.ahead) == (True, 0, 0)
            assert peer.proved_s is not None


async def test_a_revoked_node_loses_its_link_and_stays_as_it_is(tmp_path):
    async with founded(tmp_path / "ada") as ada:
        await pair(ada, tmp_path / "bob", "bob")
        async with open_node(settings(tmp_path / "bob")) as bob:
            await bob.add_address("ada", where(ada))
            await bob.wait_synced("ada")
            (before,) = await ada.addresses("bob")
            assert before.name == "bob"
            assert (await ada.revoke_device("bob")).name == "bob"
            await until(bob, lambda: not bob.shell.device.links.up())
            assert [name for _, name in (await ada.members()).removed] == ["bob"]
            await ada.edit([put("notes/secret", text="after")])
            with pytest.raises(NoSuchRecord):
                await bob.get("notes/secret")


async def test_a_device_is_renamed_and_addresses_are_noted_and_taken_back(tmp_path):
    async with founded(tmp_path / "ada") as ada:
        await pair(ada, tmp_path / "bob", "bob")
        assert (await ada.rename_device("bob", "robert")).name == "robert"
        address = Address("127.0.0.1", 9)
        assert (await ada.add_address("robert", address)).given == (address,)
        (book,) = await ada.addresses(None)
        assert book.given == (address,)
        assert (await ada.remove_address("robert", address)).given == ()
        with pytest.raises(NoSuchDevice):
            await ada.addresses("bob")
        with pytest.raises(NoSuchDevice):
            await ada.wait_synced("bob")


async def test_a_second_node_on_one_home_is_refused(tmp_path):
    async with founded(tmp_path):
        with pytest.raises(StoreInUse):
            await open_node(settings(tmp_path)).__aenter__()


async def test_a_home_gets_one_vault(tmp_path):
    assert not has_vault(tmp_path)
    create_vault(tmp_path, "ada", "home")
    assert has_vault(tmp_path)
    with pytest.raises(VaultExists):
        create_vault(tmp_path, "ada", "home")
    async with open_node(settings(tmp_path)):
        with pytest.raises(VaultExists):
            await trio.to_thread.run_sync(create_vault, tmp_path, "ada", "home")


async def test_a_home_that_has_a_vault_joins_no_other(tmp_path):
    create_vault(tmp_path / "bob", "bob", "another")
    async with founded(tmp_path / "ada") as ada, ada.pair(admin=False) as session:
        shown = await event(session.events, CodeShown)
        async with open_joining(
            tmp_path / "bob", "bob", shown.uri, settings(tmp_path).discovery
        ) as it:
            words = await event(it.events, WordsShown)
            session.type_words(words.words)
            await event(it.events, VaultOffered)
            it.accept(accepted=True)
            ended = await event(it.events, PairingEnded)
            assert isinstance(ended.error, VaultExists)


async def test_p4_silent_streams_take_their_places_and_give_them_back(tmp_path, autojump_clock):
    """The gate in front of the handshake counts every stream until its handshake is over."""
    del autojump_clock
    async with founded(tmp_path) as node:
        address, streams = where(node), []
        for _ in range(3 * HALF_OPEN_PER_NETWORK_MAX):
            streams.append(await dial(address))
            await trio.sleep(0.2)
        gate = node.shell._gate
        assert len(gate._networks) <= HALF_OPEN_PER_NETWORK_MAX
        await trio.sleep(HANDSHAKE_FIRST_S + 1)
        await trio.testing.wait_all_tasks_blocked(0.01)
        for stream in streams:
            await stream.aclose()
        await until_gone(node)
        assert not gate._networks


async def until_gone(node):
    await node.shell.wait_streams_gone()


async def test_a_store_that_cannot_be_written_shows_in_the_status_until_it_can(tmp_path):
    async with founded(tmp_path) as node:
        await node.shell._stores.writer.run(limit_pages(1))
        with pytest.raises(StoreFull):
            await node.edit([put("notes/one", blob=Random(0).randbytes(200_000))])
        assert "disk_full" in {problem.code for problem in (await node.status()).problems}
        await node.shell._stores.writer.run(limit_pages(1_000_000))
        await node.edit([put("notes/one", text="y")])
        assert (await node.status()).problems == []


async def test_a_device_is_renamed_once_although_the_second_copy_of_that_cannot_be_made(tmp_path):
    async with founded(tmp_path) as node:
        bad = ExitStack()
        await node.shell._stores.writer.run(lambda store: bad.enter_context(unread(store, "meta")))
        assert (await node.rename_device("ada", "anna")).name == "anna"
        await node.shell._stores.writer.run(lambda _: bad.close())
        assert (await node.rename_device("anna", "ada")).name == "ada"
        assert (await node.status()).problems == []
    async with open_node(settings(tmp_path)) as node:
        assert (await node.status()).device_name == "ada"


def limit_pages(pages):
    """Return a call that lets the store grow to so many pages, or to what it has already."""
    return lambda store: store._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()


async def test_a_node_stops_in_time_although_a_peer_does_not_answer(tmp_path, autojump_clock):
    del autojump_clock
    async with founded(tmp_path) as node:
        stream = await dial(where(node))
        await trio.testing.wait_all_tasks_blocked(0.01)
        start = trio.current_time()
    assert trio.current_time() - start <= 3
    await stream.aclose()
