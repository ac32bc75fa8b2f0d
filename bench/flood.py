"""Two devices reconcile while a stranger opens a thousand streams a second to one of them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from daemons import Daemon
from environment import ENVIRONMENT
from meeting import meeting
from summary import Figures

STREAMS_PER_S: Final = 1_000.0
_FLOODER: Final = Path(__file__).with_name("flooder.py")


MANY_ADDRESSES: Final = 200
"""So many that the bound for one address refuses none of their streams."""


def meet_flooded(root: Path, count: int) -> Figures:
    """W1 in peace, and in floods from one and from many addresses; a flooder takes time too."""
    with meeting(root / "quiet", count) as met:
        quiet_s = met.figures["s"]
    figures = {"quiet_s": quiet_s}
    for name, addresses in ("one", 1), ("many", MANY_ADDRESSES):
        around = partial(flooding, addresses=addresses)
        with meeting(root / name, count, around=around) as met:
            figures[f"from_{name}_s"] = met.figures["s"]
        figures[f"slower_from_{name}_percent"] = 100 * (met.figures["s"] / quiet_s - 1)
    return figures


@contextmanager
def flooding(victim: Daemon, addresses: int) -> Iterator[None]:
    """Flood a daemon for as long as the block lasts."""
    numbers = (victim.port(), STREAMS_PER_S, addresses)
    command = [sys.executable, str(_FLOODER), *map(str, numbers)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=ENVIRONMENT
    ) as flooder:
        yield
        assert flooder.stdin is not None
        flooder.stdin.close()
