"""Signals become two values: stop, and read the configuration again.

The first SIGTERM or SIGINT asks for an orderly end. The second one kills the process as if it
had never been caught; that is safe at any moment, because whatever was acknowledged is durable.
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import trio

from p2pvault.limits import STOP_S

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
LISTENED = (*sorted(STOPPING), signal.SIGHUP)


async def watch_signals(
    reload: Callable[[], Awaitable[None]],
    stop: Callable[[signal.Signals], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Call `reload` at every SIGHUP and `stop` at the first signal to end, then return.

    After `stop` was called the default actions are back, and the kernel ends the process at
    STOP_S whatever it is doing then: a disk that hangs inside a write cannot be cancelled.

    Args:
        reload: Reads the configuration again; cancelled when the end comes first.
        stop: Begins the orderly end; must return at once.
        task_status: Started once the signals are caught.
    """
    # What nobody received any more is raised once more as it was before: one that comes right
    # behind the first signal to end (`SendSIGHUP=`, systemd.kill(5)) may not end us at once.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with trio.open_signal_receiver(*LISTENED) as received:
        task_status.started()
        async with trio.open_nursery() as reloads:
            number = await _first_to_stop(received, lambda: reloads.start_soon(reload))
            reloads.cancel_scope.cancel()
    _arm_defaults()
    stop(number)


async def _first_to_stop(
    received: AsyncIterator[int], begin_reload: Callable[[], None]
) -> signal.Signals:
    async for number in received:
        if number in STOPPING:
            return signal.Signals(number)
        # Beside the loop: a reload that hangs must not keep the end from coming.
        begin_reload()
    raise AssertionError("a signal receiver never ends by itself")


def _arm_defaults() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, STOP_S)
