"""Answers systemd's watchdog, and only while the daemon really works.

The answer comes from a task of the event loop, after the store has answered one as well: a loop
or a disk that hangs stays silent, and systemd starts the daemon anew (sd_watchdog_enabled(3)
asks for an answer in half of the interval). A store that refuses is asked again before that: one
bad read is no reason to begin anew, a disk that stays bad is.
"""

import structlog
import trio

from p2pvault.errors import StoreError
from p2pvaultd.keeper import Keeper
from p2pvaultd.notify import Notifier

_log = structlog.get_logger()


async def answer_watchdog(notifier: Notifier, keeper: Keeper) -> None:
    """Answer for ever; without a watchdog return at once."""
    if notifier.watchdog_s is None:
        return
    while True:
        if await _works(keeper):
            notifier.alive()
            notifier.status(await describe(keeper))
        await trio.sleep(notifier.watchdog_s / 2)


async def _works(keeper: Keeper) -> bool:
    if (node := keeper.running) is None:
        return True
    try:
        await node.check()
    except StoreError as error:
        _log.error("store_refuses", reason=error.code)
        return False
    return True


async def describe(keeper: Keeper) -> str:
    """Say in one line how it is, for `systemctl status`: numbers and no names."""
    if (node := keeper.running) is None:
        return "waiting for a vault: p2pvault init, or p2pvault join"
    peers = (await node.status()).peers
    up = sum(peer.up for peer in peers)
    return f"{up} of {len(peers)} other devices linked"
