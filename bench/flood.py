"""Two devices reconcile while a stranger opens a thousand streams a second to one of them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from daemons import Daemon
from environment import ENVIRONMENT
from meeting import meeting
from summary import Figures

STREAMS_PER_S: Final = 1_000.0
_FLOODER: Final = Path(__file__).with_name("flooder.py")


def meet_flooded(root: Path, count: int) -> Figures:
    """W1 twice, first in peace and then in a flood; the flooder takes a part of two cores too."""
    with meeting(root / "quiet", count) as met:
        quiet_s = met.figures["s"]
    with meeting(root / "flooded", count, around=flooding) as met:
        flooded_s = met.figures["s"]
    return {
        "quiet_s": quiet_s,
        "flooded_s": flooded_s,
        "slower_percent": 100 * (flooded_s / quiet_s - 1),
    }


@contextmanager
def flooding(victim: Daemon) -> Iterator[None]:
    """Flood a daemon for as long as the block lasts."""
    command = [sys.executable, str(_FLOODER), str(victim.port()), str(STREAMS_PER_S)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=ENVIRONMENT
    ) as flooder:
        yield
        assert flooder.stdin is not None
        flooder.stdin.close()
