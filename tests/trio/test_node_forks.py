"""Nodes on stores that were rolled back: what they notice, and what a peer has to tell them."""

import shutil
from pathlib import Path

import pytest
import trio

from harness.nodes import founded, pair, settings
from harness.world import put
from p2pvault.crypto.schedule import store_key
from p2pvault.node.running import open_node
from p2pvault.store.home import HomeFiles
from p2pvault.store.slots import load_master_key
from p2pvault.store.sqlite import open_store

TIMEOUT_S = 30


@pytest.fixture(autouse=True)
async def patience():
    with trio.fail_after(TIMEOUT_S):
        yield


def put_back(backup: Path, home: Path) -> None:
    shutil.rmtree(home)
    shutil.copytree(backup, home)


def vouch(home: Path) -> None:
    """Make a store that was put back pass for the newest, as a whole machine set back would."""
    store = open_store(home, store_key(load_master_key(HomeFiles(home))))
    store.vouch()
    store.close()


async def test_a_home_that_was_put_back_is_named_and_writes_in_a_new_journal(tmp_path):
    home = tmp_path / "home"
    async with founded(home) as node:
        await node.edit([put("notes/one", text="early")])
        old = node.shell.device.pipeline.author
    shutil.copytree(home, tmp_path / "backup")
    put_back(tmp_path / "backup", home)
    async with open_node(settings(home)) as node:
        assert node.shell.device.pipeline.author != old
        (problem,) = (await node.status()).problems
        assert problem.code == "rolled_back"
        assert "copied or put back" in problem.message
    async with open_node(settings(home)) as node:
        assert node.shell.device.pipeline.author != old
        assert [each.code for each in (await node.status()).problems] == ["rolled_back"]


async def test_two_branches_become_one_over_real_stores(tmp_path):
    ada_home, bob_home = tmp_path / "ada", tmp_path / "bob"
    async with founded(ada_home) as ada:
        await pair(ada, bob_home, "bob")
        await ada.edit([put("notes/one", text="early")])
    shutil.copytree(ada_home, tmp_path / "backup")
    async with open_node(settings(ada_home)) as ada, open_node(settings(bob_home)) as bob:
        await ada.edit([put("notes/two", text="first life")])
        (address,) = (await bob.status()).listening
        await ada.add_address("bob", address)
        await ada.wait_synced("bob")
        await bob.wait_synced("ada")
    put_back(tmp_path / "backup", ada_home)
    vouch(ada_home)
    async with open_node(settings(ada_home)) as ada:
        await ada.edit([put("notes/three", text="second life")])
        await ada.edit([put("notes/one", text="second life")])
        async with open_node(settings(bob_home)) as bob:
            (address,) = (await bob.status()).listening
            await ada.add_address("bob", address)
            while len((await bob.rows("notes", None, 9)).rows) < 3:
                await bob.wait_synced("ada")
                await ada.wait_synced("bob")
            assert (await ada.get("notes/two")).value == {"text": "first life"}
            assert (await bob.get("notes/three")).value == {"text": "second life"}
            assert (await bob.get("notes/one")).value == {"text": "second life"}
