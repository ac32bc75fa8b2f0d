"""Memory goes back to the system when bulk work is over, and not in the middle of it."""

import gc

import pytest
import trio
import trio.testing

from harness.nodes import founded
from harness.world import put
from p2pvault.limits import BULK_BYTES, BULK_OVER_S
from p2pvault.node.memory import Memory
from p2pvault.types import RecordId, RecordWrite


@pytest.fixture
async def shrunk(nursery):
    """The memory of a node, and the times at which it was given back."""
    times: list[float] = []

    async def shrink() -> None:
        times.append(trio.current_time())

    memory = Memory(shrink)
    nursery.start_soon(memory.run)
    return memory, times


async def test_small_work_gives_nothing_back(shrunk, autojump_clock):
    memory, times = shrunk
    memory.used(BULK_BYTES - 1)
    await trio.sleep(10 * BULK_OVER_S)
    assert times == []


async def test_bulk_work_gives_back_once_when_it_is_over(shrunk, autojump_clock):
    memory, times = shrunk
    began = trio.current_time()
    for _ in range(5):
        memory.used(BULK_BYTES)
        await trio.sleep(BULK_OVER_S / 2)
    await trio.sleep(10 * BULK_OVER_S)
    (time,) = times
    last = began + 2 * BULK_OVER_S
    assert BULK_OVER_S <= time - last < 3 * BULK_OVER_S


async def test_it_is_given_back_after_each_stretch(shrunk, autojump_clock):
    memory, times = shrunk
    for _ in range(3):
        memory.used(BULK_BYTES)
        await trio.sleep(3 * BULK_OVER_S)
    assert len(times) == 3


async def test_a_node_holds_no_batch_that_is_durable(tmp_path):
    async with founded(tmp_path / "ada") as ada:
        (edited,) = await ada.edit([put("notes/one", text="1")])
        # The thread lets go of a call when it takes the next one, at the latest.
        await ada.shell._stores.writer.run(lambda _: None)
        await trio.testing.wait_all_tasks_blocked()
        assert not [each for each in gc.get_objects() if _writes(each, edited.id)]


def _writes(each: object, record: RecordId) -> bool:
    return type(each) is RecordWrite and each.row.id == record
