"""Requests and watchers of a node: who waits for what, and what becomes of the impatient."""

import pytest
import trio
import trio.testing

from harness.batches import device, record_id
from p2pvault.core import io
from p2pvault.errors import BadPath, Refused
from p2pvault.limits import SUBSCRIPTION_EVENTS_MAX
from p2pvault.node.port import ChangeEvent, MissedEvents
from p2pvault.node.requests import Requests
from p2pvault.node.watchers import Watchers


async def test_a_request_is_answered_to_whom_made_it(nursery):
    requests = Requests()
    first, second = requests.begin(), requests.begin()
    outcomes = {}

    async def wait(number: int) -> None:
        outcomes[number] = await requests.wait(number)

    nursery.start_soon(wait, first)
    nursery.start_soon(wait, second)
    await trio.testing.wait_all_tasks_blocked()
    assert requests.settle(io.Answer(second, (device(2), "bob")))
    assert requests.settle(io.Answer(first, (device(1), "ada")))
    await trio.testing.wait_all_tasks_blocked()
    assert outcomes == {first: (device(1), "ada"), second: (device(2), "bob")}


async def test_an_answer_may_come_before_anybody_waits():
    requests = Requests()
    number = requests.begin()
    requests.settle(io.Answer(number, ()))
    assert await requests.wait(number) == ()


async def test_a_refusal_is_raised():
    requests = Requests()
    number = requests.begin()
    requests.settle(io.Refuse(number, Refused("no")))
    with pytest.raises(Refused, match="no"):
        await requests.wait(number)


async def test_who_left_is_not_waited_for():
    requests = Requests()
    number = requests.begin()
    with trio.move_on_after(0):
        await requests.wait(number)
    assert not requests.settle(io.Answer(number, ()))
    assert not requests.settle(io.Answer(999, ()))


def change(number: int, path: str = "notes/one") -> io.Change:
    return io.Change(record_id(number), path, "edit", device(1), ("text",))


def name_of(_: bytes) -> str:
    return "ada"


class Watched:
    """Watchers, and whether the core was told that there are any."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self.watchers = Watchers(self.told.append)

    def publish(self, *changes: io.Change) -> None:
        self.watchers.publish(changes, name_of)


def drain(events: trio.MemoryReceiveChannel) -> list:
    found = []
    while True:
        try:
            found.append(events.receive_nowait())
        except trio.WouldBlock:
            return found


async def test_the_core_is_told_when_there_is_anybody_who_watches():
    it = Watched()
    with it.watchers.watch(None), it.watchers.watch("notes"):
        pass
    assert it.told == [True, True, True, False]


async def test_a_watcher_gets_changes_with_names():
    it = Watched()
    with it.watchers.watch(None) as events:
        it.publish(change(1))
        (event,) = drain(events)
    assert event == ChangeEvent(record_id(1), "notes/one", "edit", device(1), "ada", ("text",))


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        (None, [1, 2, 3, 4]),
        ("notes", [1, 2]),
        ("notes/one", [1]),
        ("not", [4]),
        (f"id:{record_id(3).hex()}", [3]),
        ("id:0000", [1, 2, 3, 4]),
    ],
)
async def test_a_watcher_gets_what_it_asked_for(selector, numbers):
    it = Watched()
    with it.watchers.watch(selector) as events:
        paths = ("notes/one", "notes/two", "contacts/one", "not/es")
        it.publish(*(change(number, path) for number, path in enumerate(paths, start=1)))
        assert [event.id for event in drain(events)] == [record_id(n) for n in numbers]


@pytest.mark.parametrize("selector", ["", "id:xyz", "notes/", "a\x00"])
async def test_a_selector_that_is_none_is_refused_and_nobody_watches(selector):
    it = Watched()
    with pytest.raises(BadPath):
        it.watchers.watch(selector).__enter__()
    assert it.told == []


async def test_a_watcher_that_is_too_slow_is_told_how_many_it_missed():
    it = Watched()
    with it.watchers.watch(None) as slow, it.watchers.watch(None) as quick:
        for number in range(SUBSCRIPTION_EVENTS_MAX + 10):
            it.publish(change(number))
            quick.receive_nowait()
        assert len(drain(slow)) == SUBSCRIPTION_EVENTS_MAX
        it.publish(change(1))
        assert drain(slow)[0] == MissedEvents(10)
        it.publish(change(2))
        assert len(drain(slow)) == 1


async def test_a_watcher_with_room_for_the_notice_only_is_told_of_the_rest_later():
    it = Watched()
    with it.watchers.watch(None) as slow:
        for number in range(SUBSCRIPTION_EVENTS_MAX + 5):
            it.publish(change(number))
        slow.receive_nowait()
        it.publish(change(1))
        assert drain(slow)[-1] == MissedEvents(5)
        it.publish(change(2))
        missed, event = drain(slow)
        assert missed == MissedEvents(1)
        assert event.id == record_id(2)


async def test_a_watcher_that_left_is_sent_nothing():
    it = Watched()
    with it.watchers.watch(None) as events:
        pass
    it.publish(change(1))
    with pytest.raises(trio.ClosedResourceError):
        events.receive_nowait()
