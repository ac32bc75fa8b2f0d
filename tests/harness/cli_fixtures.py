"""Homes for the tests of the command line, with the fake daemon behind them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.fake_daemon import FakeDaemon, fake_daemon
from harness.fake_state import FakeState
from p2pvault.control.home import find_home, private_directory


@contextmanager
def served(directory: Path, state: FakeState) -> Iterator[FakeDaemon]:
    """Serve the home `directory`."""
    with fake_daemon(find_home(private_directory(directory)), state) as daemon:
        yield daemon
