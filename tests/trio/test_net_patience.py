"""Listeners that wait until there are descriptors again."""

import errno
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from p2pvault.limits import SHORTAGE_REPORT_S
from p2pvault.net.patience import PatientListener


class Scarce(trio.abc.Listener[trio.SocketStream]):
    """Fails to accept with these errors, one after the other."""

    def __init__(self, errors: Iterator[int]) -> None:
        self._errors = errors
        self.closed = False

    async def accept(self) -> trio.SocketStream:
        await trio.lowlevel.checkpoint()
        for number in self._errors:
            raise OSError(number, "no")
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()


async def accept_for(errors: list[int], seconds: float) -> list[str]:
    said: list[str] = []
    with trio.move_on_after(seconds):
        await PatientListener(Scarce(iter(errors)), said.append).accept()
    return said


async def test_a_shortage_is_waited_out_and_said_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await accept_for([errno.EMFILE] * 50, SHORTAGE_REPORT_S) == ["EMFILE"]


async def test_a_shortage_that_lasts_is_said_again(autojump_clock: trio.testing.MockClock) -> None:
    said = await accept_for([errno.ENFILE] * 10_000, 2.5 * SHORTAGE_REPORT_S)
    assert said == ["ENFILE"] * 3


async def test_what_is_no_shortage_is_raised() -> None:
    with pytest.raises(OSError, match="no"):
        await accept_for([errno.EINVAL], 1.0)


async def test_it_closes_what_it_was_given() -> None:
    listener = Scarce(iter([]))
    await PatientListener(listener, print).aclose()
    assert listener.closed
