"""The two things that answer on a control socket: the fake daemon and the real one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from harness.command_line import warm
from harness.daemons import Lines
from harness.fake_daemon import fake_daemon
from p2pvault.control.caller import connect
from p2pvault.control.home import Home, private_directory

Endpoint = Callable[[Home], AbstractContextManager[object]]
"""Serves a home without a vault until its context ends."""

START_S = 30.0
STOP_S = 30.0


@contextmanager
def real_daemon(home: Home) -> Iterator[None]:
    """Run `p2pvaultd` for this home on loopback, without discovery."""
    private_directory(home.state)
    words = ["--listen", "127.0.0.1:0", "--mode", "off", *home.arguments()]
    process = warm().daemon(home.state, words)
    assert process.stderr is not None
    log = Lines(process.stderr)
    try:
        connect(home, START_S).__exit__()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
        log.wait_end()


ENDPOINTS: dict[str, Endpoint] = {"fake": fake_daemon, "real": real_daemon}
