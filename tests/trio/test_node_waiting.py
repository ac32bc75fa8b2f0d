"""Waiting for a proof that can never come ends at once, or when that becomes clear."""

from pathlib import Path

import pytest
import trio
import trio.testing

from harness.nodes import founded, pair, settings, where
from p2pvault.errors import NoSuchDevice, Refused, RevokedDevice
from p2pvault.node.running import RunningNode, open_node
from p2pvault.types import Role

PATIENCE_S = 30.0
"""Only a hang takes this long."""


async def test_a_device_does_not_wait_to_be_the_same_as_itself(tmp_path: Path) -> None:
    async with founded(tmp_path) as ada:
        for selector in ("ada", ada.shell.device.members.device.hex()[:8]):
            with trio.fail_after(PATIENCE_S), pytest.raises(Refused, match="the device itself"):
                await ada.wait_synced(selector)
        with trio.fail_after(PATIENCE_S), pytest.raises(NoSuchDevice):
            await ada.wait_synced("bob")


async def expect(node: RunningNode, device: str | None, error: type[Exception]) -> None:
    with trio.fail_after(PATIENCE_S), pytest.raises(error):
        await node.wait_synced(device)


async def test_waiting_ends_when_one_of_both_leaves_the_vault(tmp_path: Path) -> None:
    async with founded(tmp_path / "ada") as ada:
        await pair(ada, tmp_path / "bob", "bob")
        await pair(ada, tmp_path / "cyd", "cyd")  # who is never there
        async with open_node(settings(tmp_path / "bob")) as bob:
            await bob.add_address("ada", where(ada))
            await bob.wait_synced("ada")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect, ada, "cyd", NoSuchDevice)
                nursery.start_soon(expect, bob, "cyd", RevokedDevice)
                await trio.testing.wait_all_tasks_blocked(0.01)
                await ada.revoke_device("bob")
                await ada.revoke_device("cyd")
            await expect(bob, None, RevokedDevice)
            assert ((await ada.status()).role, (await bob.status()).role) == (Role.ADMIN, None)
