"""W3 and W4: a device comes back, to nothing new or to a few changes."""

import time
from typing import Final

from daemons import Daemon, Stuck
from meeting import SETTLE_S
from proxy import Proxy
from summary import Figures
from vaults import change, check_changed, wait_equal

AWAY_S: Final = 2.0
CHANGED: Final = 100
_PATIENCE_S: Final = 60.0


def meet_unchanged(b: Daemon, proxy: Proxy) -> Figures:
    """W3: stop B, start it, and measure until it has proved that nothing is new."""
    b.stop()
    time.sleep(AWAY_S)
    return _come_back(b, proxy)


def meet_changed(a: Daemon, b: Daemon, proxy: Proxy, count: int, rev: int) -> Figures:
    """W4: the same, with changes on A meanwhile; B has them when the contents are equal."""
    b.stop()
    indices = [number * count // CHANGED for number in range(CHANGED)]
    change(a, indices, rev)
    time.sleep(AWAY_S)
    figures = _come_back(b, proxy)
    check_changed(b, indices, rev)
    return figures


def _come_back(b: Daemon, proxy: Proxy) -> Figures:
    proxy.reset()
    answered = b.start()
    equal = wait_equal(b, _PATIENCE_S)
    time.sleep(SETTLE_S)
    connected = proxy.began
    if connected is None:
        raise Stuck("the devices met past the proxy")
    return {
        "after_connect_ms": (equal - connected) * 1e3,
        "from_start_ms": (equal - b.began) * 1e3,
        "to_answer_ms": (answered - b.began) * 1e3,
        "bytes": proxy.bytes,
    }
