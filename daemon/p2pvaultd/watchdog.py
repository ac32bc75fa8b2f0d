"""Answers systemd's watchdog, and only while the daemon really works.

The answer comes from a task of the event loop, after the store has answered one as well: a loop
or a disk that hangs stays silent, and systemd starts the daemon anew (sd_watchdog_enabled(3)
asks for an answer in half of the interval).
"""

import trio

from p2pvaultd.keeper import Keeper
from p2pvaultd.notify import Notifier


async def answer_watchdog(notifier: Notifier, keeper: Keeper) -> None:
    """Answer for ever; without a watchdog return at once."""
    if notifier.watchdog_s is None:
        return
    while True:
        if (node := keeper.running) is not None:
            await node.check()
        notifier.alive()
        notifier.status(await describe(keeper))
        await trio.sleep(notifier.watchdog_s / 2)


async def describe(keeper: Keeper) -> str:
    """Say in one line how it is, for `systemctl status`: numbers and no names."""
    if (node := keeper.running) is None:
        return "waiting for a vault: p2pvault init, or p2pvault join"
    peers = (await node.status()).peers
    up = sum(peer.up for peer in peers)
    return f"{up} of {len(peers)} other devices linked"
