"""The store's thread: order, cancellation, errors and the life of the thread."""

import threading
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from harness.batches import entry, row, rows
from p2pvault.errors import NoVault, StoreUnwritable
from p2pvault.limits import STORE_CALLS_QUEUED_MAX
from p2pvault.store.sqlite import open_reader, open_store
from p2pvault.store.worker import open_worker
from p2pvault.types import Batch


class Notebook:
    """Something to own: remembers which thread did what."""

    def __init__(self) -> None:
        self.opened_by = threading.get_ident()
        self.closed_by = 0
        self.done: list[object] = []
        self.gate = threading.Event()

    def close(self) -> None:
        self.closed_by = threading.get_ident()

    def note(self, item: object) -> None:
        self.done.append(item)

    def hold(self) -> None:
        assert self.gate.wait(60)


async def test_everything_happens_in_one_thread_of_that_name() -> None:
    async with open_worker(Notebook, name="ledger") as worker:
        notebook = await worker.run(lambda notebook: notebook)
        first = await worker.run(lambda _: threading.current_thread())
        second = await worker.run(lambda _: threading.current_thread())
        assert first is second
        assert first.name.startswith("ledger")
        assert not first.daemon
    assert notebook.opened_by == notebook.closed_by == first.ident != threading.get_ident()
    assert not first.is_alive()


async def test_results_and_errors_travel_to_their_caller() -> None:
    def fail(_: Notebook) -> None:
        raise StoreUnwritable("the disk is read-only")

    async with open_worker(Notebook) as worker:
        assert await worker.run(lambda _: 7) == 7
        with pytest.raises(StoreUnwritable):
            await worker.run(fail)
        assert await worker.run(lambda _: 8) == 8


async def test_calls_run_in_the_order_in_which_they_were_made_even_past_the_bound() -> None:
    calls = STORE_CALLS_QUEUED_MAX * 3
    async with open_worker(Notebook) as worker, trio.open_nursery() as nursery:
        notebook = await worker.run(lambda notebook: notebook)
        nursery.start_soon(worker.run, Notebook.hold)
        for number in range(calls):
            await wait_all_tasks_blocked()
            nursery.start_soon(worker.run, lambda notebook, number=number: notebook.note(number))
        await wait_all_tasks_blocked()
        notebook.gate.set()
    assert notebook.done == list(range(calls))


async def test_a_call_that_waits_for_room_can_be_cancelled_and_never_runs() -> None:
    async with open_worker(Notebook) as worker, trio.open_nursery() as nursery:
        notebook = await worker.run(lambda notebook: notebook)
        nursery.start_soon(worker.run, Notebook.hold)
        await wait_all_tasks_blocked()
        for number in range(STORE_CALLS_QUEUED_MAX - 1):
            nursery.start_soon(worker.run, lambda notebook, number=number: notebook.note(number))
        await wait_all_tasks_blocked()
        outside = trio.CancelScope()

        async def call_from_outside() -> None:
            with outside:
                await worker.run(lambda notebook: notebook.note("cancelled"))

        nursery.start_soon(call_from_outside)
        await wait_all_tasks_blocked()
        outside.cancel()
        await wait_all_tasks_blocked()
        assert outside.cancelled_caught
        nursery.start_soon(worker.run, lambda notebook: notebook.note("later"))
        await wait_all_tasks_blocked()
        notebook.gate.set()
    assert len(notebook.done) == STORE_CALLS_QUEUED_MAX
    assert notebook.done[-1] == "later"


async def test_a_call_that_is_queued_runs_and_is_answered_although_cancelled() -> None:
    answers = []
    async with open_worker(Notebook) as worker, trio.open_nursery() as nursery:
        notebook = await worker.run(lambda notebook: notebook)
        scope = trio.CancelScope()

        async def write() -> None:
            with scope:
                answers.append(await worker.run(lambda notebook: notebook.note("written") or "ok"))

        nursery.start_soon(worker.run, Notebook.hold)
        await wait_all_tasks_blocked()
        nursery.start_soon(write)
        await wait_all_tasks_blocked()
        scope.cancel()
        await wait_all_tasks_blocked()
        assert notebook.done == []
        notebook.gate.set()
    assert notebook.done == ["written"]
    assert answers == ["ok"]


async def test_leaving_waits_for_what_is_queued_and_then_closes() -> None:
    opened: list[Notebook] = []

    def opener() -> Notebook:
        opened.append(Notebook())
        return opened[0]

    with trio.CancelScope() as scope:
        async with open_worker(opener) as worker, trio.open_nursery() as nursery:
            nursery.start_soon(worker.run, Notebook.hold)
            nursery.start_soon(worker.run, lambda notebook: notebook.note("last"))
            await wait_all_tasks_blocked()
            scope.cancel()
            opened[0].gate.set()
    assert opened[0].done == ["last"]
    assert opened[0].closed_by == opened[0].opened_by


async def test_a_store_that_does_not_open_leaves_no_thread(tmp_path: Path) -> None:
    with pytest.raises(NoVault):
        async with open_worker(lambda: open_store(tmp_path, bytes(32)), name="never-opened"):
            raise AssertionError("it opened")
    assert not [thread for thread in threading.enumerate() if "never-opened" in thread.name]


async def test_a_second_worker_reads_what_the_first_one_wrote(tmp_path: Path) -> None:
    key = bytes(32)
    async with (
        open_worker(lambda: open_store(tmp_path, key, create=True)) as writer,
        open_worker(lambda: open_reader(tmp_path, key), name="reader") as reader,
    ):
        await writer.run(lambda store: store.persist(rows(row(1))))
        assert await reader.run(lambda store: store.count()) == 1
        await writer.run(lambda store: store.persist(Batch(entries=(entry(1, 1),))))
        assert (await reader.run(lambda store: store.state())).last_arrival == 1
