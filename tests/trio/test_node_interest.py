"""A node that does not keep everything, over a real store: audited, damaged, and whole again."""

from pathlib import Path

import pytest
import trio

from harness.nodes import founded, pair, settings, until, where
from p2pvault.core.asks import Edit
from p2pvault.errors import NotKept
from p2pvault.node.offline import verify_home
from p2pvault.node.port import Verified
from p2pvault.node.running import RunningNode, open_node
from p2pvault.protocol.journal import outside_of
from p2pvault.store.cipher import PAGE_BYTES
from p2pvault.store.home import HomeFiles

NOTES = 24


def edit(path: str, **fields: object) -> Edit:
    return Edit(path, tuple(((name,), value) for name, value in fields.items()))


def interest(node: RunningNode):
    return node.shell.device.pipeline.durable.interest


@pytest.fixture
async def homes(tmp_path: Path) -> tuple[Path, Path]:
    """Two closed homes of one vault, the second of which has forgotten its notes."""
    ada, phone = tmp_path / "ada", tmp_path / "phone"
    async with founded(ada) as node:
        for n in range(NOTES):
            await node.edit([edit(f"notes/{n}", text="x" * 900)])
        await node.edit([edit("contacts/eve", phone="1")])
        await pair(node, phone, "phone")
        async with open_node(settings(phone)) as other:
            with trio.fail_after(60.0):
                await other.wait_synced(None)
                await other.forget_collection("notes", anyway=False)
                await until(other, lambda: interest(other).erasing == {})
                await node.edit([edit("notes/late", text="y"), edit("contacts/eve", phone="2")])
                await node.edit([edit("notes/0", text="z")])
                await other.wait_synced(None)
    return ada, phone


async def test_what_is_left_of_a_forgotten_collection_is_sound(homes: tuple[Path, Path]) -> None:
    for home in homes:
        (end,) = [each for each in verify_home(home, repair=False) if isinstance(each, Verified)]
        assert (end.findings, end.repaired) == (0, 0)
        assert end.records == (1 if home == homes[1] else NOTES + 2)


async def test_a_damaged_phone_is_salvaged_and_still_keeps_what_it_was_told_to(
    homes: tuple[Path, Path],
) -> None:
    ada, phone = homes
    database = HomeFiles(phone).database
    for page in range(1, database.stat().st_size // PAGE_BYTES, 4):
        raw = bytearray(database.read_bytes())
        raw[page * PAGE_BYTES + 500 : (page + 1) * PAGE_BYTES - 500] = bytes(PAGE_BYTES - 1_000)
        database.write_bytes(bytes(raw))
    list(verify_home(phone, repair=True))
    async with open_node(settings(ada)) as host, open_node(settings(phone)) as other:
        with trio.fail_after(120.0):
            await other.add_address("ada", where(host))
            await other.wait_synced(None)
            assert interest(other).forgotten == {"notes"}
            assert (await other.get("contacts/eve")).value == {"phone": "2"}
            with pytest.raises(NotKept):
                await other.get("notes/0")
            assert any(outside_of(each.data) for each in await entries(other))
            await other.keep_collection("notes")
            await until(other, lambda: not interest(other).partial)
            await other.wait_synced(None)
            assert (await other.rows(None, None, 99)).rows == (await host.rows(None, None, 99)).rows
            assert (await other.get("notes/0")).value == {"text": "z"}


async def test_what_was_never_here_is_told_from_what_is_gone(homes: tuple[Path, Path]) -> None:
    ada, phone = homes
    async with open_node(settings(phone)) as other:
        forgotten = await other.forget_collection("typo", anyway=False)
        assert (forgotten.records, forgotten.whole, forgotten.seen) == (None, False, False)
        contacts, notes, typo = await other.collections()
        assert (contacts.seen, notes.seen, typo) == (True, True, forgotten)
        assert not notes.whole
        async with open_node(settings(ada)) as host:
            with trio.fail_after(60.0):
                await other.add_address("ada", where(host))
                await other.wait_synced(None)
                await host.wait_synced(None)
            # It has no notes and keeps none; the other one has some, and nothing of the slip.
            assert [peer.without for peer in (await other.status()).peers] == [2]
            assert [peer.without for peer in (await host.status()).peers] == [1]
            kept = await other.keep_collection("typo")
            assert (kept.records, kept.seen) == (0, False)
            with trio.fail_after(60.0):
                await until(other, lambda: not interest(other).partial)
            assert [each.name for each in await other.collections()] == ["contacts", "notes"]


async def entries(node: RunningNode):
    return await node.shell.read(lambda reader: reader.entries(0, 1 << 30))
