"""The way from zeroconf's thread into trio."""

import trio

from p2pvault.net.mailbox import Mailbox


async def test_values_of_another_thread_arrive_in_order() -> None:
    mailbox = Mailbox[int](8, trio.lowlevel.current_trio_token())
    await trio.to_thread.run_sync(lambda: [mailbox.put(number) for number in range(8)])
    assert [await mailbox.receive.receive() for _ in range(8)] == list(range(8))
    assert mailbox.dropped == 0


async def test_what_nobody_fetches_is_bounded_and_counted() -> None:
    mailbox = Mailbox[int](8, trio.lowlevel.current_trio_token())
    for start in range(0, 80, 8):
        await trio.to_thread.run_sync(lambda: [mailbox.put(start + n) for n in range(8)])  # noqa: B023 - runs at once
        await trio.testing.wait_all_tasks_blocked()
    assert mailbox.dropped == 72
    mailbox.close()
    assert [number async for number in mailbox.receive] == list(range(8))


async def test_a_flood_within_one_step_of_trio_is_bounded_too() -> None:
    mailbox = Mailbox[int](8, trio.lowlevel.current_trio_token())
    for number in range(100):
        mailbox.put(number)
    assert mailbox.dropped == 92


async def test_a_value_after_the_end_is_lost_quietly() -> None:
    mailbox = Mailbox[int](8, trio.lowlevel.current_trio_token())
    mailbox.close()
    await trio.to_thread.run_sync(mailbox.put, 1)
    assert [number async for number in mailbox.receive] == []


def test_a_thread_that_outlives_trio_is_not_disturbed() -> None:
    async def main() -> Mailbox[int]:
        return Mailbox[int](8, trio.lowlevel.current_trio_token())

    trio.run(main).put(1)
