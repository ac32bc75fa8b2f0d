"""A takeover as the daemon does it, on real homes, and given up at any step."""

from pathlib import Path

import pytest
import trio

from harness.nodes import founded
from p2pvault.core.asks import Edit
from p2pvault.core.takeover import Takeover
from p2pvault.errors import MembershipError
from p2pvault.node.create import has_vault
from p2pvault.node.port import Progress, VaultTakenOver
from p2pvault.protocol.recovery_words import read_words
from p2pvaultd.vault import VaultSource


async def backed_up(home: Path) -> tuple[Path, Takeover]:
    """Return the closed home of a device with a record, and what takes it over."""
    async with founded(home / "laptop", "laptop") as node:
        await node.edit([Edit("notes/one", ((("text",), "x"),))])
        seed = read_words(await node.recovery_words())
    return home / "laptop", Takeover(seed, "new")


def left(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()}


async def test_every_step_is_told_and_the_last_one_is_the_vault(tmp_path: Path) -> None:
    backup, wanted = await backed_up(tmp_path)
    source = VaultSource(tmp_path / "new")
    async with source.take_over(backup, wanted) as steps:
        seen = [step async for step in steps]
    assert isinstance(seen[-1], VaultTakenOver)
    assert all(isinstance(step, Progress) for step in seen[:-1])
    assert {step.part for step in seen[:-1] if isinstance(step, Progress)} >= {
        "pages",
        "records",
        "copied entries",
        "copied records",
    }
    assert await source.has_vault()


async def test_one_that_is_given_up_leaves_nothing_and_can_be_begun_anew(tmp_path: Path) -> None:
    backup, wanted = await backed_up(tmp_path)
    source = VaultSource(tmp_path / "new")
    for steps in range(1, 6):
        async with source.take_over(backup, wanted) as events:
            for _ in range(steps):
                await anext(events)
        assert left(tmp_path / "new") == {"device.key", "keys.slots", "vault.lock"}
    with trio.CancelScope() as scope:
        async with source.take_over(backup, wanted) as events:
            await anext(events)
            scope.cancel()
            await anext(events)
    assert left(tmp_path / "new") == {"device.key", "keys.slots", "vault.lock"}
    with pytest.raises(MembershipError):
        async with source.take_over(backup, Takeover(bytes(32), "new")) as events:
            await anext(events)
    async with source.take_over(backup, wanted) as events:
        assert [step async for step in events]
    assert has_vault(tmp_path / "new")
