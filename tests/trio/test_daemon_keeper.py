"""How a vault comes to a daemon and goes: made, joined, waited for, closed."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from harness.fake_node import HERE, VAULT, FakeNode, FakeSource
from harness.handlers import ask, heard
from p2pvault.control.messages import Json, JsonObject
from p2pvault.core.takeover import Takeover
from p2pvault.errors import (
    BadRecoveryWords,
    BadValue,
    NoVault,
    Refused,
    StoreCorrupt,
    StoreInUse,
    Unreachable,
    VaultExists,
)
from p2pvault.node.port import (
    PairingEnded,
    VaultJoined,
    VaultOffered,
    WordsShown,
)
from p2pvault.protocol.recovery_words import read_words
from p2pvaultd.config import Settings
from p2pvaultd.handlers.table import methods_of
from p2pvaultd.keeper import Keeper, open_keeper


@pytest.fixture
async def empty(source: FakeSource) -> AsyncIterator[Keeper]:
    async with open_keeper(source, Settings()) as keeper:
        yield keeper


@pytest.fixture
async def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
async def keeper(node: FakeNode) -> AsyncIterator[Keeper]:
    async with open_keeper(FakeSource(node), Settings()) as keeper:
        await keeper.run_existing()
        yield keeper


async def test_a_join_ends_with_a_running_node(empty: Keeper, source: FakeSource) -> None:
    methods = methods_of(empty)
    with pytest.raises(Refused, match="no vault was offered"):
        await ask(methods, "join_accept", accept=True)
    async with methods.streams["join"]({"code": "42-a-b-c", "name": "phone"}) as events:
        (join,) = source.joins
        join.sender.send_nowait(WordsShown("apple pear", "42"))
        assert await heard(events, "join") == {
            "event": "words",
            "words": "apple pear",
            "digits": "42",
        }
        join.sender.send_nowait(VaultOffered("home", 2, 0))
        vault = {
            "event": "vault",
            "name": "home",
            "devices": 2,
            "made": "1970-01-01T00:00:00+00:00",
        }
        assert await heard(events, "join") == vault
        await ask(methods, "join_accept", accept=True)
        assert join.answers == [True]
        assert empty.running is None
        source.node = FakeNode()
        join.sender.send_nowait(VaultJoined(VAULT, "home"))
        paired = {"event": "paired", "vault": {"id": VAULT.hex(), "name": "home"}}
        assert await heard(events, "join") == paired
        assert empty.running is source.node
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_join_is_given_up_with_its_stream(empty: Keeper, source: FakeSource) -> None:
    async with methods_of(empty).streams["join"]({"code": "42", "name": "phone"}):
        with pytest.raises(Refused, match="making or joining"):
            await ask(empty, "init", name="x")
        with pytest.raises(Refused, match="making or joining"):
            async with methods_of(empty).streams["join"]({"code": "42", "name": "phone"}):
                pass
    assert [join.open for join in source.joins] == [False]
    await ask(empty, "init", name="laptop")


async def test_a_vault_that_was_stored_runs_although_whoever_joined_left_too_early(
    empty: Keeper, source: FakeSource
) -> None:
    with trio.CancelScope() as caller:
        async with methods_of(empty).streams["join"]({"code": "42", "name": "phone"}):
            source.node = FakeNode()
            caller.cancel()
            await trio.lowlevel.checkpoint()
    assert empty.running is source.node


async def test_a_vault_that_was_made_runs_although_whoever_asked_left_too_early(
    empty: Keeper, source: FakeSource
) -> None:
    source.creating = trio.Event()
    with trio.CancelScope() as caller:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(ask, empty, "init", name="laptop"))
            await trio.testing.wait_all_tasks_blocked()
            source.node = FakeNode()
            caller.cancel()
    assert empty.running is source.node


def takeover(backup: Path, **more: Json) -> JsonObject:
    asked: JsonObject = {"words": FakeNode().words, "directory": str(backup), "name": "new"}
    return {**asked, "lost": [], "all_others": False, "restored": [], "alive": False, **more}


async def test_a_takeover_ends_with_a_running_node(
    empty: Keeper, source: FakeSource, tmp_path: Path
) -> None:
    methods = methods_of(empty)
    asked = takeover(tmp_path, lost=["phone"], restored=["old"], alive=True)
    async with methods.streams["recovery_from"](asked) as events:
        progress = await heard(events, "recovery_from")
        assert progress["event"] == "progress"
        assert empty.running is None
        assert await heard(events, "recovery_from") == {
            "event": "taken_over",
            "vault": {"id": VAULT.hex(), "name": "home"},
            "device": {"id": HERE.hex(), "name": "new"},
            "removed": ["old laptop", "phone"],
        }
        assert empty.running is source.node is not None
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    ((backup, wanted),) = source.takeovers
    seed = read_words(FakeNode().words)
    assert (backup, wanted) == (
        tmp_path,
        Takeover(seed, "new", ("phone",), restored=("old",), alive=True),
    )
    with pytest.raises(VaultExists):
        async with methods.streams["recovery_from"](asked):
            pass


async def test_a_takeover_is_the_only_beginning_and_ends_with_its_stream(
    empty: Keeper, source: FakeSource, tmp_path: Path
) -> None:
    source.creating = trio.Event()
    async with methods_of(empty).streams["recovery_from"](takeover(tmp_path)) as events:
        await anext(events)
        with pytest.raises(Refused, match="making or joining"):
            await ask(empty, "init", name="x")
    assert empty.running is None
    source.creating.set()
    await ask(empty, "init", name="laptop")


async def test_a_takeover_that_fails_raises_its_reason(
    empty: Keeper, source: FakeSource, tmp_path: Path
) -> None:
    with pytest.raises(BadRecoveryWords):
        async with methods_of(empty).streams["recovery_from"](takeover(tmp_path, words="zoo")):
            pass
    source.fault = StoreCorrupt("the backup is damaged")
    async with methods_of(empty).streams["recovery_from"](takeover(tmp_path)) as events:
        await anext(events)
        with pytest.raises(StoreCorrupt):
            await anext(events)
        source.fault = None
        await ask(empty, "init", name="laptop")  # before the stream is left


@pytest.mark.parametrize("end", [PairingEnded(Refused("no")), VaultOffered("home", 2, 10**18)])
async def test_a_join_that_fails_raises_its_reason(
    empty: Keeper, source: FakeSource, end: PairingEnded | VaultOffered
) -> None:
    async with methods_of(empty).streams["join"]({"code": "42", "name": "phone"}) as events:
        source.joins[0].sender.send_nowait(end)
        with pytest.raises((Refused, BadValue)):
            await anext(events)


async def test_a_vault_is_made_once_and_runs_at_once(empty: Keeper) -> None:
    made = await ask(empty, "init", name="laptop", vault_name="work")
    assert made == {
        "vault": {"id": VAULT.hex(), "name": "work"},
        "device": {"id": HERE.hex(), "name": "laptop"},
        "recovery_words": FakeNode().words,
    }
    with pytest.raises(VaultExists):
        await ask(empty, "init", name="laptop")
    with pytest.raises(VaultExists):
        async with methods_of(empty).streams["join"]({"code": "42", "name": "x"}):
            pass
    assert (await ask(empty, "hello"))["vault"] is True


async def test_a_vault_whose_node_cannot_run_says_why_until_it_can(
    empty: Keeper, source: FakeSource
) -> None:
    source.fault = StoreCorrupt("the store is damaged")
    with pytest.raises(StoreCorrupt):
        await ask(empty, "init", name="laptop")
    with pytest.raises(StoreCorrupt):
        await ask(empty, "get", path="a/b")
    problem: Json = {
        "code": "store_corrupt",
        "message": "the store is damaged",
        "hint": StoreCorrupt.hint,
    }
    assert (await ask(empty, "status"))["problems"] == [problem]
    source.fault = None
    await empty.change_settings(Settings())
    assert (await ask(empty, "status"))["vault"] is not None


async def test_waiting_ends_when_there_is_a_vault(empty: Keeper) -> None:
    async with trio.open_nursery() as nursery:
        done = trio.Event()

        async def wait() -> None:
            await ask(empty, "wait", **{"for": "ready"})
            done.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not done.is_set()
        await ask(empty, "init", name="laptop")
        await done.wait()


async def test_waiting_ends_when_time_runs_out(
    keeper: Keeper, node: FakeNode, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    with pytest.raises(Unreachable, match="not synced within 90 s"):
        await ask(keeper, "wait", timeout_s=90, **{"for": "synced"})
    node.synced.set()
    assert await ask(keeper, "wait", timeout_s=90, **{"for": "synced"}) == {}


async def test_waiting_for_equality_needs_a_vault(empty: Keeper) -> None:
    with pytest.raises(NoVault):
        await ask(empty, "wait", **{"for": "synced"})


async def test_leaving_the_keeper_closes_the_node_in_order() -> None:
    source = FakeSource(FakeNode())
    async with open_keeper(source, Settings()) as keeper:
        await keeper.run_existing()
    assert source.closed_in_order


async def test_a_node_that_hangs_at_its_end_is_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    source = FakeSource(FakeNode())
    source.hangs_at_the_end = True
    async with open_keeper(source, Settings()) as keeper:
        await keeper.run_existing()
    assert not source.closed_in_order


async def test_a_home_that_was_in_use_and_stayed_empty_has_no_vault(
    empty: Keeper, source: FakeSource
) -> None:
    # As while `p2pvault init` is at work beside this daemon, and then finds the disk full.
    source.node, source.fault = FakeNode(), StoreInUse("another process has it open")
    await empty.look_again()
    assert isinstance(empty.fault, StoreInUse)
    source.node, source.fault = None, None
    await empty.look_again()
    with pytest.raises(NoVault):
        empty.node()
