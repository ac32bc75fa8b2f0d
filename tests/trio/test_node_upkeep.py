"""A node whose clock is ours: what all members hold goes, crowded records become one chunk."""

import trio.testing

from harness.nodes import founded, pair, settings, where
from harness.world import put
from p2pvault.limits import CHUNKS_BEFORE_FOLD, UPKEEP_PAUSE_S
from p2pvault.node.running import RunningNode, open_node
from p2pvault.types import StoredEntry, StoredRecord


async def entries(node: RunningNode) -> list[StoredEntry]:
    return await node.shell.read(lambda reader: reader.entries(0, 1 << 30))


async def records(node: RunningNode) -> list[StoredRecord]:
    return await node.shell.read(lambda reader: reader.records_behind(None, 1 << 30))


async def keep_up(clock: trio.testing.MockClock, node: RunningNode) -> None:
    """Let time pass until there is nothing left to be done."""
    clock.jump(2 * UPKEEP_PAUSE_S)
    while await entries(node) or any(len(record.chunks) > 1 for record in await records(node)):
        clock.jump(1)
        await trio.testing.wait_all_tasks_blocked()


async def test_a_node_keeps_its_store_small_and_hands_out_records_then(tmp_path, mock_clock):
    async with founded(tmp_path / "ada") as ada:
        for n in range(CHUNKS_BEFORE_FOLD):
            await ada.edit([put("notes/one", n=n)])
        await ada.edit([put("notes/two", n=2)])
        await keep_up(mock_clock, ada)
        assert (await ada.get("notes/one")).value == {"n": CHUNKS_BEFORE_FOLD - 1}

        await pair(ada, tmp_path / "bob", "bob")
        async with open_node(settings(tmp_path / "bob")) as bob:
            await bob.add_address("ada", where(ada))
            await bob.wait_synced("ada")
            assert await entries(bob) == []
            assert await records(bob) == await records(ada)
            await bob.edit([put("notes/one", bob=1)])
            await ada.wait_synced("bob")
            await bob.wait_synced("ada")
            assert [len(await entries(node)) for node in (ada, bob)] == [1, 1]
            assert (await ada.get("notes/one")).value == {"n": CHUNKS_BEFORE_FOLD - 1, "bob": 1}
            assert not any(peer.fetching for peer in (await bob.status()).peers)
