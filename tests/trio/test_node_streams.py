"""Streams of the node: order, pieces, stalls, and one end each."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from p2pvault.core import io
from p2pvault.limits import WRITE_QUEUE_BYTES_MAX, WRITE_STALL_S
from p2pvault.node.streams import Stream
from p2pvault.types import LinkId

LINK = LinkId(7)


class Far:
    """The other end of a stream, and what the node was told of this one."""

    def __init__(self, ours: trio.abc.Stream, theirs: trio.abc.Stream) -> None:
        self.stream = theirs
        self.told: list[io.Input] = []
        self.carried = Stream(LINK, ours, self.told.append)

    def count(self, kind: type) -> int:
        return sum(isinstance(each, kind) for each in self.told)

    def received(self) -> bytes:
        return b"".join(each.data for each in self.told if isinstance(each, io.BytesReceived))


def memory() -> Far:
    return Far(*trio.testing.memory_stream_pair())


def narrow() -> Far:
    """Return a stream that takes nothing until the other end reads it."""
    return Far(*trio.testing.lockstep_stream_pair())


async def read_exactly(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.receive_some(size - len(data))
        assert piece, "the stream ended early"
        data += bytes(piece)
    return data


async def test_bytes_go_out_in_the_order_in_which_they_were_given(nursery):
    far = memory()
    nursery.start_soon(far.carried.run)
    for number in range(100):
        far.carried.write(number.to_bytes(2, "big") * 500)
    expected = b"".join(number.to_bytes(2, "big") * 500 for number in range(100))
    assert await read_exactly(far.stream, len(expected)) == expected


async def test_a_stream_is_writable_once_all_is_taken_and_not_before(nursery):
    far = narrow()
    nursery.start_soon(far.carried.run)
    far.carried.write(b"x" * 300_000)
    await trio.testing.wait_all_tasks_blocked()
    assert far.count(io.Writable) == 0
    await read_exactly(far.stream, 300_000)
    await trio.testing.wait_all_tasks_blocked()
    assert far.count(io.Writable) == 1


async def test_what_arrives_is_passed_on(nursery):
    far = memory()
    nursery.start_soon(far.carried.run)
    await far.stream.send_all(b"hello ")
    await far.stream.send_all(b"there")
    await trio.testing.wait_all_tasks_blocked()
    assert far.received() == b"hello there"


async def test_hanging_up_writes_what_was_given_before(nursery):
    far = memory()
    far.carried.write(b"last words")
    far.carried.hang_up()
    nursery.start_soon(far.carried.run)
    assert await read_exactly(far.stream, 10) == b"last words"
    assert await far.stream.receive_some() == b""
    await trio.testing.wait_all_tasks_blocked()
    assert far.told == [io.LinkDown(LINK)]


def close_far(far: Far) -> None:
    far.stream.close()


def break_far(far: Far) -> None:
    far.stream.send_stream.close()
    far.stream.receive_stream.close()


def hang_up(far: Far) -> None:
    far.carried.hang_up()


def overfill(far: Far) -> None:
    far.carried.write(bytes(WRITE_QUEUE_BYTES_MAX + 1))


@pytest.mark.parametrize("end", [break_far, hang_up, overfill], ids=lambda end: end.__name__)
async def test_a_stream_that_ends_says_so_exactly_once(end: Callable[[Far], None]):
    far = memory()
    async with trio.open_nursery() as running:
        running.start_soon(far.carried.run)
        await trio.testing.wait_all_tasks_blocked()
        end(far)
        await trio.testing.wait_all_tasks_blocked()
    assert far.told[-1] == io.LinkDown(LINK)
    assert far.count(io.LinkDown) == 1


async def test_a5_a_peer_that_takes_nothing_is_given_up(autojump_clock):
    far = narrow()
    far.carried.write(b"x")
    start = trio.current_time()
    await far.carried.run()
    assert trio.current_time() - start == WRITE_STALL_S
    assert far.told == [io.LinkDown(LINK)]


async def test_a_peer_that_reads_slowly_is_not_given_up(autojump_clock):
    far = narrow()
    far.carried.write(bytes(1_000_000))
    async with trio.open_nursery() as running:
        running.start_soon(far.carried.run)
        left = 1_000_000
        while left:
            await trio.sleep(WRITE_STALL_S - 1)
            left -= len(await far.stream.receive_some(min(left, 256 * 1024)))
        await trio.testing.wait_all_tasks_blocked()
        assert far.count(io.Writable) == 1
        far.carried.hang_up()


async def test_a_stream_whose_node_stops_tells_of_its_end():
    far = memory()
    async with trio.open_nursery() as running:
        running.start_soon(far.carried.run)
        await trio.testing.wait_all_tasks_blocked()
        running.cancel_scope.cancel()
    assert far.told == [io.LinkDown(LINK)]
