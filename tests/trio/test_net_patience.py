"""Listeners that refuse cheaply, and wait until there are descriptors again."""

import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, closing

import pytest
import trio
import trio.testing

from p2pvault.limits import LISTEN_BACKLOG, SHORTAGE_PAUSE_S
from p2pvault.net.patience import PatientListener, patient
from p2pvault.net.stream import open_listeners, port_of


class Scarce(PatientListener):
    """Fails to accept with these errors, one after the other, and then accepts again."""

    def __init__(
        self, listener: trio.SocketListener, report: Callable[[str], None], errors: Iterable[int]
    ) -> None:
        super().__init__(listener, report)
        self._errors = iter(errors)

    def _take(self) -> trio.SocketStream | None:
        for number in self._errors:
            raise OSError(number, "no")
        return super()._take()


@pytest.fixture
async def listener() -> AsyncIterator[trio.SocketListener]:
    (made,) = await open_listeners("127.0.0.1", 0)
    async with made:
        yield made


@pytest.fixture
async def door(listener: trio.SocketListener) -> tuple[str, int]:
    """Where it listens, which whoever took its socket still does."""
    return "127.0.0.1", port_of(listener)


def dial(door: tuple[str, int]) -> socket.socket:
    return socket.create_connection(door)


async def accept_one(watched: PatientListener) -> None:
    async with watched:
        await (await watched.accept()).aclose()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_a_shortage_is_said_and_waited_out(
    listener: trio.SocketListener,
    door: tuple[str, int],
    autojump_clock: trio.testing.MockClock,
    number: int,
) -> None:
    del autojump_clock
    said: list[str] = []
    with closing(dial(door)):
        await accept_one(Scarce(listener, said.append, [number] * 50))
    assert said == [errno.errorcode[number]] * 50
    assert trio.current_time() == pytest.approx(50 * SHORTAGE_PAUSE_S)


async def test_a_stream_that_is_gone_already_is_passed_over(
    listener: trio.SocketListener, door: tuple[str, int]
) -> None:
    said: list[str] = []
    with closing(dial(door)):
        await accept_one(Scarce(listener, said.append, [errno.ECONNABORTED]))
    assert said == []


async def test_a_wrong_call_is_a_bug(listener: trio.SocketListener) -> None:
    with pytest.raises(OSError, match="no"):
        await accept_one(Scarce(listener, print, [errno.EINVAL]))


@pytest.mark.parametrize("refused", [3, LISTEN_BACKLOG])
async def test_what_may_not_begin_is_hung_up_on_and_the_rest_is_accepted(
    listener: trio.SocketListener, door: tuple[str, int], refused: int
) -> None:
    answers = iter([*[False] * refused, True])
    asked: list[str] = []

    def may_begin(host: str) -> bool:
        asked.append(host)
        return next(answers)

    with ExitStack() as held:
        streams = [held.enter_context(closing(dial(door))) for _ in range(refused)]
        async with trio.open_nursery() as nursery:
            (watched,) = patient([listener], print, may_begin)
            nursery.start_soon(accept_one, watched)
            while len(asked) < refused:
                await trio.testing.wait_all_tasks_blocked()
            dial(door).close()
        assert [each.recv(1) for each in streams] == [b""] * refused
    assert asked == ["127.0.0.1"] * (refused + 1)


async def test_it_waits_for_a_stream_and_closes_its_socket(
    listener: trio.SocketListener, door: tuple[str, int]
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_one, PatientListener(listener, print))
        await trio.testing.wait_all_tasks_blocked()
        dial(door).close()
    with pytest.raises(ConnectionRefusedError):
        dial(door)
